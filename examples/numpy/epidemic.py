"""The SIR model of an epidemic by Euler steps: the course, the peak and its day."""

import numpy as np

GROUP = "scalar"
SIZES = (40, 60, 5000)
STEPS = "days"


def run(population, infected, contact, recovery, days):
    """Susceptible, infected and recovered by day, and the day of the peak."""
    course = np.zeros((days, 3))
    s, i, r = population - infected, infected, 0.0
    peak, peak_day = 0.0, 0
    for day in range(days):
        course[day, 0] = s
        course[day, 1] = i
        course[day, 2] = r
        if i > peak:
            peak = i
            peak_day = day
        new = contact * s * i / population
        healed = recovery * i
        s -= new
        i += new - healed
        r += healed
    return course, peak, peak_day


def inputs(size, seed):
    """People, the first infected, the two rates and the number of days."""
    rng = np.random.default_rng(seed)
    return 1e6, 10.0 + rng.random(), 0.3, 0.1, size
