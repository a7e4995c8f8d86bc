"""C and C++ programs that call exported libraries on this machine."""

import os
import platform
import re
import shutil
import subprocess

import exported as e
import numpy as np
import pytest

import weft

pytestmark = e.needs_cc

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


def test_training_in_c(tmp_path):
    assert e.run_training(tmp_path) == e.expected_training()
    assert not (tmp_path / "state.part").exists()


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_files_that_are_opened(tmp_path):
    """The loader's, and those that the program names."""
    tracer = ("strace", "-f", "-e", "trace=open,openat,socket,clone,clone3", "-o", str(tmp_path / "trace"))
    try:
        lines = e.run_training(tmp_path, runner=tracer)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"strace may not trace here: {error}")
    assert lines == e.expected_training()
    trace = (tmp_path / "trace").read_text()
    opened = {name for name in re.findall(r'open(?:at)?\([^"]*"([^"]*)"', trace) if ".so" not in name}
    assert opened == {"in", "state", "state.part", "/nonexistent/file"}
    assert not re.search("socket|clone", trace)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
def test_memory_is_used_well(tmp_path):
    checked = ("valgrind", "-q", "--error-exitcode=33", "--leak-check=full")
    target = "x86-64" if platform.machine() == "x86_64" else "host"  # valgrind does not know all newer ones
    assert e.run_training(tmp_path, target, runner=checked) == e.expected_training()


THREADS = r"""
#include "mlp.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static float x[64 * 64]; static int64_t digits[64];
static double seconds;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
struct result { float losses[20]; long rounds; int is_same; };
static void *train(void *given) { /* 20 steps from the same weights, over and over */
    struct result *r = given;
    int64_t bytes = mlp_train_arena_size(64);
    void *arena = malloc((size_t)bytes), *state = malloc((size_t)mlp_state_size());
    mlp_arena_init(arena, bytes);
    r->is_same = 1;
    for (double start = now(); !r->rounds || now() - start < seconds; r->rounds++) {
        float losses[20];
        mlp_init(state);
        for (int k = 0; k < 20; k++) if (mlp_train(state, arena, x, digits, 64, &losses[k])) exit(3);
        if (!r->rounds) memcpy(r->losses, losses, sizeof losses);
        r->is_same &= !memcmp(r->losses, losses, sizeof losses);
    }
    free(arena); free(state);
    return NULL;
}
int main(int count, char **words) {
    static struct result results[16];
    pthread_t threads[16];
    FILE *in = count > 2 ? fopen(words[1], "rb") : NULL;
    if (!in || fread(x, 4, 4096, in) != 4096 || fread(digits, 8, 64, in) != 64) return 9;
    seconds = atof(words[2]);
    for (int k = 0; k < 16; k++) pthread_create(&threads[k], NULL, train, &results[k]);
    long rounds = 0;
    int is_same = 1;
    for (int k = 0; k < 16; k++) {
        pthread_join(threads[k], NULL);
        rounds += results[k].rounds;
        is_same &= results[k].is_same && !memcmp(results[k].losses, results[0].losses, sizeof(float[20]));
    }
    uint32_t bits;
    memcpy(&bits, &results[0].losses[19], 4);
    fprintf(stderr, "%ld steps\n", 20 * rounds);
    printf("%s %08x\n", is_same ? "same" : "different", bits);
    return 0;
}
"""
SECONDS = os.environ.get("WEFT_TEST_SECONDS", "0.5")


def test_sixteen_threads_with_states_of_their_own(tmp_path):
    """For half a second; `WEFT_TEST_SECONDS=10` for longer."""
    x, digits = e.batch()
    (tmp_path / "in").write_bytes(x.tobytes() + digits.tobytes())
    report, training = e.exported_training("host"), e.Training()
    losses = [np.float32(training.train(x, digits)) for _ in range(20)]
    shutil.copy(report.header, tmp_path / "mlp.h")
    library = shutil.copy(report.library, tmp_path)
    compiler = ("cc", "-pthread", "-D_POSIX_C_SOURCE=200809L")
    said = e.run_c(tmp_path, THREADS, library, "in", SECONDS, compiler=compiler)
    assert said == f"same {losses[-1].view(np.uint32):08x}\n"


def test_the_header_names_shapes(tmp_path):
    text = weft.export(e.softmax, ["f32[n,m]"], tmp_path / "libsoft.so").header.read_text()
    assert "x: f32[n, m]" in text
    assert re.search(r"int soft\(void \*arena, const float \*x, int64_t n, int64_t m, float \*out\);", text)
