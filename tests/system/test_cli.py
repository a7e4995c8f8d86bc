"""The command line: help, errors, and the environment check."""

import subprocess
import sys

import pytest

from weft import __version__
from weft.cli import COMMANDS, main
from weft.cli.doctor import Finding

CONTRACT = "bench demo export inspect ops passes doctor reduce run bisect diff".split()


def test_commands_are_those_of_the_contract():
    assert list(COMMANDS) == CONTRACT


def test_help_lists_every_command(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name}" in shown for name in CONTRACT)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"weft {__version__}\n"


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if not command.is_built])
def test_command_that_is_not_built_says_so(name, capsys):
    assert main([name, "anything"]) == 2
    assert f"the command `weft {name}` is not built yet" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.is_built])
def test_every_built_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert f"usage: weft {name}" in capsys.readouterr().out


def test_unknown_command():
    with pytest.raises(SystemExit) as caught:
        main(["nothing"])
    assert caught.value.code == 2


def test_module_is_the_command():
    shown = subprocess.run(
        [sys.executable, "-m", "weft", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"weft {__version__}\n"


def test_bad_variable_is_a_clean_message(monkeypatch):
    monkeypatch.setenv("WEFT_THREADS", "many")
    done = subprocess.run(
        [sys.executable, "-m", "weft", "doctor"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("weft.UserError [E002]: WEFT_THREADS cannot be 'many'")
    assert "Traceback" not in done.stderr


def test_doctor_reports(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert all(
        f"ok    {name} " in shown
        for name in ("python", "numpy", "llvmlite", "networkx", "processor", "threads")
    )
    assert str(tmp_path / "weft") in shown


def test_doctor_fails_when_something_is_wrong(capsys, monkeypatch):
    from weft.cli import doctor

    monkeypatch.setattr(doctor, "CHECKS", (lambda: iter([Finding("cache", "bad", "cannot be written")]),))
    assert main(["doctor", "--quiet"]) == 1
    assert capsys.readouterr().out == "bad   cache          cannot be written\n"
