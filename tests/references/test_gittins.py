"""Finite-horizon Gittins indices: by hand, by bisection, and from the cache."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.references import GittinsIndex, bayes_optimal_return, gittins, gittins_recursion, gittins_table
from jmeta.types import Discrete
from tests.references.test_classical import expected_score, gittins_index, probabilities


@functools.cache
def table(num_pulls):
    return gittins_table(num_pulls)


def index(s, f, remaining, num_pulls):
    return float(table(num_pulls)[gittins.table_position(num_pulls - remaining, s + f, s)])


@pytest.mark.parametrize(
    ("s", "f", "remaining", "expected"),
    [
        (0, 0, 1, 1 / 2),  # with one pull left there is nothing to learn for
        (3, 1, 1, 4 / 6),
        # Pull; after a success (1/2) the arm is worth 2/3 and kept, else left: 1/2 + (2/3 + L) / 2 = 2 L, so L = 5/9.
        (0, 0, 2, 5 / 9),
        # p = 2/3, then 3/4 or 1/2: 2/3 + (2/3) (3/4) + (1/3) L = 2 L, so L = 7/10.
        (1, 0, 2, 7 / 10),
        # p = 1/3, then 1/2 or 1/4: 1/3 + (1/3) (1/2) + (2/3) L = 2 L, so L = 3/8.
        (0, 1, 2, 3 / 8),
    ],
)
def test_by_hand(s, f, remaining, expected):
    assert index(s, f, remaining, 6) == pytest.approx(expected, abs=1e-4)


def test_every_state_by_bisection():
    num_pulls = 9
    for remaining in range(1, num_pulls + 1):
        for n in range(num_pulls - remaining + 1):
            for s in range(n + 1):
                assert index(s, n - s, remaining, num_pulls) == pytest.approx(gittins_index(s, n - s, remaining), abs=1e-4)


@pytest.mark.slow
def test_a_cut_lattice_is_the_same_lattice():
    """After 64 layers the computation goes on with the states that are still needed."""
    assert gittins_recursion.LAYERS_AT_ONCE < 70
    long = gittins_recursion.compute_table(70, 512)
    for s, f in ((0, 0), (2, 1), (0, 3)):
        for remaining in (66, 65, 64, 30):
            value = long[gittins.table_position(70 - remaining, s + f, s)]
            assert value == pytest.approx(gittins_index(s, f, remaining), abs=1e-3)


def test_learning_is_worth_more_the_longer_one_lives():
    for s, f in ((0, 0), (1, 0), (0, 1), (2, 2)):
        values = [index(s, f, remaining, 12) for remaining in range(1, 9)]
        assert values[0] == pytest.approx((1 + s) / (2 + s + f), abs=1e-6)
        assert np.all(np.diff(values) > 1e-3)


def test_the_rule_is_nearly_bayes_optimal():
    for num_arms in (5, 10):
        optimum = bayes_optimal_return(num_arms, 10)
        assert optimum - 1e-3 < expected_score("Gittins", num_arms) <= optimum


def test_it_changes_its_mind_near_the_end():
    """Arms (3, 2) and (0, 0): means 4/7 and 1/2. The unknown one is worth trying early, the better mean is taken at last."""
    for num_pulls, expected in ((12, [0, 1]), (6, [1, 0])):
        learner = GittinsIndex.create(1, Discrete(2), num_pulls=num_pulls)
        np.testing.assert_allclose(probabilities(learner, (3, 2), (0, 0)), expected, atol=1e-6)
    assert gittins_index(0, 0, 7) > gittins_index(3, 2, 7)


def test_beyond_its_lifetime_it_is_greedy():
    learner = GittinsIndex.create(1, Discrete(3), num_pulls=4)
    np.testing.assert_allclose(probabilities(learner, (3, 2), (0, 0), (5, 6)), [1, 0, 0], atol=1e-6)


def test_the_table_is_a_leaf():
    leaves = jax.tree.leaves(GittinsIndex.create(1, Discrete(3), num_pulls=4))
    assert [leaf.shape for leaf in leaves] == [(20,)]
    assert leaves[0].dtype == jnp.float32


def test_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JMETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gittins, "NOT_CACHED", 3)
    small = gittins_table(3)
    assert not (tmp_path / "cache").exists()
    computed = gittins_table(5)
    (path,) = (tmp_path / "cache").iterdir()
    assert path.name == "gittins-v1-5-pulls-512-rates.npz"
    np.testing.assert_array_equal(computed[gittins.table_position(4, 2, 1)], small[gittins.table_position(2, 2, 1)])

    def refuse(*_):
        raise AssertionError("it is in the cache")

    monkeypatch.setattr(gittins, "compute_table", refuse)
    np.testing.assert_array_equal(gittins_table(5), computed)
    with pytest.raises(AssertionError, match="in the cache"):
        gittins_table(5, num_rates=64)
    assert list((tmp_path / "cache").iterdir()) == [path]  # what fails leaves nothing behind


def test_what_is_wrong_with_the_cache_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("JMETA_CACHE", str(tmp_path))
    monkeypatch.setattr(gittins, "NOT_CACHED", 3)
    path = tmp_path / "gittins-v1-5-pulls-512-rates.npz"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(ValueError, match=r"gittins-v1-5-pulls-512-rates\.npz can't be read .*: delete it"):
        gittins_table(5)
    with path.open("wb") as file:
        np.savez(file, table=np.zeros(7, np.float32))
    with pytest.raises(ValueError, match=r"holds float32\[7\] but should hold float32\[35\]: delete it"):
        gittins_table(5)
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("JMETA_CACHE", str(tmp_path / "taken"))
    with pytest.raises(OSError, match=r"can't write to the cache at .*taken .*: set JMETA_CACHE"):
        gittins_table(5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_pulls": 0}, "num_pulls=0: .* give 1 to 500"),
        ({"num_pulls": 501}, "num_pulls=501"),
        ({"num_pulls": 5, "num_rates": 12}, "num_rates=12: give a positive multiple of 8"),
    ],
)
def test_mistakes_name_the_value(settings, message):
    with pytest.raises(ValueError, match=message):
        gittins_table(**settings)
