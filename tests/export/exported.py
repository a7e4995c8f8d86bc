"""Functions that are exported, and ways to call libraries from C."""

import atexit
import functools
import inspect
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import weft
from weft import nn, optim

W = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)

needs_cc = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
needs_nm = pytest.mark.skipif(not shutil.which("nm"), reason="needs nm")
LIBC = {"memcpy", "memset", "memmove", "memcmp", "strlen", "fopen", "fread", "fwrite", "fclose", "fgetc",
        "rename", "remove"}  # fmt: skip


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def captured(x):
    return np.tanh(x @ W)


def tree(params, x, scale, k):
    y = x @ params["w"] + params["b"]
    return {"y": y * scale, "sums": (y.sum(axis=0), y.sum() * k), "rows": x.shape[0]}


def fill(x, out):
    out[:] = np.cumsum(x, axis=0)
    return out


def pick(x, i):
    return x[i]


def joined(x, y):
    return np.concatenate([x, y])[1:]


def flags(x, limit):
    return (x > limit) & (x < 10), x.astype(np.int8)


@dataclass
class Point:
    x: np.ndarray
    y: np.ndarray


def length(p):
    return np.sqrt(p.x**2 + p.y**2)


def newton(a):
    x = a
    while abs(x * x - a) > 1e-9:
        x = (x + a / x) / 2
    return x


def decayed(x):
    total = 0.0
    for i in range(x.shape[0]):
        total = total * 0.5 + x[i]
    return total


slope = weft.grad(lambda x: np.sum(np.tanh(x) ** 2))
KERNEL = weft.Variable(np.linspace(-1, 1, 72, dtype=np.float32).reshape(8, 1, 3, 3))


def convolved(x):
    return nn.relu(nn.conv2d(x, KERNEL)).reshape(x.shape[0], -1)


class Network(weft.Module):
    def __init__(self, sizes=(64, 256, 10)):
        rng = np.random.default_rng(0)
        pairs = list(pairwise(sizes))
        self.w = [weft.Variable(rng.normal(size=p).astype(np.float32) * 0.1) for p in pairs]
        self.b = [weft.Variable(np.zeros(p[1], np.float32)) for p in pairs]

    def scores(self, x):
        for w, b in zip(self.w[:-1], self.b[:-1], strict=True):
            x = nn.relu(nn.linear(x, w, b))
        return nn.linear(x, self.w[-1], self.b[-1])

    def loss(self, x, digits):
        return nn.cross_entropy(self.scores(x), digits)


LOSS = f"exported.py:{inspect.getsourcelines(Network.loss)[1] + 1}"


class Training:
    def __init__(self, sizes=(64, 256, 10)):
        self.network = Network(sizes)
        self.optimizer = optim.Adam(self.network, 1e-3)
        self.train = weft.compile(lambda x, digits: self.optimizer.minimize(self.network.loss, x, digits))
        self.predict = weft.compile(lambda x: np.argmax(self.network.scores(x), axis=1))

    def export(self, path, **keywords):
        n = self.network.w[0].shape[0]
        functions = {
            "train": (self.train, [f"f32[n,{n}]", "i64[n]"]),
            "predict": (self.predict, [f"f32[n,{n}]"]),
        }
        return weft.export(functions, path=path, **keywords)


def batch(size=64, features=64, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(size, features)).astype(np.float32), rng.integers(0, 10, size)


def undefined(path, *options):
    listing = subprocess.run(["nm", *options, path], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in listing.splitlines() if " U " in line}


TRAIN = r"""
#include "mlp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int check(int code) {
    if (code) { printf("failed: %s\n", mlp_strerror(code)); exit(1); }
    return code;
}
int main(int count, char **words) {
    static float x[64 * 64]; static int64_t digits[64], guesses[64];
    FILE *in = count > 2 ? fopen(words[1], "rb") : NULL;
    if (!in || fread(x, 4, 4096, in) != 4096 || fread(digits, 8, 64, in) != 64) return 9;
    fclose(in);
    mlp_state *state = (mlp_state *)malloc((size_t)mlp_state_size());
    int64_t size = mlp_train_arena_size(64), other = mlp_predict_arena_size(64);
    if (other > size) size = other;
    void *arena = malloc((size_t)size);
    check(mlp_arena_init(arena, size));
    memset(state, 0, 64);
    float loss;
    printf("%s\n", mlp_strerror(mlp_train(state, arena, x, digits, 64, &loss)));
    check(mlp_init(state));
    for (int step = 0; step < 5; step++) {
        uint32_t bits;
        check(mlp_train(state, arena, x, digits, 64, &loss));
        memcpy(&bits, &loss, 4);
        printf("%08x\n", bits);
    }
    check(mlp_predict(state, arena, x, 64, guesses));
    for (int k = 0; k < 64; k++) printf("%d ", (int)guesses[k]);
    printf("\n");
    check(mlp_save(state, words[2]));
    check(mlp_load(state, words[2]));
    digits[5] = 12;
    printf("%s\n", mlp_strerror(mlp_train(state, arena, x, digits, 64, &loss)));
    printf("%s\n", mlp_strerror(mlp_load(state, "/nonexistent/file")));
    check(mlp_arena_init(arena, size - 64));
    printf("%s\n", mlp_strerror(mlp_train(state, arena, x, digits, 64, &loss)));
    free(arena); free(state);
    return 0;
}
"""


@functools.cache
def expected_training():
    """What TRAIN prints."""
    training = Training()
    x, digits = batch()
    losses = [np.float32(training.train(x, digits)) for _ in range(5)]
    return [
        "the state was not initialized by this library",
        *(f"{loss.view(np.uint32):08x}" for loss in losses),
        " ".join(map(str, training.predict(x))) + " ",
        f"an index is out of bounds at {LOSS}",
        "the file cannot be read or written",
        "the arena is too small, or was not passed to arena_init",
    ]


@functools.cache
def exported_training(target):
    """The report of the library that TRAIN is linked with, made once for a target."""
    suffix = ".dll" if "windows" in target else ".so"
    folder = Path(tempfile.mkdtemp(prefix="weft-export-"))
    atexit.register(shutil.rmtree, folder)
    return Training().export(folder / f"libmlp{suffix}", name="mlp", target=target)


def run_training(folder, target="host", report=None, **keywords):
    """Export, train from C, give the lines that it prints."""
    x, digits = batch()
    (folder / "in").write_bytes(x.tobytes() + digits.tobytes())
    report = report or exported_training(target)
    shutil.copy(report.header, folder / "mlp.h")
    library = folder / report.library.name
    shutil.copy(report.library, library)
    lines = run_c(folder, TRAIN, library, "in", "state", **keywords).splitlines()
    assert [p.name for p in folder.glob("state*")] == ["state"]
    return [re.sub(r" at \S*exported.py:", " at exported.py:", line) for line in lines]


def run_c(folder, source, library, *arguments, compiler=("cc",), runner=()):
    """Compile a C program with the header, link it with the library, run it."""
    extension = "cpp" if "++" in compiler[0] else "c"
    (folder / f"main.{extension}").write_text(source)
    program = folder / "main.exe"
    warn = ["-Wall", "-Wextra", "-Werror", "-O1", "-I", str(folder)]
    subprocess.run(
        [*compiler, *warn, folder / f"main.{extension}", library, "-o", program, f"-Wl,-rpath,{folder}"],
        check=True,
    )
    return subprocess.run(
        [*runner, program, *map(str, arguments)], capture_output=True, text=True, check=True, cwd=folder
    ).stdout
