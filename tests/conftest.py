"""Options of the test run."""

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--bless", action="store_true", help="rewrite the [out] parts of tests/golden from what passes give"
    )


@pytest.fixture
def bless(request):
    return request.config.getoption("--bless")
