"""Keys: typed, raw and whole numbers mean the same; whatever else is refused in one sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.keys import as_key
from jmeta.outer.base import OuterLearner
from jmeta.training import RunDirectory, restore
from tests.training.walk import Walk, walk

SAME = {
    "typed": lambda: jax.random.key(7),
    "raw": lambda: jax.random.PRNGKey(7),
    "raw, NumPy": lambda: np.asarray([0, 7], np.uint32),  # a threefry key is the seed in two words, the high one first
    "int": lambda: 7,
    "NumPy int": lambda: np.int64(7),
    "JAX int": lambda: jnp.int32(7),
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_all_stand_for_the_same_key(make):
    key = as_key(make())
    assert jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    assert key.shape == ()
    assert jax.random.key_data(key).tolist() == [0, 7]


def test_the_largest_seed_is_itself():
    """2**32 - 1 is all ones in the low word."""
    assert jax.random.key_data(as_key(2**32 - 1)).tolist() == [0, 0xFFFFFFFF]


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63, 10**20, np.int64(-3)])
def test_a_seed_out_of_range_is_refused(seed):
    """JAX would take 2**32 for 0 and -1 for 2**32 - 1."""
    with pytest.raises(ValueError, match=f"^seed={seed}: give a whole number from 0 to 4294967295$"):
        as_key(seed)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("7", TypeError, r"key='7' is no key: give jax\.random\.key\(seed\)"),
        (None, TypeError, "key=None is no key"),
        (True, TypeError, "key=True is no key"),
        (1.5, TypeError, r"key=1\.5 is no key"),
        (np.zeros(2, np.int32), TypeError, r"key is an array of int32\[2\]"),
        (np.zeros(3, np.uint32), ValueError, r"a raw key is uint32\[2\] here, but this one is uint32\[3\]"),
        (np.zeros((5, 2), np.uint32), ValueError, r"a raw key is uint32\[2\] here, but this one is uint32\[5, 2\]"),
        (jax.random.split(jax.random.key(0), 3), ValueError, r"key is an array \[3\] of keys: give a single one"),
    ],
    ids=str,
)
def test_whatever_else_is_refused(key, error, message):
    with pytest.raises(error, match=message):
        as_key(key)


def test_it_works_on_traced_keys():
    """So that what takes keys can be compiled: raw and typed."""
    for make in (jax.random.key, jax.random.PRNGKey):
        assert jax.random.key_data(jax.jit(as_key)(make(7))).tolist() == [0, 7]


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_training_and_evaluation_take_any(make, tmp_path):
    walk(tmp_path / "run", 3, key=make())
    assert RunDirectory(tmp_path / "run").read_config()["key"] == [0, 7]
    np.testing.assert_array_equal(
        restore(Walk(), tmp_path / "run")[1].theta["position"], walk(num_steps=3, key=jax.random.key(7)).theta["position"]
    )
    tasks = jmeta.tasks.BernoulliBandit(num_arms=2, num_pulls=2)
    agent = jmeta.references.Random(tasks.observation_size, tasks.action_space)
    protocol = jmeta.Protocol(1, 2, 1)
    results = [jmeta.evaluate(agent, tasks, (), key, protocol=protocol, num_tasks=4) for key in (make(), jax.random.key(7))]
    np.testing.assert_array_equal(results[0].episode_returns, results[1].episode_returns)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_training_and_evaluation_refuse_the_same_seeds(seed, tmp_path):
    with pytest.raises(ValueError, match="give a whole number from 0 to 4294967295"):
        walk(tmp_path / "run", 3, key=seed)
    assert not (tmp_path / "run").exists()
    tasks = jmeta.tasks.BernoulliBandit(num_arms=2, num_pulls=2)
    agent = jmeta.references.Random(tasks.observation_size, tasks.action_space)
    with pytest.raises(ValueError, match="give a whole number from 0 to 4294967295"):
        jmeta.evaluate(agent, tasks, (), seed, protocol=jmeta.Protocol(1, 2, 1), num_tasks=4)


class Stepping(OuterLearner):
    """Its key has another name, and is not its last argument."""

    def check_devices(self, num_devices):
        pass

    def meta_gradient(self, state, key):
        return key

    def init(self, seed):
        return seed

    def step(self, state, key, scale=1.0):
        return key, scale


def test_an_outer_learner_takes_any_key_wherever_it_stands():
    outer = Stepping()
    assert outer.init(7) == outer.init(seed=7) == jax.random.key(7)
    assert outer.step(None, 7) == outer.step(None, key=7) == outer.step(key=7, state=None) == (jax.random.key(7), 1.0)
    assert outer.step(None, 7, 2.0) == (jax.random.key(7), 2.0)


def test_a_key_that_is_left_out_is_missed_by_name():
    for call in (lambda: Stepping().init(), lambda: Stepping().step(7)):
        with pytest.raises(TypeError, match=r"missing a required argument: '(seed|key)'"):
            call()
