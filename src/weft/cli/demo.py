"""`weft demo`: one function trains a network on real digits, as plain NumPy, compiled, with `weft.grad`.

The function itself is in `digits.py`. Not here: benchmarks (`bench.py`); a demo times one run of each.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import field
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

import weft
from weft.api import compiled_class
from weft.config import cache_folder, current
from weft.ir import CompileError, UnsupportedError
from weft.ir.dataclass import dataclass

TEST_COUNT, BATCH, RATE = 360, 64, np.float32(0.3)
ENOUGH = 0.96  # what the network must reach on images that it never saw
NETWORK = Path(__file__).parent / "digits.py"

Array: TypeAlias = np.ndarray[Any, Any]
Step: TypeAlias = Callable[[list[Array], Array, Array, np.float32], np.float32]


@dataclass(frozen=True, slots=True)
class Digits:
    """Images of handwritten digits, float32[n, 64] in 0..1, and which digit each shows, in two parts."""

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array


@dataclass(slots=True)
class Start:
    """A network, and how often it has seen all images."""

    parameters: list[Array]
    epochs: Array


@dataclass(slots=True)
class Training:
    """One way of training, and what came of it."""

    title: str
    step: Step
    first_s: float = 0.0
    entry_s: float = 0.0
    steps_per_s: float = 0.0
    accuracy: float = 0.0
    parameters: list[Array] = field(default_factory=list[Array])
    missing: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft demo`."""
    parser.add_argument("--epochs", type=int, default=100, help="how often each way sees all images (100)")
    parser.add_argument("--save", metavar="FILE", help="where the network is kept (in the cache)")
    parser.add_argument("--fresh", action="store_true", help="do not go on from the network that was kept")
    parser.add_argument("--quiet", action="store_true", help="no progress bars and no source")


def run(arguments: argparse.Namespace) -> int:
    """Train in three ways, print what each reached; return 1 if one is below 96 % or differs from NumPy."""
    data, network = load_digits(), load_network()
    console = rich("console").Console(highlight=False)
    if not arguments.quiet:
        _introduce(console, network, data)
    ways = ways_of(network)
    file, start = _kept_file(arguments), Start(network.start(), np.zeros((), np.int64))
    if file is not None and file.exists() and not arguments.fresh:
        weft.load(file, into=start)
        reached = float(network.accuracy(start.parameters, data.test_x, data.test_y))
        console.print(f"[bold]Goes on[/] from {file}: {start.epochs} epochs, {reached:.1%}")
    _train_all(console, ways, network, data, (start, arguments))
    _report(console, ways, len(data.test_y))
    if file is not None and not ways[-1].missing:
        file.parent.mkdir(parents=True, exist_ok=True)
        weft.save(file, Start(ways[-1].parameters, np.asarray(start.epochs + arguments.epochs)))
        console.print(f"Kept in {file}; [cyan]weft demo[/] goes on from there, with --fresh it does not")
    _next_steps(console)
    done = [way for way in ways if not way.missing]
    agree = all(_difference(done[0], way) < 1e-3 for way in done)
    if not agree:
        console.print("[red]The parameters differ from NumPy's: please report this.[/]")
    return int(not agree or min(way.accuracy for way in done) < ENOUGH)


def _kept_file(arguments: argparse.Namespace) -> Path | None:
    """Where the network is kept; None without a cache, or without the package that writes the file."""
    folder = cache_folder(current().run)
    file = Path(arguments.save) if arguments.save else None if folder is None else folder / "demo.safetensors"
    return file if find_spec("safetensors") is not None else None


