"""`weft.spec`, `signature`, `prepare`, `ir` of specs."""

import numpy as np
import pytest

import weft


def test_specs_print_and_compare():
    assert str(weft.spec(" f32[n, 784]")) == "f32[n,784]"
    assert weft.spec("f32[n]") == weft.spec("f32[ n ]") != weft.spec("f32[m]")
    assert weft.spec("int") == weft.spec("int") != weft.spec("float")
    assert weft.spec(weft.spec("f32[]")) == weft.spec("f32[]") != weft.spec("f32")
    assert str(weft.spec("f32[2*n+1,n*m]").shape[0]) == "2*n+1"
    assert repr(weft.spec("i8[3]")) == "weft.spec('i8[3]')"
    assert len({weft.spec("f32[n]"), weft.spec("f32[n]")}) == 1


@pytest.mark.parametrize(
    "text",
    ["f32[n", "f33[n]", "f32[n,,m]", "f32[-1]", "f32[n+]", "", "f32[f32]", "int[3]", 3, None, "f32[n] x"],
)
def test_what_cannot_be_read(text):
    with pytest.raises(weft.UserError) as caught:
        weft.spec(text)
    assert caught.value.code == "E003"
    assert "f32[n,784]" in str(caught.value)


def test_signature_compiles_once():
    @weft.compile(signature=["f32[n,4]", "int", {"b": "f32[4]", "s": "float"}])
    def f(x, k, tree):
        return x * k + tree["b"] * tree["s"]

    tree = {"b": np.ones(4, "f4"), "s": 0.5}
    for n in (5, 2, 9, 3):
        for k in (-3, 0, 7):
            assert f(np.ones((n, 4), "f4"), k, tree).tolist() == [[k + 0.5] * 4] * n
    turned = np.asfortranarray(np.ones((3, 4), "f4"))
    assert f(turned, 2, tree)[0, 0] == 2.5
    assert f(np.ones((6, 8), "f4")[::2, ::2], 2, tree).shape == (3, 4)
    assert f.stats()["compiles"] == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((np.ones((3, 5), "f4"), 1), ("f32[n,4]", "f32[3,5]", "x")),
        ((np.ones((3, 4)), 1), ("f32[n,4]", "f64[3,4]")),
        ((np.ones(4, "f4"), 1), ("f32[n,4]", "f32[4]")),
        ((np.ones((3, 4), "f4"), 1.5), ("int", "float", "k")),
        ((np.ones((0, 4), "f4"), 1), ("n is at least 1",)),
        (([1.0], 1), ("f32[n,4]", "list")),
    ],
)
def test_signature_refuses_others(args, words):
    f = weft.compile(lambda x, k: x * k, signature=[weft.spec("f32[n,4]"), "int"])
    assert f(np.ones((2, 4), "f4"), 2).sum() == 16
    with pytest.raises(weft.UserError) as caught:
        f(*args)
    assert caught.value.code == "E004"
    assert all(word in str(caught.value) for word in words)
    assert "test_specs.py" in str(caught.value)
    assert f(np.ones((2, 4), "f4"), 2).sum() == 16
    assert f.stats()["compiles"] == 1


def test_signature_relates_sizes():
    f = weft.compile(lambda x, y: x.sum() + y.sum(), signature=["f64[n]", "f64[n+1]"])
    assert f(np.ones(3), np.ones(4)) == 7
    with pytest.raises(weft.ShapeError):
        f(np.ones(3), np.ones(3))
    assert f(np.ones(8), np.ones(9)) == 17


def test_signature_with_static_values():
    f = weft.compile(lambda x, mode: x + 1 if mode == "plus" else x - 1, signature=["f64[n]", "plus"])
    assert f(np.ones(2), "plus")[0] == 2
    with pytest.raises(weft.UserError, match="E004"):
        f(np.ones(2), "minus")


def test_prepare_compiles_without_running():
    ran = []

    @weft.compile
    def f(x, w):
        ran.append(1)
        return x @ w

    assert f.prepare("f32[n,k]", weft.spec("f32[k,m]")) is f
    assert ran == []
    assert f.stats()["compiles"] == 1
    for n, k, m in ((2, 3, 4), (5, 6, 7)):
        assert f(np.ones((n, k), "f4"), np.ones((k, m), "f4")).tolist() == [[k] * m] * n
    assert f.stats()["compiles"] == 1
    assert ran == [1, 1]


def test_prepare_of_methods_and_pytrees():
    class Layer:
        def __init__(self):
            self.w = np.ones((3, 2))

        @weft.compile
        def forward(self, batch):
            return batch["x"] @ self.w

    layer = Layer()
    Layer.forward.prepare(layer, {"x": "f64[n,3]"})
    assert layer.forward({"x": np.ones((4, 3))}).shape == (4, 2)
    assert Layer.forward.stats()["compiles"] == 1


def test_ir_of_each_stage():
    f = weft.compile(lambda x: np.exp(x) + 1)
    with pytest.raises(weft.UserError, match="not been compiled"):
        f.ir()
    assert "f32[n]" in f.ir("tensor", "f32[n]")
    assert f.stats()["compiles"] == 0
    f(np.ones(3))
    assert "exp" in f.ir("tensor")
    assert "fusion" in f.ir("fused")
    assert "kernel" in f.ir("loops")
    assert "define" in f.ir("llvm")
    assert "weft_program" in f.ir("asm")
    assert "f32[5]" in f.ir("tensor", np.ones(5, "f4"))
    assert f.stats()["compiles"] == 1
    with pytest.raises(weft.UnsupportedError):
        f.ir("cuda")
    with pytest.raises(weft.UserError, match="stage"):
        f.ir("wasm")
