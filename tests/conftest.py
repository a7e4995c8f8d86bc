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


@pytest.fixture
def bless(request):
    return request.config.getoption("--bless")
