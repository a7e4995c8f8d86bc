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


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite runs in two processes, a file in one of them; a choice of tests as it was asked for."""
    options = config.option
    if (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and not options.usepdb
        and not options.collectonly
    ):
        if config.pluginmanager.hasplugin("xdist") and options.numprocesses is None and options.dist == "no":
            options.numprocesses, options.dist = 2, "loadfile"


@pytest.fixture
def bless(request):
    return request.config.getoption("--bless")
