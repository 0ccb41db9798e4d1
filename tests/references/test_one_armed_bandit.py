"""The optimum of a bandit with one unknown arm, by hand and by another recursion."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.references.one_armed_bandit import one_armed_bandit_return


def test_optimal_stopping_by_hand():
    # Two pulls at mean 0 and noise 1: the first is worth 0, the second E max(0, m') with m' ~ N(0, 1/2): sqrt(1/2) / sqrt(2 pi).
    assert one_armed_bandit_return(0.0, 1.0, 1.0, 2) == pytest.approx(math.sqrt(0.5 / (2 * math.pi)), abs=1e-4)
    # An arm known to be good is pulled every time.
    assert one_armed_bandit_return(2.0, 1e-6, 1.0, 10) == pytest.approx(20.0, abs=1e-4)


def test_optimal_stopping_by_quantiles():
    # The same recursion with expectations as means over 4001 quantiles, for 5 pulls at mean -0.2, spread 1 and noise 1.
    quantiles = jax.scipy.special.ndtri((jnp.arange(4001) + 0.5) / 4001)
    z, means = np.asarray(quantiles, np.float64), np.linspace(-9, 9, 1201)
    value = np.zeros_like(means)
    for n in reversed(range(5)):
        variance = 1 / (1 + n)
        after = means[:, None] + variance / np.sqrt(variance + 1) * z
        later = np.interp(after, means, value) + (4 - n) * np.maximum(after - means[-1], 0)
        value = np.maximum(0, means + later.mean(1))
    assert one_armed_bandit_return(-0.2, 1.0, 1.0, 5) == pytest.approx(np.interp(-0.2, means, value), abs=1e-3)
