"""What a user is told: rates that have fallen to zero, single episodes, the cause of a NaN. And fine-tuning."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct as flax_struct
from gymnax.environments import environment, spaces

import jmeta
from jmeta.training import NonFiniteError, RunDirectory, restore
from jmeta.training.diagnosis import first_cause
from jmeta.training.notes import annealing_note, single_episode_note
from tests.laws.learners import OUTER_LEARNERS
from tests.training.walk import KEY

BANDIT = jmeta.tasks.BernoulliBandit(num_arms=3, num_pulls=3)


def rl2(**settings):
    return jmeta.algorithms.rl2(BANDIT, hidden_size=4, num_tasks=16, num_epochs=1, num_minibatches=2, **settings)


def train(outer, num_steps=2, out=None, **options):
    return jmeta.train(outer, KEY, num_steps, out=out, progress=False, **options)


# Rates that have fallen to zero


def test_steps_after_annealing_learn_nothing_and_that_is_said(capfd):
    """The rate of step i, from 0, is 1 - i / 2: of the first step 1, of the second 1/2, of the third 0."""
    two, three = train(rl2(anneal_steps=2), 2), train(rl2(anneal_steps=2), 3)
    for a, b in zip(jax.tree.leaves(two.theta), jax.tree.leaves(three.theta), strict=True):
        np.testing.assert_array_equal(a, b)
    said = capfd.readouterr().err
    assert said.count("warning: from outer step 3 on nothing is learned") == 1
    assert "give anneal_steps=3" in said.replace("\n", " ")


def test_no_warning_without_cause():
    assert annealing_note(rl2(anneal_steps=2), 2) is None
    assert annealing_note(rl2(), 10**6) is None


def test_a_run_goes_on_with_a_longer_annealing(tmp_path):
    train(rl2(anneal_steps=2), 2, out=tmp_path / "run")
    before = restore(rl2(), tmp_path / "run")[1].theta
    longer = train(rl2(anneal_steps=8), 3, out=tmp_path / "run", resume=True)
    assert any(not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (before, longer.theta)), strict=True))
    assert RunDirectory(tmp_path / "run").read_config()["learner"]["anneal_steps"] == 8
    with pytest.raises(ValueError, match=r"learner\.learning_rate: was"):
        train(rl2(anneal_steps=8, learning_rate=0.5), 4, out=tmp_path / "run", resume=True)


# A single episode


def test_a_lifetime_of_one_episode_is_told_of():
    points = jmeta.tasks.PointNavigation(horizon=5)
    agent = jmeta.algorithms.rl2(points, lifetime_length=5, hidden_size=4, num_tasks=4, num_minibatches=2)
    theta = jax.eval_shape(agent.init, KEY).theta
    assert "for lifetimes of four episodes give lifetime_length=20" in single_episode_note(agent, theta)
    longer = jmeta.algorithms.rl2(points, lifetime_length=10, hidden_size=4, num_tasks=4, num_minibatches=2)
    assert single_episode_note(longer, theta) is None
    assert single_episode_note(rl2(), jax.eval_shape(rl2().init, KEY).theta) is None  # pulls of a bandit are episodes of one step


# The cause of a NaN


@flax_struct.dataclass
class State(environment.EnvState):
    time: jax.Array


@flax_struct.dataclass
class Params(environment.EnvParams):
    prize: jax.Array = flax_struct.field(default_factory=lambda: jnp.zeros(()))
    max_steps_in_episode: int = 4


class Sick(environment.Environment):
    """The third step of an episode pays NaN, or shows it, where the prize is above 1/2."""

    def __init__(self, what):
        super().__init__()
        self.what = what

    @property
    def default_params(self):
        return Params()

    def reset_env(self, key, params):
        return jnp.zeros(1), State(time=jnp.zeros((), jnp.int32))

    def step_env(self, key, state, action, params):
        bad = jnp.where((state.time == 2) & (params.prize > 0.5), jnp.nan, 0.0)
        observation = jnp.zeros(1) + (bad if self.what == "observation" else 0.0)
        reward = jnp.zeros(()) + (bad if self.what == "reward" else 0.0)
        return observation, State(time=state.time + 1), reward, jnp.zeros((), bool), {}

    def action_space(self, params):
        return spaces.Discrete(2)

    def observation_space(self, params):
        return spaces.Box(-1.0, 1.0, (1,))


@dataclasses.dataclass(frozen=True)
class SickReward(jmeta.tasks.TaskDistribution):
    environment = Sick("reward")

    def sample(self, key):
        return Params(prize=self.uniform(key))


@dataclasses.dataclass(frozen=True)
class SickObservation(SickReward):
    environment = Sick("observation")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "what"), [(SickReward, "reward"), (SickObservation, "observation")])
def test_the_environment_is_blamed_where_it_is_to_blame(kind, what):
    outer = jmeta.algorithms.rl2(kind(), lifetime_length=8, hidden_size=4, num_tasks=16, num_epochs=1, num_minibatches=2)
    with pytest.raises(NonFiniteError) as caught:
        train(outer, 3)
    message = str(caught.value)
    assert f"The environment's {what} is not finite: at step 3 of a lifetime in the task {{" in message
    prize = float(message.split("'prize': ")[1].split("}")[0])
    assert prize > 0.5
    assert "lower learning rate" not in message


def test_training_is_blamed_where_it_is_to_blame():
    """Rewards of a bandit are 0 or 1, whatever theta is; a rate of 1e30 makes theta infinite."""
    with pytest.raises(NonFiniteError) as caught:
        train(rl2(learning_rate=1e30), 50)
    assert "environment's" not in str(caught.value)


def test_meta_parameters_that_were_not_finite_before_are_named():
    theta = rl2().init(KEY).theta
    assert first_cause(rl2(), theta, KEY) is None
    path, _ = jax.tree_util.tree_leaves_with_path(theta)[-1]
    bad = jax.tree_util.tree_map_with_path(lambda at, x: x.at[(0,) * x.ndim].set(jnp.nan) if at == path else x, theta)
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    assert first_cause(rl2(), bad, KEY) == f"theta ({name}) was already not finite before that step"


# Fine-tuning


@pytest.mark.parametrize("name", OUTER_LEARNERS)
def test_every_outer_learner_begins_with_a_given_theta(name):
    """The program that makes the state hands theta through: its outputs are its inputs."""
    outer = OUTER_LEARNERS[name]()
    theta = jax.eval_shape(outer.init, KEY).theta
    program = jax.make_jaxpr(lambda theta, key: outer.init_with(theta, key).theta)(theta, KEY).jaxpr
    assert program.outvars == program.invars[: len(jax.tree.leaves(theta))]


@pytest.mark.slow
def test_fine_tuning(tmp_path):
    """The first step begins where the other run ended, on other tasks; and it resumes like any run."""
    train(rl2(), 2, out=tmp_path / "first")
    _, state = restore(rl2(), tmp_path / "first")
    still = train(rl2(learning_rate=1e-9), 1, theta=state.theta)  # Adam's steps are no longer than the rate
    for a, b in zip(*map(jax.tree.leaves, (state.theta, still.theta)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    other = rl2(learning_rate=0.01)
    train(other, 2, out=tmp_path / "tuned", theta=state.theta)
    again = train(other, 4, out=tmp_path / "tuned", resume=True)
    whole = train(other, 4, theta=state.theta)
    for a, b in zip(*map(jax.tree.leaves, (again.theta, whole.theta)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_theta_that_does_not_fit_is_refused(tmp_path):
    state = rl2().init(KEY)
    wider = jmeta.algorithms.rl2(BANDIT, hidden_size=5, num_tasks=16, num_epochs=1, num_minibatches=2)
    bad = jax.tree.map(lambda x: x * jnp.nan, state.theta)
    for outer, theta, error, message in (
        (wider, state.theta, ValueError, "theta belongs to another agent than this RL2"),
        (rl2(), {"w": jnp.zeros(3)}, ValueError, r"w, float32\[3\] there, is unknown here"),
        (rl2(), state, TypeError, r"theta is a meta-state: give its \.theta"),
        (rl2(), "runs/first", TypeError, r"theta='runs/first' is a path: give jmeta.load\('runs/first'\).pretrained"),
        (rl2(), bad, ValueError, "is not finite"),
    ):
        with pytest.raises(error, match=message):
            train(outer, 2, out=tmp_path / "run", theta=theta)
    with pytest.raises(ValueError, match="theta initialises a new run"):
        train(rl2(), 2, out=tmp_path / "run", theta=state.theta, resume=True)
    assert not (tmp_path / "run").exists()
