"""The training examples in their short setting, with bounds of their own."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
EXAMPLES = Path(__file__).parents[2] / "examples" / "train"


def load_example(name):
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_mlp_digits(tmp_path, capsys):
    pytest.importorskip("safetensors")
    file = tmp_path / "training.safetensors"
    example = load_example("mlp_digits")
    assert example.main(["--short", "--save", str(file)]) == 0
    first = capsys.readouterr().out.split("images")[0]
    assert example.main(["--short", "--save", str(file)]) == 0  # nothing is left to do: the same network
    assert capsys.readouterr().out.split("images")[0] == first


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["convnet_digits", "char_lstm", "gpt", "word2vec", "wide_deep", "cartpole", "style", "googlenet"],
)
def test_short_setting(name, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))  # for what examples share
    assert load_example(name).main(["--short"]) == 0