def load_digits() -> Digits:
    """The digits of scikit-learn, 360 of the 1797 held out; raises UnsupportedError without the packages."""
    absent = [
        name for module, name in (("sklearn", "scikit-learn"), ("rich", "rich")) if find_spec(module) is None
    ]
    if absent:
        sentence = f"`weft demo` needs {' and '.join(absent)}"
        raise UnsupportedError(
            sentence, code="E051", fix="pip install 'weft[demo]', or pip install -e '.[demo]'."
        )
    datasets: Any = import_module("sklearn.datasets")  # an extra: loaded when used
    bunch = datasets.load_digits()
    x, y = (np.asarray(bunch.data) / 16).astype(np.float32), np.asarray(bunch.target)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:-TEST_COUNT], order[-TEST_COUNT:]
    return Digits(x[train], y[train], x[test], y[test])


def load_network() -> ModuleType:
    """The file `digits.py` as a module of its own, as a user's file would be, not as a part of Weft."""
    spec = spec_from_file_location("digits", NETWORK)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def ways_of(network: ModuleType) -> list[Training]:
    """The three ways: the function as it is, the same function compiled, and its loss differentiated."""
    return [
        Training("plain NumPy", network.step),
        Training("@weft.compile", weft.compile(network.step)),
        Training("with weft.grad", weft.compile(network.descend)),
    ]


def train(
    way: Training,
    network: ModuleType,
    data: Digits,
    run: tuple[Start, int],
    advance: Callable[[], None],
) -> None:
    """Train by `way` from the same start, in the same order as the others; time the first step apart."""
    start, epochs = run
    parameters, rng = [p.copy() for p in start.parameters], np.random.default_rng(1 + int(start.epochs))
    began = perf_counter()
    way.step(network.start(), data.train_x[:BATCH], data.train_y[:BATCH], RATE)
    way.first_s = perf_counter() - began
    way.entry_s = finish_entry()
    steps, seconds = 0, 0.0
    for _ in range(epochs):
        order = rng.permutation(len(data.train_x))
        x, y = data.train_x[order], data.train_y[order]
        began = perf_counter()
        for k in range(0, len(x) - BATCH + 1, BATCH):
            way.step(parameters, x[k : k + BATCH], y[k : k + BATCH], RATE)
            steps += 1
        seconds += perf_counter() - began
        advance()
    way.steps_per_s = steps / seconds
    way.parameters = parameters
    way.accuracy = float(network.accuracy(parameters, data.test_x, data.test_y))


def finish_entry() -> float:
    """Build the native entry of calls now, not in the background; the seconds it took, once per version."""
    began = perf_counter()
    _, entries = compiled_class()
    entries.settle()
    return perf_counter() - began


def rich(part: str) -> Any:
    """A module of the package rich, an extra that is loaded when it is used."""
    return import_module(f"rich.{part}")


def _train_all(
    console: Any,
    ways: Sequence[Training],
    network: ModuleType,
    data: Digits,
    run: tuple[Start, argparse.Namespace],
) -> None:
    """Train in each way, with a progress bar for each."""
    start, arguments = run
    progress = rich("progress")
    columns = (
        progress.TextColumn("  {task.description:<16}"),
        progress.BarColumn(bar_width=38, complete_style="cyan", finished_style="green"),
        progress.TextColumn("{task.percentage:>4.0f} %"),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[note]}"),
    )
    with progress.Progress(*columns, console=console, disable=arguments.quiet) as bars:
        for way in ways:
            task = bars.add_task(way.title, total=arguments.epochs, note="")
            try:
                train(way, network, data, (start, arguments.epochs), lambda task=task: bars.advance(task))
            except (UnsupportedError, CompileError) as error:
                way.missing = error.sentence
                bars.update(task, note="not yet", visible=False)
                continue
            bars.update(task, note=f"{way.steps_per_s:,.0f} steps/s")


