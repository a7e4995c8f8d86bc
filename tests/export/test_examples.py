"""The programs of `examples/export`: trained in C, asked over a socket, drawn in a browser."""

import shutil
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import exported as e
import numpy as np
import pytest

from weft.backends.cpu import linking

pytest.importorskip("sklearn")
FOLDER = Path(__file__).parents[2] / "examples" / "export"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder that digits_library.py fills."""
    folder = tmp_path_factory.mktemp("digits")
    subprocess.run([sys.executable, FOLDER / "digits_library.py", folder], check=True, cwd=folder)
    return folder


def compile_c(folder, source, compiler, *more):
    program = folder / Path(source).stem
    command = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", f"-I{folder}", FOLDER / source,
               folder / "libdigits.so", "-o", program, f"-Wl,-rpath,{folder}", *more]  # fmt: skip
    subprocess.run(command, check=True)
    return program


@e.needs_cc
def test_training_in_c_prints_what_python_prints(made):
    program = compile_c(made, "train.c", "cc")
    done = subprocess.run(
        [program, made / "digits.bin", made / "state"], capture_output=True, text=True, check=True
    )
    assert done.stdout == (made / "losses.txt").read_text()
    assert int(done.stdout.split("\n")[-2].split()[0]) > 330  # of 360 images
    assert subprocess.run([program], capture_output=True, check=False).returncode == 2


@e.needs_cc
@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
def test_the_server_answers(made):
    train = compile_c(made, "train.c", "cc")
    subprocess.run([train, made / "digits.bin", made / "state"], capture_output=True, check=True)
    server = compile_c(made, "server.cpp", "c++", "-pthread")
    wrong = subprocess.run([server, "0", made / "none"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "cannot be read" in wrong.stderr
    data = (made / "digits.bin").read_bytes()
    count = int.from_bytes(data[:8], "little")
    x = np.frombuffer(data, np.float32, count * 64, 8).reshape(count, 64)[-20:]
    y = np.frombuffer(data, np.int64, count, 8 + count * 256)[-20:]
    with subprocess.Popen([server, "0", made / "state"], stdout=subprocess.PIPE, text=True) as running:
        try:
            port = int(running.stdout.readline().split()[-1])
            clients = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3)]
            for client in clients:
                client.sendall("".join(" ".join(map(str, row)) + "\n" for row in x.tolist()).encode())
            for client in clients:
                with client, client.makefile() as lines:
                    guesses = [int(lines.readline()) for _ in x]
                assert np.mean(np.array(guesses) == y) > 0.85
        finally:
            running.kill()


def pixels(data):
    """The lightness of a PNG's pixels, 0 to 1; 8 bits a channel, not interlaced."""
    at, chunks = 8, {b"IDAT": b""}
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks[kind] = chunks.get(kind, b"") + data[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, _, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    step = {2: 3, 6: 4}[colour]
    raw = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + width * step)
    rows = np.zeros((height + 1, width + 1, step), np.int64)
    for number, line in enumerate(raw):
        kind, values = line[0], line[1:].reshape(width, step).astype(np.int64)
        above, row = rows[number], rows[number + 1]
        for k in range(width):
            a, b, c = row[k], above[k + 1], above[k]
            p = a + b - c
            near = [abs(p - a), abs(p - b), abs(p - c)]
            paeth = np.where(
                (near[0] <= near[1]) & (near[0] <= near[2]), a, np.where(near[1] <= near[2], b, c)
            )
            row[k + 1] = (values[k] + (0, a, b, (a + b) // 2, paeth)[kind]) % 256
    return rows[1:, 1:, :3].mean(axis=2) / 255


THREE = "90,60,170,60,128,120,170,170,120,210,80,190"
ONE = "110,80,140,40,140,215"


@pytest.mark.slow
@pytest.mark.skipif(linking.zig() is None, reason="needs the linkers of ziglang")
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_the_page_reads_what_is_drawn(tmp_path):
    make = [sys.executable, FOLDER / "web" / "make.py", tmp_path / "web"]
    subprocess.run(make, check=True, cwd=tmp_path)
    page = (tmp_path / "web" / "index.html").as_uri()
    options = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000"]  # fmt: skip
    for digit, strokes in (("3", THREE), ("1", ONE)):
        done = subprocess.run(
            [*options, "--dump-dom", f"{page}#demo={strokes}"], capture_output=True, text=True, check=True
        )
        assert f'aria-live="polite">{digit}<' in done.stdout
    picture = tmp_path / "page.png"
    look = [f"--screenshot={picture}", "--window-size=720,420", f"{page}#demo={THREE}"]
    subprocess.run([*options, *look], capture_output=True, check=True)
    shown = pixels(picture.read_bytes())
    assert shown[170:174, 170:210].max() < 0.1  # the upper stroke on the paper
    assert shown[330:340, 60:100].min() > 0.9  # no ink
    assert 0.1 < (shown[120:216, 336:412] < 0.3).mean() < 0.7  # the answer, large
