"""The call entry: results, errors, references, variants, threads, fork, Ctrl-C; native and portable."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import programs
import pytest
from programs import F32, ProgramError, add_table, entry, list_table, variant

from weft.backends.cpu import entry_type
from weft.backends.cpu.entry import NativeEntries, has_native_entry, process_entries
from weft.backends.cpu.entry_portable import PortableEntries
from weft.backends.cpu.later import Later
from weft.backends.cpu.memory import process_memory
from weft.backends.cpu.threads import process_pool
from weft.runtime.signature import (
    Argument,
    Array,
    Attribute,
    Cell,
    Constant,
    ConstantResult,
    DictValue,
    Entries,
    ExactType,
    Integer,
    Items,
    NewArray,
    Number,
    Output,
    PythonNumber,
    Register,
    Scalar,
    Symbol,
    Table,
)  # fmt: skip

X = Argument(0, 0, "x")


@pytest.fixture(scope="module")
def early():
    """Native entries whose calls are never built."""
    if not has_native_entry():
        pytest.skip("this interpreter has no native entry")
    entries = NativeEntries(None, None)
    entries._later = Later([])
    return entries


@pytest.fixture(params=["native", "early", "portable"], autouse=True)
def kind(request, monkeypatch):
    """Each test runs with all kinds of entries."""
    if request.param == "early":
        early = request.getfixturevalue("early")
        monkeypatch.setattr(programs, "process_entries", lambda: early)
        return early
    if request.param == "portable":
        portable = PortableEntries(process_pool().parallel_for)
        monkeypatch.setattr(programs, "process_entries", lambda: portable)
        return portable
    entries = process_entries()
    if not isinstance(entries, NativeEntries):
        pytest.skip("this interpreter has no native entry")
    return entries


def is_portable(kind):
    return isinstance(kind, PortableEntries)


def f32(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def table(*steps, outputs=(), tree=None, finish=None):
    return Table(steps, outputs, tree, registers=6, pointers=6, numbers=4, positional=(0, 6), finish=finish)


# ---- results -----------------------------------------------------------------------------------------------


def test_add():
    f = entry(variant(add_table(), "add", is_short=True))
    for n in (0, 1, 8, 1000):
        a, b = f32(n), f32(n)
        result = f(a, b)
        np.testing.assert_array_equal(result, a + b)
        assert result.dtype == F32
        assert type(result) is np.ndarray
        assert result.flags.owndata
    assert f(a, b=b).shape == (1000,)
    assert f(a, b[1:])[0] == "missed"
    assert f(a)[0] == "missed"
    assert f(x=1) == ("missed", (), {"x": 1})


def test_list_of_fifty_arrays():
    f = entry(variant(list_table(), "firsts"))
    xs = [np.full(8, i, "f4") for i in range(50)]
    assert f(xs) == [sum(range(50))]
    assert f(xs[:-1])[0] == "missed"
    assert f([*xs[:-1], f32(3)])[0] == "missed"


def test_tables_beyond_the_stack():
    f = entry(variant(list_table(600), "nothing"))
    xs = [f32(2) for _ in range(600)]
    counts = [sys.getrefcount(x) for x in xs]
    for _ in range(3):
        assert f(xs).shape == (1,)
    gc.collect()
    assert [sys.getrefcount(x) for x in xs] == counts


@pytest.mark.parametrize(
    ("argument", "output"),
    [
        (1.5, PythonNumber("float", 1)),
        (2 - 3j, PythonNumber("complex", 1)),
        (np.float64(2.5), Scalar(np.dtype("f8"), 1)),
        (np.int16(-7), Scalar(np.dtype("i2"), 1)),
        (np.bool_(True), Scalar(np.dtype("?"), 1)),
        (np.float32(0.5), Scalar(F32, 1)),
    ],
)
def test_scalars(argument, output):
    f = entry(variant(table(X, Cell(0, type(argument), 0), outputs=(output,), tree=Output(0)), "copy"))
    result = f(argument)
    assert type(result) is type(argument)
    # `copy` moves eight bytes: the real part of a complex
    assert result == (argument.real if isinstance(argument, complex) else argument)


@pytest.mark.parametrize("value", [0, 1, -5, 2**63 - 1, -(2**63)])
def test_ints(value):
    made = table(X, Integer(0, Symbol(0, -(2**63))), outputs=(PythonNumber("int", 0),), tree=Output(0))
    assert entry(variant(made, "number"))(value) == value


def test_bools():
    made = table(X, Integer(0, Symbol(0)), outputs=(PythonNumber("bool", 0),), tree=Output(0))
    assert [entry(variant(made, "number"))(value) for value in (0, 1)] == [False, True]


def test_trees():
    tree = Items(
        "tuple",
        (
            Output(0),
            Items("list", (Register(0), ConstantResult(None))),
            Entries(("a", "b"), (Output(1), Output(0))),
        ),
    )
    outputs = (PythonNumber("int", 0), NewArray(F32, (2, Number(0)), 1))
    f = entry(variant(table(X, Integer(0, Symbol(0)), outputs=outputs, tree=tree), "number"))
    five = 12345
    whole, (same, none), entries = f(five)
    assert whole == five
    assert same is five
    assert none is None
    assert list(entries) == ["a", "b"]
    assert entries["a"].shape == (2, five)
    assert entries["b"] == five
    assert f(five)[1] is not f(five)[1]
    assert entry(variant(table(tree=Items("tuple", ()))))() == ()


def test_finish():
    seen = []

    def finish(outputs, registers, numbers):
        seen.append((outputs, registers, numbers))
        return outputs[0].reshape(-1)

    made = table(X, Integer(0, Symbol(0)), outputs=(NewArray(F32, (2, Number(0)), 1),), finish=finish)
    assert entry(variant(made))(3).shape == (6,)
    assert seen[0][1:] == ([3, None, None, None, None, None], [3, 0, 0, 0])
    bad = table(X, finish=lambda outputs, registers, numbers: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        entry(variant(bad))(3)


def test_sizes_come_from_prepare():
    made = table(X, Integer(0, Symbol(0)), outputs=(NewArray(F32, (Number(1),), 0),), tree=Output(0))
    f = entry(variant(made, "nothing", prepare="double"))
    assert f(20).shape == (40,)
    assert f(501)[0] == "missed"


def test_impossible_sizes_raise():
    made = table(
        X, Integer(0, Symbol(0, -9)), outputs=(NewArray(F32, (Number(0), Number(0)), 0),), tree=Output(0)
    )
    f = entry(variant(made, "nothing"))
    for size in (-1, 2**40, 2**62):
        with pytest.raises((ValueError, MemoryError)):
            f(size)


def test_arena_and_allocate():
    made = table(X, Integer(0, Symbol(0)), outputs=(PythonNumber("int", 0),), tree=Output(0))
    f = entry(variant(made, "scratch", arena_slot=0))
    assert [f(n) for n in (64, 100, 5_000_000, 10)] == [6] * 4


def test_parallel_loops():
    process_pool().configure(2)
    f = entry(variant(table(outputs=(NewArray(F32, (64,), 0),), tree=Output(0)), "parallel"))
    for _ in range(20):
        np.testing.assert_array_equal(f(), np.arange(64))


def test_large_results_are_recycled(kind):
    f = entry(variant(add_table(), "add"))
    n = 1 << 20
    a, b = f32(n), f32(n)
    memory = process_memory()
    memory.trim()
    first = f(a, b)
    np.testing.assert_array_equal(first, a + b)
    if is_portable(kind) or not kind.is_native:
        return
    address = first.ctypes.data
    assert address % (1 << 21) == 0
    view = first[5:]
    del first
    assert memory.statistics()["free_bytes"] == 0  # the view holds it
    assert f(a, b).ctypes.data != address
    del view
    results = [f(a, b) for _ in range(2)]
    assert address in [r.ctypes.data for r in results]


# ---- errors ------------------------------------------------------------------------------------------------


def test_program_errors():
    f = entry(variant(table(tree=ConstantResult(1)), "fails"))
    with pytest.raises(ProgramError) as info:
        f()
    assert info.value.args == (7, 3, 10, 20, 30)
    g = entry(variant(table(), "fails", on_error=lambda *facts: sum(facts)))
    assert g() == 70


def test_callbacks():
    seen = []
    f = entry(
        variant(
            table(tree=ConstantResult(1)),
            "calls",
            on_callback=lambda site, pointers, numbers: seen.append(site),
        )
    )
    assert f() == 1
    assert seen == [5]

    def bad(site, pointers, numbers):
        raise KeyError(site)

    for short in (False, True):
        with pytest.raises(KeyError):
            entry(variant(table(), "calls", on_callback=bad, is_short=short))()


def test_slow_path_errors():
    f = entry()
    programs.process_entries().set_slow(f, lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        f()
    with pytest.raises(SystemError):
        programs.process_entries().type()()


def test_ctrl_c(kind):
    if is_portable(kind):
        pytest.skip("a listed limit of the portable entry")
    for short in (False, True):
        f = entry(variant(table(), "spin", is_short=short))
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)) if not short else None
        if timer:
            timer.start()
        else:
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            f()
        assert time.perf_counter() - start < 1
    assert entry(variant(add_table(), "add"))(f32(2), f32(2)).shape == (2,)


# ---- references --------------------------------------------------------------------------------------------


def test_no_reference_leaks():
    holder = {"w": f32(8)}
    made = table(
        X, Array(0, F32, (Symbol(0),), 0), Constant(1, holder), ExactType(1, dict), DictValue(2, 1, "w"),
        Array(2, F32, (8,), 1),
        outputs=(NewArray(F32, (Number(0),), 2),), tree=Items("list", (Output(0), Output(0), Register(2))),
    )  # fmt: skip
    f = entry(variant(made, "add"))
    a, bad = f32(8), f32(9)
    watched = [a, bad, holder["w"], holder, F32, f, None]

    def counts():
        gc.collect()
        return [sys.getrefcount(x) for x in watched]

    f(a)
    before = counts()
    for _ in range(200):
        f(a)
        f(bad)
        f(a, key=a)
    after = counts()
    assert np.abs(np.subtract(after, before)[:-1]).max() <= 2


def test_entry_is_collected():
    freed = []

    entries = programs.process_entries()

    class Compiled(entries.type):
        pass

    for make in (None, Compiled):
        f = entry(variant(add_table(), "add"), type_=make)
        f.me = f  # two cycles
        entries.set_slow(f, lambda *args, me=f: me)
        weakref.finalize(f, freed.append, 1)
        assert f(f32(2), f32(2)).shape == (2,)
        del f
        gc.collect()
    assert len(freed) == 2


def test_many_entries_do_not_leak_memory():
    shared = variant(add_table(), "add")
    probes = []
    for _ in range(100):
        f = entry(shared)
        f(f32(2), f32(2))
        probes.append(weakref.ref(f))
    del f
    gc.collect()
    assert not any(probe() for probe in probes)


# ---- the type ----------------------------------------------------------------------------------------------


def test_methods_and_subclasses(kind):
    class Compiled(kind.type):
        """A doc."""

        def lower(self):
            return "text"

    if not is_portable(kind):
        entry_type.inherit_vectorcall(Compiled)
    made = Table(
        steps=(Argument(0, 0, "self"), Attribute(1, 0, "w"), Array(1, F32, (Symbol(0),), 0),
            Argument(2, 1, "x"), Array(2, F32, (Symbol(0),), 1)),
        outputs=(NewArray(F32, (Number(0),), 2),), tree=Output(0), registers=3, pointers=3, numbers=1,
        positional=(1, 2),
    )  # fmt: skip

    class Model:
        def __init__(self):
            self.w = f32(4)

        step = entry(variant(made, "add"), type_=Compiled)

    model = Model()
    np.testing.assert_array_equal(model.step(f32(4)), model.w + f32(4))
    bound = model.step
    np.testing.assert_array_equal(bound(x=f32(4)), model.w + f32(4))
    assert Model.step.lower() == "text"
    assert Model.step.__doc__ == "A doc."
    Model.step.note = 3
    assert vars(Model.step)["note"] == 3
    assert callable(Model.step)
    del model.w
    assert model.step(f32(4))[0] == "missed"


def test_misses_clear_errors():
    class Bad:
        def __getattr__(self, name):
            raise RuntimeError(name)

    f = entry(variant(table(X, Attribute(1, 0, "w"), tree=ConstantResult(1))))
    assert f(Bad())[0] == "missed"


# ---- variants and threads ----------------------------------------------------------------------------------


def test_latest_variant_first(kind):
    one, two = (variant(add_table((Symbol(0),) * rank), "add") for rank in (1, 2))
    f = entry(one, two)
    a, b = f32(4), f32(1, 1)
    for _ in range(3):
        f(b, b)
    assert [(v is two, calls) for v, calls in kind.variants(f)] == [(True, 3), (False, 0)]
    f(a, a)
    assert [(v is one, calls) for v, calls in kind.variants(f)] == [(True, 1), (False, 3)]
    kind.publish(f, [two])
    f(b, b)
    assert [calls for _, calls in kind.variants(f)] == [4]
    assert f(a, a)[0] == "missed"


def test_tables_outlive_their_replacement(kind):
    f = entry()
    gone = []

    def replace(site, pointers, numbers):
        kind.publish(f, [])
        gc.collect()
        gone.append(site)

    kind.publish(
        f, [variant(table(X, Integer(0, Symbol(0)), tree=Register(0)), "calls", on_callback=replace)]
    )
    assert f(7) == 7
    assert f(7)[0] == "missed"
    assert gone == [5]


def test_calls_from_threads_while_variants_change(kind):
    long, short = (variant(add_table(), "add", is_short=s) for s in (False, True))
    f = entry(long)
    a = f32(1000)
    wrong = []

    def work():
        for _ in range(300):
            result = f(a, a)
            if not isinstance(result, np.ndarray) or result[7] != a[7] + a[7]:
                wrong.append(result)

    threads = [threading.Thread(target=work) for _ in range(4)]
    [t.start() for t in threads]
    while any(t.is_alive() for t in threads):
        kind.publish(f, [short, long])
        kind.publish(f, [long])
        time.sleep(0.001)
    [t.join() for t in threads]
    assert not wrong


def test_fork():
    f = entry(variant(add_table(), "add"))
    a = f32(1 << 19)
    f(a, a)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(f(a, a), a + a) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_objects_are_cached(tmp_path):
    """With a cache, a second process does not load LLVM."""
    script = f"""
