"""Holt's exponential smoothing: level and trend of a series, and the error of its forecasts."""

import numpy as np

GROUP = "scalar"
SIZES = (20, 33, 10000)


def run(series, alpha, beta):
    """The forecast made before each value of `series`, and their mean squared error."""
    forecast = np.empty(len(series))
    level = series[0]
    trend = series[1] - series[0]
    total = 0.0
    for t in range(len(series)):
        forecast[t] = level + trend
        error = series[t] - forecast[t]
        total += error**2
        last = level
        level = alpha * series[t] + (1 - alpha) * (level + trend)
        trend = beta * (level - last) + (1 - beta) * trend
    return forecast, total / len(series)


def inputs(size, seed):
    """A random walk and the two factors."""
    return np.cumsum(np.random.default_rng(seed).standard_normal(size)), 0.4, 0.2
