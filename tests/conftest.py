"""Options of the test run."""

import signal

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts background jobs so; tests of Ctrl-C, and what they start, need the usual answer
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--bless", action="store_true", help="rewrite the [out] parts of tests/golden from what passes give"
    )


def pytest_collection_modifyitems(items):
    """Files with slow tests first: no process is left alone with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def bless(request):
    return request.config.getoption("--bless")
