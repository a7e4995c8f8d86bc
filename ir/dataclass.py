"""The decorator `dataclass` of the standard library, made quicker for classes with slots.

The standard one compiles six methods for each class, 0.7 ms; with some 150 classes that is most of the time
that `import weft` would take. Here one method is compiled, `__init__`; the others are closures. What it means
is what the standard library says; classes without slots and those that extend a dataclass are left to it.
"""

import dataclasses
import sys
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> object:
        """See `dataclasses.dataclass`."""
        if cls is None:
            return lambda body: dataclass(body, **options)
        fields = _fields_of(cls) if _is_quick(options) else None
        if fields is None:
            return dataclasses.dataclass(**options)(cls)
        return _slotted(
            cls, fields, frozen=options.get("frozen", False), has_equality=options.get("eq", True)
        )


_OPTIONS = {"frozen", "slots", "eq"}
_KIND = getattr(dataclasses, "_FIELD", None)  # what marks a field that is no ClassVar


def _is_quick(options: dict[str, bool]) -> bool:
    return bool(options.get("slots")) and options.keys() <= _OPTIONS and _KIND is not None


def _fields_of(body: type) -> dict[str, "dataclasses.Field[Any]"] | None:
    """The fields; None for a class that is left to the standard library."""
    notes: dict[str, Any] | None = vars(body).get("__annotations__")
    if hasattr(body, "__dataclass_fields__") or (notes is None and sys.version_info >= (3, 14)):
        return None
    fields: dict[str, Any] = {}
    for name, kind in (notes or {}).items():
        field: Any = vars(body).get(name, dataclasses.MISSING)
        if not isinstance(field, dataclasses.Field):
            field = dataclasses.field(default=field)
        text = kind if isinstance(kind, str) else repr(kind)
        if not field.init or "ClassVar" in text or "InitVar" in text or "KW_ONLY" in text:
            return None
        field.name, field.type, field._field_type, field.kw_only = name, kind, _KIND, False
        fields[name] = field
    return fields


@cache
def _parameters(*, frozen: bool, eq: bool) -> object:
    """The standard library's description of a dataclass."""
    return vars(dataclasses.make_dataclass("Like", (), frozen=frozen, eq=eq))["__dataclass_params__"]


_set = object.__setattr__


def _slotted(
    body: type, named: "dict[str, dataclasses.Field[Any]]", *, frozen: bool, has_equality: bool
) -> type:
    own = set(vars(body))
    scope = {
        name: value for name, value in vars(body).items() if name not in {*named, "__dict__", "__weakref__"}
    }
    inherited = {name for base in body.__mro__[1:] for name in getattr(base, "__slots__", ())}
    scope["__slots__"] = tuple(name for name in named if name not in inherited)
    scope |= {"__match_args__": tuple(named), "__dataclass_fields__": named}
    scope["__dataclass_params__"] = _parameters(frozen=frozen, eq=has_equality)
    cls: Any = type(body)(body.__name__, body.__bases__, scope)
    cls.__qualname__ = body.__qualname__
    fields = tuple(named.values())
    methods: dict[str, Callable[..., Any] | None] = {
        "__init__": _initializer(cls, fields, frozen=frozen),
        "__repr__": _printer(tuple(f.name for f in fields if f.repr)),
    }
    if frozen:
        methods |= _guards(cls, frozenset(f.name for f in fields)) | _state(tuple(f.name for f in fields))
    if has_equality:
        methods["__eq__"] = _equality(_getter(tuple(f.name for f in fields if f.compare)))
        hashed = _getter(tuple(f.name for f in fields if (f.compare if f.hash is None else f.hash)))
        methods["__hash__"] = _hasher(hashed) if frozen else None
        if "__eq__" in own and vars(cls)["__hash__"] is None:  # Python's mark of an __eq__ without a __hash__
            own.discard("__hash__")
    for name, method in methods.items():
        if name not in own:
            if method:
                method.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, method)
    return cls


def _initializer(
    cls: type, fields: tuple[dataclasses.Field[Any], ...], *, frozen: bool
) -> Callable[..., None]:
    scope: dict[str, Any] = {"_set": _set, "_missing": dataclasses.MISSING}
    parameters: list[str] = []
    lines: list[str] = []
    for f in fields:
        value, default = f.name, ""
        if f.default is not dataclasses.MISSING:
            scope[f"_default_{f.name}"] = f.default
            default = f"=_default_{f.name}"
        elif f.default_factory is not dataclasses.MISSING:
            scope[f"_make_{f.name}"] = f.default_factory
            default = "=_missing"
            value = f"_make_{f.name}() if {f.name} is _missing else {f.name}"
        parameters.append(f.name + default)
        lines.append(f" _set(self, {f.name!r}, {value})\n" if frozen else f" self.{f.name} = {value}\n")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()\n")
    exec(f"def __init__(self, {', '.join(parameters)}):\n" + ("".join(lines) or " pass\n"), scope)
    return scope["__init__"]


def _printer(names: tuple[str, ...]) -> Callable[[Any], str]:
    def __repr__(self: object) -> str:  # noqa: N807
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return __repr__


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """What gives the fields as a tuple, or the one there is."""
    return attrgetter(*names) if names else lambda _self: ()


def _equality(values: Callable[[Any], Any]) -> Callable[[Any, object], bool]:
    def __eq__(self: object, other: object) -> bool:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hasher(values: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: object) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def _guards(cls: type, names: frozenset[str]) -> dict[str, Callable[..., None]]:
    def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        _set(self, name, value)

    def __delattr__(self: object, name: str) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


def _state(names: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    """For copies and pickles, which must get around `__setattr__`."""

    def __getstate__(self: object) -> list[Any]:  # noqa: N807
        return [getattr(self, name) for name in names]

    def __setstate__(self: object, state: list[Any]) -> None:  # noqa: N807
        for name, value in zip(names, state, strict=True):
            _set(self, name, value)

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}


__all__ = ["dataclass"]
