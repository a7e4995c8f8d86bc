"""Runs passes: in their order, verified, watched, limited, or switched off.

Not here: which passes there are and in what order (`pipeline.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from time import perf_counter

from weft.ir import CodeOptions, Fact, Func, InternalError, UserError, WeftError
from weft.ir.dataclass import dataclass
from weft.ir.target import Target
from weft.ir.text import show

Verify = Callable[[Func, str], None]
"""(program, name of the pass that made it, empty before the first): raises if it is not valid."""

Watch = Callable[[str, Func, Func, float], None]
"""(name of a pass, program before, program after, seconds): the one hook for dumps, times and statistics."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What passes may ask beside the program: options that change code, and the machine to lower for.

    `saves_memory`: the user has asked for less memory at the cost of time (`weft.remat`).
    """

    options: CodeOptions = field(default_factory=CodeOptions)
    target: Target | None = None
    saves_memory: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """One step from Func to Func. A required one is a lowering; all others may be switched off.

    `after` names passes that must come before this one in any list that has both.
    """

    name: str
    run: Callable[[Func, Setting], Func]
    required: bool = False
    after: tuple[str, ...] = ()


def simple(run: Callable[[Func], Func]) -> Callable[[Func, Setting], Func]:
    """A pass that asks nothing but the program."""
    return lambda fn, _setting: run(fn)


def check_order(passes: Sequence[Pass]) -> None:
    """Raise InternalError if two passes have one name, or one stands before a pass that it must follow."""
    seen: set[str] = set()
    names = {p.name for p in passes}
    for step in passes:
        late = [name for name in step.after if name in names and name not in seen]
        if step.name in seen or late:
            reason = f"must come after {', '.join(late)}" if late else "is listed twice"
            raise InternalError(f"pass {step.name} {reason}", code="E092")
        seen.add(step.name)


def run(
    fn: Func,
    passes: Sequence[Pass],
    setting: Setting | None = None,
    *,
    verify: Verify | None = None,
    limit: int | None = None,
    off: Iterable[str] = (),
    watch: Watch | None = None,
) -> Func:
    """The program after all passes.

    Only the first `limit` optimizations are run, and none of those named in `off`; required passes always
    are.
    Raises UserError for a name in `off` that is no optimization, InternalError if a pass fails on its
    own account; its note holds the program before the pass.
    """
    setting = setting or Setting()
    skipped = _checked(passes, off)
    if verify is not None:
        verify(fn, "")
    optimizations = 0
    for step in passes:
        if not step.required:
            optimizations += 1
            if step.name in skipped or (limit is not None and optimizations > limit):
                continue
        before, start = fn, perf_counter()
        fn = _run_one(step, before, setting)
        seconds = perf_counter() - start
        if watch is not None:
            watch(step.name, before, fn, seconds)
        if verify is not None:
            verify(fn, step.name)
    return fn


def _checked(passes: Sequence[Pass], off: Iterable[str]) -> frozenset[str]:
    names = frozenset(off)
    optional = [p.name for p in passes if not p.required]
    unknown = sorted(names.difference(optional))
    if unknown:
        raise UserError(
            f"no pass that can be switched off is called {unknown[0]!r}",
            code="E002",
            fix=f"name one of {', '.join(optional)}",
        )
    return names


def _run_one(step: Pass, fn: Func, setting: Setting) -> Func:
    try:
        return step.run(fn, setting)
    except WeftError:
        raise
    except Exception as error:
        fault = InternalError(
            f"pass {step.name} failed on @{fn.name}: {type(error).__name__}: {error}",
            code="E092",
            facts=[Fact("stage", fn.stage)],
        )
        fault.add_note(show(fn))
        raise fault from error
