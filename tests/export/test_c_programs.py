"""C and C++ programs that call exported libraries, on this machine and, by qemu, on aarch64."""

import platform
import re
import shutil

import exported as e
import numpy as np
import pytest

import weft

pytestmark = e.needs_cc
ARM_CC, QEMU = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")

SOFTMAX = r"""
#include "soft.h"
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) {
    if (count < 3) return 9;
    FILE *in = fopen(words[1], "rb");
    FILE *out = fopen(words[2], "wb");
    static float x[13 * 4], y[13 * 4];
    if (!in || !out || fread(x, 4, 52, in) != 52) return 8;
    int64_t size = soft_arena_size(13, 4);
    void *arena = malloc((size_t)size + 1);
    if (size && soft_arena_init(arena, size)) return 7;
    int code = soft(arena, x, 13, 4, y);
    fwrite(y, 4, 52, out);
    fclose(in); fclose(out);
    printf("%s; %d%d%d\n", soft_strerror(code), soft(arena, 0, 13, 4, y), soft(arena, x, 0, 4, y),
           soft_arena_size(-3, 4) == -2);
    free(arena);
    return 0;
}
"""

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


@pytest.mark.parametrize("kind", ["so", "a", "o"])
@pytest.mark.parametrize("compiler", ["cc", "c++"])
def test_a_program(kind, compiler, tmp_path):
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    x = np.random.default_rng(0).normal(size=(13, 4)).astype(np.float32)
    x.tofile(tmp_path / "in")
    report = weft.export(e.softmax, ["f32[n,m]"], tmp_path / f"libsoft.{kind}")
    assert report.header == tmp_path / "libsoft.h"
    report.header.rename(tmp_path / "soft.h")
    said = e.run_c(tmp_path, SOFTMAX, report.library, tmp_path / "in", tmp_path / "out", compiler=(compiler,))
    assert said == "success; 121\n"
    assert (tmp_path / "out").read_bytes() == weft.compile(e.softmax)(x).tobytes()


def expected_training():
    training = e.Training()
    x, digits = e.batch()
    losses = [np.float32(training.train(x, digits)) for _ in range(5)]
    return training, x, digits, losses, training.predict(x)


def run_training(training, x, digits, folder, target="host", **keywords):
    (folder / "in").write_bytes(x.tobytes() + digits.tobytes())
    report = training.export(folder / "libmlp.so", target=target)
    report.header.rename(folder / "mlp.h")
    return e.run_c(folder, TRAIN, report.library, folder / "in", folder / "state", **keywords).splitlines()


def test_training_in_c(tmp_path):
    _, x, digits, losses, guesses = expected_training()
    lines = run_training(e.Training(), x, digits, tmp_path)
    assert lines[0] == "the state was not initialized by this library"
    assert lines[1:6] == [f"{loss.view(np.uint32):08x}" for loss in losses]
    assert lines[6].split() == [str(k) for k in guesses]
    assert lines[7].startswith("an index is out of bounds at ")
    assert lines[8] == "the file cannot be read or written"
    assert lines[9] == "the arena is too small, or was not passed to arena_init"
    assert not (tmp_path / "state.part").exists()


@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
def test_memory_is_used_well(tmp_path):
    x, digits = e.batch()
    checked = ("valgrind", "-q", "--error-exitcode=33", "--leak-check=full")
    target = "x86-64" if platform.machine() == "x86_64" else "host"  # valgrind does not know all newer ones
    lines = run_training(e.Training(), x, digits, tmp_path, target, runner=checked)
    assert len(lines) == 10


@pytest.mark.skipif(not (ARM_CC and QEMU), reason="needs qemu-aarch64 and a C compiler for aarch64")
def test_training_on_aarch64(tmp_path):
    _, x, digits, losses, guesses = expected_training()
    lines = run_training(
        e.Training(),
        x,
        digits,
        tmp_path,
        "aarch64",
        compiler=(ARM_CC,),
        runner=(QEMU, "-L", "/usr/aarch64-linux-gnu"),
    )
    found = [np.array(int(line, 16), np.uint32).view(np.float32) for line in lines[1:6]]
    assert [f.tobytes() for f in found] == [loss.tobytes() for loss in losses]  # both have multiply-add
    assert lines[6].split() == [str(k) for k in guesses]


def test_the_header_names_shapes(tmp_path):
    text = weft.export(e.softmax, ["f32[n,m]"], tmp_path / "libsoft.so").header.read_text()
    assert "x: f32[n, m]" in text
    assert re.search(r"int soft\(void \*arena, const float \*x, int64_t n, int64_t m, float \*out\);", text)