import sys
from pathlib import Path
from weft.backends.cpu.entry import process_entries
folder = Path({str(tmp_path)!r})
fetch = lambda key: (folder / key).read_bytes() if (folder / key).exists() else None
entries = process_entries(fetch, lambda key, data: (folder / key).write_bytes(data))
f = entries.type()
entries.set_slow(f, lambda x: x + 1)
print(f(1), "llvmlite" in sys.modules)
"""
    seen = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert seen == ["2 True\n", "2 False\n"]


LATER = """
import os, sys, threading, time
sys.path.insert(0, {folder!r})
import numpy as np, programs
from weft.backends.cpu.entry import process_entries
entries = process_entries(later=True)
f = entries.type()
entries.set_slow(f, lambda *args: "missed")
a = np.arange(8, dtype=np.float32)
entries.publish(f, [programs.variant(programs.add_table(), "add")])
assert (f(a, a) == a + a).all() and f(1) == "missed" and not entries.is_native
{then}
assert (f(a, a) == a + a).all() and f(1) == "missed"
print(entries.is_native, entries.variants(f)[0][1])
"""


@pytest.mark.parametrize(
    ("then", "printed"),
    [
        ("", "False 2"),  # the program ends before the thread has begun
        ("time.sleep(0.25)", None),  # while it builds
        ("entries.settle()", "True 2"),
        ("while not entries.is_native: time.sleep(0.01); f(a, a)", None),
        ("time.sleep(0.23); child = os.fork(); entries.settle(); child and os.waitpid(child, 0)", "True 2"),
        ("child = os.fork(); time.sleep(0.3); entries.settle(); child and os.waitpid(child, 0)", "True 2"),
    ],
)
def test_native_calls_come_later(kind, then, printed):
    if not isinstance(kind, NativeEntries) or not kind.is_native:
        pytest.skip("once is enough")
    script = LATER.format(folder=str(Path(__file__).parent), then=then)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    assert printed is None or set(done.stdout.split("\n")) == {printed, ""}


def test_short_calls_keep_the_gil(kind):
    if is_portable(kind) or not kind.is_native:
        pytest.skip("others always give it up")
    made = table(X, Integer(0, Symbol(0, -100)), outputs=(PythonNumber("int", 0),), tree=Output(0))
    f = entry(variant(made, "holds_gil", short_size=4))
    assert [f(n) for n in (3, 4, -4, 5, -5)] == [1, 1, 1, 0, 0]
    assert entry(variant(made, "holds_gil"))(3) == 0
    assert entry(variant(made, "holds_gil", is_short=True))(9) == 1
