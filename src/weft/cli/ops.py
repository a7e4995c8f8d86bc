"""`weft ops`: the operations and their rules, from their records; `--numpy`: which NumPy functions are built.

Holds the two listings only; what an operation means is said by its record in `ir/ops`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

from weft.compiler.frontend import numpy as namespace
from weft.compiler.frontend.values import METHODS
from weft.ir import opdef, ops
from weft.ir.opdef import Combine, Element, Expand, OpDef, Scalar

FORMS = {Scalar: "scalar", Element: "element", Combine: "combine", Expand: "expand", type(None): "-"}
WIDTH = 110


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft ops`."""
    parser.add_argument("names", nargs="*", metavar="name", help="only these operations, or NumPy functions")
    parser.add_argument(
        "--numpy", action="store_true", help="list NumPy's functions: which are built, which not"
    )
    parser.add_argument("--missing", action="store_true", help="with --numpy: list those that are not built")


def run(arguments: argparse.Namespace) -> int:
    """Print the listing; return 1 if a name was asked for that does not exist."""
    lines = list(numpy_lines(arguments) if arguments.numpy else op_lines(arguments.names))
    print("\n".join(lines))
    known = {name for name, *_ in numpy_functions()} if arguments.numpy else set(opdef.REGISTRY)
    unknown = [name for name in arguments.names if name not in known]
    for name in unknown:
        print(f"there is no {'NumPy function' if arguments.numpy else 'operation'} {name!r}")
    return int(bool(unknown))


def op_lines(names: list[str]) -> Iterator[str]:
    """One line for each operation: how it enters a kernel, derivative, cost, meaning."""
    assert ops  # importing it fills the registry
    yield f"{'operation':<20}{'level':<9}{'form':<10}{'derivative':<12}{'flops':<7}meaning"
    chosen = [op for name, op in sorted(opdef.REGISTRY.items()) if not names or name in names]
    for op in chosen:
        yield _op_line(op)
    if not names:
        yield f"{len(chosen)} operations, {sum(op.vjp is not None for op in chosen)} with a derivative"


def _op_line(op: OpDef) -> str:
    level = "loop" if op.has("loop") else "both" if isinstance(op.form, Scalar) else "tensor"
    derivative = "yes" if op.vjp else "-"
    head = f"{op.name:<20}{level:<9}{FORMS[type(op.form)]:<10}{derivative:<12}{op.flops:<7g}"
    return head + op.doc.strip().splitlines()[0]


def numpy_functions() -> Iterator[tuple[str, str, bool]]:
    """(name, group, whether it is built) of each public function of NumPy that takes or makes arrays."""
    for group, owner, prefix in (
        ("functions", np, ""),
        ("linalg", np.linalg, "linalg."),
        ("methods", np.ndarray, "ndarray."),
    ):
        for name in sorted(dir(owner)):
            found: Any = getattr(owner, name)
            if name.startswith("_") or isinstance(found, type) or not callable(found) or name in OUTSIDE:
                continue
            kind = "ufuncs" if isinstance(found, np.ufunc) else group
            is_built = _is_method_built(name) if owner is np.ndarray else namespace.is_known(found)
            yield f"{prefix}{name}", kind, is_built


def _is_method_built(name: str) -> bool:
    """Whether a method of arrays is in the table and, if a function by another name, that one too."""
    is_forwarded = METHODS.get(name) is not None and METHODS[name].__qualname__.startswith("_function.")
    return name in METHODS and (not is_forwarded or namespace.is_known(getattr(np, name)))


def numpy_lines(arguments: argparse.Namespace) -> Iterator[str]:
    """A paragraph for each group of NumPy's functions: those that are built, or those that are not."""
    found = [entry for entry in numpy_functions() if not arguments.names or entry[0] in arguments.names]
    if arguments.names:
        yield from (f"{name:<24}{'built' if is_built else 'not built'}" for name, _, is_built in found)
        return
    for group in dict.fromkeys(kind for _, kind, _ in found):
        rows = [(name, is_built) for name, kind, is_built in found if kind == group]
        count = sum(is_built for _, is_built in rows)
        yield f"{group}: {count} of {len(rows)} built{' - missing:' if arguments.missing else ''}"
        yield from _wrapped([name for name, is_built in rows if is_built != arguments.missing])
        yield ""


def _wrapped(names: list[str]) -> Iterator[str]:
    """Names in lines of at most the width of the listing."""
    line = " "
    for name in names:
        if len(line) + len(name) + 1 > WIDTH:
            yield line
            line = " "
        line += f" {name}"
    yield line


# fmt: off
# ruff: noqa: E501 -- a list of words
OUTSIDE = frozenset(
    "add_docstring add_newdoc array2string array_repr array_str asmatrix base_repr binary_repr bmat busday_count "
    "busday_offset byteswap datetime_as_string datetime_data dump dumps einsum_path format_float_positional "
    "format_float_scientific from_dlpack frombuffer fromfile fromiter fromregex fromstring genfromtxt get_include "
    "get_printoptions getbufsize geterr geterrcall info is_busday isdtype issubdtype load loadtxt memmap min_scalar_type "
    "nested_iters printoptions putmask result_type promote_types can_cast common_type mintypecode typename save savetxt savez "
    "savez_compressed set_printoptions setbufsize seterr seterrcall setfield setflags getfield show_config show_runtime test "
    "tobytes tofile isfortran isnat frompyfunc iterable may_share_memory shares_memory require asarray_chkfinite tolist view "
    "may_share_memory get_array_wrap deprecate safe_eval source lookfor who disp nditer vectorize ndenumerate".split()
)
# fmt: on
"""Names of NumPy that read and write files, print, or answer about types: no part of a numerical program."""
