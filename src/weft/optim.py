"""Optimizers of variables; not built yet, each name raises UnsupportedError when called."""

from weft.unbuilt import Unbuilt

_UNBUILT = ("LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Momentum", "RMSProp")


def __getattr__(name: str) -> Unbuilt:
    """Return the stand-in for a name that is not built yet."""
    if name in _UNBUILT:
        return Unbuilt(f"weft.optim.{name}")
    raise AttributeError(f"module 'weft.optim' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(_UNBUILT)
