"""Counter-based random numbers under the names of `numpy.random.Generator`.

Not built yet: each name raises UnsupportedError when called.
"""

from weft.unbuilt import Unbuilt

_UNBUILT = ("default_rng",)


def __getattr__(name: str) -> Unbuilt:
    """Return the stand-in for a name that is not built yet."""
    if name in _UNBUILT:
        return Unbuilt(f"weft.random.{name}")
    raise AttributeError(f"module 'weft.random' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(_UNBUILT)
