"""Neural network functions written in NumPy; not built yet, each name raises UnsupportedError when called."""

from weft.unbuilt import Unbuilt

# fmt: off
_UNBUILT = (
    "attention", "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm", "binary_cross_entropy",
    "conv1d", "conv2d", "conv3d", "cross_entropy", "dropout", "embedding", "glorot_normal", "glorot_uniform",
    "group_norm", "gru",
    "he_normal", "he_uniform", "layer_norm", "log_softmax", "lstm", "max_pool1d", "max_pool2d", "max_pool3d",
    "mean_squared_error", "rms_norm", "rnn", "softmax",
)
# fmt: on


def __getattr__(name: str) -> Unbuilt:
    """Return the stand-in for a name that is not built yet."""
    if name in _UNBUILT:
        return Unbuilt(f"weft.nn.{name}")
    raise AttributeError(f"module 'weft.nn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(_UNBUILT)
