"""The Bayes-optimal return of a bandit with one unknown arm, by optimal stopping."""

import functools
import math

import numpy as np
from scipy.special import ndtr


@functools.cache
def one_armed_bandit_return(mean: float, spread: float, noise: float, num_pulls: int) -> float:
    """Returns the optimal return of two arms: one pays N(mu, noise²) with mu ~ N(mean, spread²), the other pays nothing.

    An optimal agent that leaves the first arm never returns, since it learns nothing more about it. With posterior mean m after n
    pulls,

        V_n(m) = max(0, m + E V_{n+1}(m')),    m' ~ N(m, v_n² / (v_n + noise²)),    1 / v_n = 1 / spread² + n / noise².

    V is approximated as linear between 601 means, densest about 0, and beyond them; E V is then an exact sum over its kinks.
    """
    means = noise * np.sinh(np.linspace(-1.0, 1.0, 601) * math.asinh((abs(mean) + 8.0 * spread) / noise))
    kinks = np.zeros_like(means)  # by how much the slope changes at each mean
    value = np.zeros_like(means)
    for n in reversed(range(num_pulls)):
        variance = 1.0 / (1.0 / spread**2 + n / noise**2)
        deviation = variance / math.sqrt(variance + noise**2)
        x = (means[:, None] - means) / deviation
        later = deviation * (x * ndtr(x) + np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)) @ kinks
        value = np.maximum(0.0, means + later)
        kinks = np.diff(np.concatenate([[0.0], np.diff(value) / np.diff(means), [num_pulls - n]]))
    return float(np.interp(mean, means, value))