def _introduce(console: Any, network: ModuleType, data: Digits) -> None:
    """Show the function and a few of the images."""
    count = len(data.train_x) + len(data.test_x)
    console.print()
    console.print(f"[bold]Weft {weft.__version__}[/]: a network learns to read {count} handwritten digits")
    console.print(
        f"[dim]{len(data.train_x)} to learn from, {len(data.test_x)} held out; 64 pixels, 10 digits[/]"
    )
    console.print(
        rich("columns").Columns(
            [_picture(x, y) for x, y in zip(data.test_x[:6], data.test_y[:6], strict=True)], padding=(0, 3)
        )
    )
    source = inspect.getsource(network.step).rstrip()
    code = rich("syntax").Syntax(source, "python", theme="ansi_dark", background_color="default")
    console.print(
        rich("panel").Panel(
            code, title="plain NumPy, written by hand", title_align="left", border_style="dim", expand=False
        )
    )


def _picture(pixels: Array, digit: int) -> Any:
    """One image as text, two rows of pixels in a line of half blocks."""
    grays = (pixels.reshape(8, 8) * 255).astype(int)
    text = rich("text").Text()
    for upper, lower in zip(grays[::2], grays[1::2], strict=True):
        for a, b in zip(upper, lower, strict=True):
            text.append("▀", style=f"rgb({a},{a},{a}) on rgb({b},{b},{b})")
        text.append("\n")
    return text.append(f"   {digit}", style="dim")


def _report(console: Any, ways: Sequence[Training], count: int) -> None:
    """Print the table of results and the kernels of the compiled step."""
    table = rich("table").Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("", "accuracy", "steps/s", "against NumPy", "first result"):
        table.add_column(name, justify="right" if name else "left")
    slowest = ways[0].steps_per_s
    for way in ways:
        if way.missing:
            continue
        ratio = way.steps_per_s / slowest
        style = "bold green" if ratio > 1.05 else ""
        table.add_row(
            way.title, f"{way.accuracy:.1%}", f"{way.steps_per_s:,.0f}", f"{ratio:.1f} x",
            _time(way.first_s), style=style,
        )  # fmt: skip
    console.print()
    console.print(table)
    console.print(f"[dim]accuracy on the {count} held out; first result: with tracing and compiling[/]")
    once = max(way.entry_s for way in ways)
    if once > 0.1:
        console.print(
            f"[dim]once for each version of Weft: {_time(once)} in the background, for what serves calls[/]"
        )
    for way in ways:
        if way.missing:
            console.print(f"[yellow]{way.title}: {way.missing}.[/] The other rows do not need it.")
    _kernels(console, ways[1])


def _kernels(console: Any, way: Training) -> None:
    """Print the kernels that the compiled step became."""
    compiled: Any = way.step
    kernels = compiled.stats()["kernels"]
    if not kernels:
        return
    console.print()
    console.print(f"[bold]The step became one native program of {len(kernels)} kernels[/]")
    table = rich("table").Table(box=None, padding=(0, 3, 0, 2), header_style="dim")
    table.add_column("kernel")
    table.add_column("lines of digits.py")
    for kernel in kernels:
        lines = sorted(
            {
                int(place.rpartition(":")[2])
                for place in kernel["source"]
                if place.rpartition(":")[2].isdigit()
            }
        )
        table.add_row(kernel["name"], ", ".join(map(str, lines)))
    console.print(table)


def _next_steps(console: Any) -> None:
    """Print what to paste next."""
    console.print()
    console.print("[bold]Now your own function[/], after [cyan]f = weft.compile(your_function)[/]:")
    for line, meaning in (
        ("print(f.verify(*arguments))", "the same as plain Python?"),
        ("print(f.explain())", "what was fused, and why not more"),
        ("weft inspect yours.py:your_function 'f32[n,64]'", "every stage, from a shell"),
    ):
        console.print(f"  [cyan]{rich('markup').escape(f'{line:<48}')}[/] [dim]{meaning}[/]", soft_wrap=True)
    console.print()


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def _difference(one: Training, other: Training) -> float:
    """The largest difference between the parameters that two ways reached, beside the largest parameter."""
    pairs = zip(one.parameters, other.parameters, strict=True)
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(a))) for a, b in pairs)
