"""Neural network functions, written in plain NumPy and traced like a user's code; made for float32."""

from weft.nn.activation import elu, erf, gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus
from weft.nn.conv import (
    adaptive_avg_pool,
    adaptive_max_pool,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    global_avg_pool,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from weft.nn.initial import glorot_normal, glorot_uniform, he_normal, he_uniform
from weft.nn.layers import (
    attention,
    batch_norm,
    dropout,
    embedding,
    group_norm,
    instance_norm,
    layer_norm,
    linear,
    rms_norm,
)
from weft.nn.loss import (
    binary_cross_entropy,
    cross_entropy,
    huber,
    kl_divergence,
    mean_absolute_error,
    mean_squared_error,
)
from weft.nn.recurrent import gru, gru_cell, lstm, lstm_cell, rnn, rnn_cell

__all__ = [
    "adaptive_avg_pool", "adaptive_max_pool", "attention", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "batch_norm", "binary_cross_entropy", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "cross_entropy", "dropout", "elu", "embedding", "erf", "gelu",
    "global_avg_pool", "glorot_normal", "glorot_uniform", "group_norm", "gru", "gru_cell", "he_normal",
    "he_uniform", "huber", "instance_norm", "kl_divergence", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "lstm", "lstm_cell", "max_pool1d", "max_pool2d", "max_pool3d", "mean_absolute_error",
    "mean_squared_error", "relu", "rms_norm", "rnn", "rnn_cell", "sigmoid", "silu", "softmax", "softplus",
]  # fmt: skip
