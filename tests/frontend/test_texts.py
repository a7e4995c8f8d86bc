"""Texts that the data choose or make: carried, compared, taken apart, counted, in lists and as keys."""

import contextlib
import gc
import io

import numpy as np
import pytest

import weft
from weft.runtime.texts import Texts

RANDOM = np.random.default_rng(8)


def counted(x):
    found = {}
    for v in x:
        word = "low" if v < 0.3 else "mid" if v < 0.7 else "high"
        found[word] = found.get(word, 0) + 1
    return found


def chosen_value(x):
    rates = {"a": 1.5, "b": 2.5}
    key = "a" if x[0] > 0.5 else "b"
    return rates[key], key, key in rates


def made_in_a_loop(x):
    bits = ""
    for v in x:
        if v > 0.5:
            bits = bits + "1"
        else:
            bits += "0"
    return bits, len(bits), bits.count("1"), bits[::-1], sum(int(b) for b in bits)


def states(x):
    state, log = "walk", []
    for v in x:
        if state == "walk" and v > 0.5:
            state = "run"
        elif state == "run" and v < 0.2:
            state = "walk"
        log.append((state, v > 0.5))
    return state, log, state != "walk"


def taken(x):
    letters, words = "ACGT", ["pear", "apple", "fig"]
    places = (x * 3).astype(int)
    word = words[places[0]]
    text = ""
    for k in places:
        text += letters[k]
    return (
        text,
        "".join(letters[k] for k in places),
        [words[k] for k in places],
        word[0],
        len(word),
        word < "g",
    )


def shown(x):
    names = ["big" if v > 0.5 else "small" for v in x]
    for v, name in zip(x, names, strict=True):
        print(name, round(float(v), 2), f"[{name:>6}]")  # noqa: T201
    print(names)  # noqa: T201
    return names.count("big"), "big" in names


def named_best(x):
    best, name = -1.0, None
    for i, v in enumerate(x):
        if v > best:
            best, name = v, f"item {i}"
    return name, best


def raises(x):
    kind = "none"
    if x.sum() > 100:
        kind = "sum"
    if kind == "none":
        raise ValueError("no " + kind)
    return kind


def shifted(x):
    step = int(x[0] * 10)
    return "".join(chr((ord(c) - 97 + step) % 26 + 97) if c.isalpha() else c for c in "hello world")


def numbers(x):
    n, bits, pairs = int(x[0] * 1000), [], sorted(map(tuple, x[:4].reshape(2, 2).tolist()))
    left = n
    while left > 0:
        bits.append(str(left % 2))
        left //= 2
    text = "".join(reversed(bits))
    runs, i = "", 0
    while i < len(text):
        j = i
        while j < len(text) and text[j] == text[i]:
            j += 1
        runs += str(j - i) + text[i]
        i = j
    return text, runs, bin(n), hex(n), text == bin(n)[2:], np.binary_repr(n, width=12), pairs


PROGRAMS = [numbers, counted, chosen_value, made_in_a_loop, states, taken, shown, named_best, raises, shifted]


def run(fn, x):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            result = fn(x)
        except ValueError as error:
            result = str(error)
    return repr(result), out.getvalue()


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda fn: fn.__name__)
def test_as_python(fn):
    compiled = weft.compile(fn)
    for count in (5, 5, 12):
        x = RANDOM.random(count)
        assert run(compiled, x) == run(fn, x)


def test_calls_in_calls_keep_their_texts():
    def inner(x):
        return len(outer(x - 1)) if x > 1 else 0

    @weft.compile
    def outer(x):
        text = ""
        for _ in range(int(x)):
            text = text + "ab"
        first = weft.callback(inner, x, result=0)
        return text + str(first)

    assert outer(3.0) == "ababab5"


def test_what_programs_made_is_not_kept():
    compiled = weft.compile(made_in_a_loop)
    for _ in range(3):
        compiled(RANDOM.random(5))
    tables = [one.tables for one in gc.get_objects() if isinstance(one, Texts)]
    assert max(len(numbers) for one in tables for numbers, _ in one.values()) < 100


@pytest.mark.parametrize("wrong", [np.array, sorted, np.sort])
def test_refused(wrong):
    words = ["pear", "apple", "fig"]
    with pytest.raises(weft.WeftError):
        weft.compile(lambda x: wrong([words[int(v * 3)] for v in x]))(RANDOM.random(9))
