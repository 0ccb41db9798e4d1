"""The laws themselves: learners that are wrong in one way each, and the law that says so."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jmeta
from jmeta import struct
from jmeta.inner.rl2 import RL2
from jmeta.outer.ppo import PPO
from jmeta.testing import LearnerCase, laws

TASKS = jmeta.tasks.BernoulliBandit(num_arms=3, num_pulls=4)


def sound() -> PPO:
    """Obeys every law: ``rl2-discrete`` of ``tests/laws/learners.py`` is the same."""
    return jmeta.algorithms.rl2(TASKS, hidden_size=4, num_tasks=4)


def with_inner(kind: type[RL2]) -> Callable[[], PPO]:
    """RL² with its inner learner of another class."""

    def build() -> PPO:
        outer = sound()
        fields = {field.name: getattr(outer.inner, field.name) for field in dataclasses.fields(outer.inner)}
        return outer.replace(inner=kind(**fields))

    return build


def with_outer(kind: type[PPO], **changed: Any) -> Callable[[], PPO]:
    """RL² with its outer learner of another class."""

    def build() -> PPO:
        outer = sound()
        return kind(**{field.name: getattr(outer, field.name) for field in dataclasses.fields(outer)} | changed)

    return build


@struct.dataclass
class KeepsItsMemory(RL2):
    """A lifetime begins where the one before was left."""

    def begin(self, theta, num_streams, key):
        phi, memory = super().begin(theta, num_streams, key)
        BEGUN.append(len(BEGUN))
        return phi, jax.tree.map(lambda x: x + BEGUN[-1], memory)


BEGUN: list[int] = []


@jax.custom_batching.custom_vmap
def place_in_batch(x: jax.Array) -> jax.Array:
    return x


@place_in_batch.def_vmap
def _place_in_batch(size: int, is_batched: list[bool], x: jax.Array) -> tuple[jax.Array, bool]:
    return jnp.arange(size, dtype=x.dtype), True


@struct.dataclass
class KnowsItsPlace(RL2):
    """Memory begins with the number of the task in the batch."""

    def begin(self, theta, num_streams, key):
        phi, memory = super().begin(theta, num_streams, key)
        place = place_in_batch(0.0 * jax.random.normal(key))
        return phi, jax.tree.map(lambda x: x + place, memory)


TRACED: list[int] = []


@struct.dataclass
class ActsByTheTrace(RL2):
    """Decisions depend on how often ``act`` was traced, as those of any function that is not pure may."""

    def act(self, theta, phi, memory, timestep):
        decision, memory = super().act(theta, phi, memory, timestep)
        TRACED.append(len(TRACED))
        logits = jnp.where(jnp.arange(3) == len(TRACED) // 2 % 3, 0.0, -1e9)
        return decision._replace(distribution=type(decision.distribution)(logits=logits)), memory


@struct.dataclass
class TakesManyKeys(PPO):
    """Several keys are one too many, and the first is taken."""


def init_with_the_first_key(self, key):
    return PPO.init(self, key[0] if getattr(key, "ndim", 0) and jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) else key)


TakesManyKeys.init = init_with_the_first_key  # set from outside, so that OuterLearner's own check of keys is not put around it


@struct.dataclass
class ForgetsEverything(RL2):
    """``adapt`` forgets the lifetime."""

    def adapt(self, theta, phi, memory, segment, key):
        return self.begin(theta, segment.reward.shape[1], key)


@struct.dataclass
class CutsItsGradient(RL2):
    """The critic's weights are held fixed."""

    def unroll(self, theta, phi, memory, timesteps):
        heads = theta["heads"] | {"value": jax.lax.stop_gradient(theta["heads"]["value"])}
        return super().unroll(theta | {"heads": heads}, phi, memory, timesteps)


@struct.dataclass
class DecidesByOldWeights(RL2):
    """``unroll`` has weights of its own."""

    def unroll(self, theta, phi, memory, timesteps):
        return super().unroll(jax.tree.map(lambda x: jnp.full_like(x, 0.1), theta), phi, memory, timesteps)


@struct.dataclass
class UnrollsOtherwise(RL2):
    """``unroll`` sees no rewards."""

    def unroll(self, theta, phi, memory, timesteps):
        return super().unroll(theta, phi, memory, timesteps._replace(previous_reward=jnp.zeros_like(timesteps.previous_reward)))


@struct.dataclass
class AdaptsInHalfPrecision(RL2):
    """``adapt`` returns another dtype than it was given."""

    def adapt(self, theta, phi, memory, segment, key):
        return phi, jax.tree.map(lambda x: x.astype(jnp.bfloat16), memory)


@struct.dataclass
class ActsForItself(RL2):
    """Decisions have randomness of their own, the same whatever the key."""

    def act(self, theta, phi, memory, timestep):
        decision, memory = super().act(theta, phi, memory, timestep)
        greedy = jnp.where(jnp.arange(3) == jnp.argmax(decision.distribution.logits), 0.0, -1e9)
        return decision._replace(distribution=type(decision.distribution)(logits=greedy)), memory


@struct.dataclass
class UsesAKeyTwice(RL2):
    """Memory begins with noise, drawn twice from one key."""

    def begin(self, theta, num_streams, key):
        phi, memory = super().begin(theta, num_streams, key)
        noise = lambda x: jax.random.normal(key, x.shape, x.dtype)  # noqa: E731
        return phi, jax.tree.map(lambda x: x + noise(x) - noise(x), memory)


@struct.dataclass
class CountsInFloats(PPO):
    """The number of steps is an integer at first, and then a float."""

    def step(self, state, key):
        state, metrics = super().step(state, key)
        return state._replace(extra=state.extra._replace(num_steps=state.extra.num_steps + 0.0)), metrics


@struct.dataclass
class ComparesANumber(PPO):
    """A setting that is a number is looked at while the step is traced."""

    def step(self, state, key):
        if self.learning_rate > 1:
            raise ValueError("learning_rate")
        return super().step(state, key)


@struct.dataclass
class ComputesInDouble(PPO):
    """Theta has the dtype that JAX computes in."""

    def init(self, key):
        state = super().init(key)
        return state._replace(theta=jax.tree.map(lambda x: x.astype(jnp.result_type(float)), state.theta))


@struct.dataclass
class SolvesByLapack(PPO):
    """A linear system is solved by JAX's own solver."""

    def step(self, state, key):
        state, metrics = super().step(state, key)
        matrix = jnp.eye(3) + metrics["loss"]
        return state, metrics | {"solved": jnp.linalg.solve(matrix, jnp.ones(3)).sum()}


@struct.dataclass
class HoldsAFunction(PPO):
    """It has a field that can't be pickled."""

    extra_function: Any = struct.field(pytree_node=False, default=None)


@struct.dataclass
class LeavesThetaWhereItIs(PPO):
    """A step that moves nothing."""

    def step(self, state, key):
        after, metrics = super().step(state, key)
        return after._replace(theta=state.theta), metrics


@struct.dataclass
class ReportsNothing(PPO):
    """A step without metrics of the return."""

    def step(self, state, key):
        after, metrics = super().step(state, key)
        return after, {"loss": metrics["loss"]}


BROKEN: tuple[tuple[Callable[[], PPO], laws.Law, str], ...] = (
    (with_inner(KeepsItsMemory), laws.a_lifetime_begins_afresh_and_an_episode_does_not, "Values not exactly equal"),
    (with_inner(ForgetsEverything), laws.a_lifetime_begins_afresh_and_an_episode_does_not, "left no trace in phi or memory"),
    (with_inner(CutsItsGradient), laws.every_meta_parameter_gets_a_gradient, "'value'.* gets no gradient"),
    (with_inner(DecidesByOldWeights), laws.replay_under_another_theta_decides_otherwise, "changed by more than 0.0"),
    (with_inner(DecidesByOldWeights), laws.replay_under_the_behaviour_theta_reproduces_the_decisions, "Not equal to tolerance"),
    (with_inner(UnrollsOtherwise), laws.unroll_equals_a_scan_of_act, "distribution/0"),
    (with_inner(AdaptsInHalfPrecision), laws.adapt_keeps_structure_shapes_and_dtypes, "bfloat16"),
    (with_inner(ActsForItself), laws.the_same_key_gives_the_same_result_and_another_key_another, "another key gave the same"),
    (with_inner(ActsForItself), laws.streams_and_segments_draw_different_randomness, "both streams took the same"),
    (with_inner(KnowsItsPlace), laws.tasks_together_equal_tasks_one_by_one, "not almost equal|Not equal"),
    (with_inner(KnowsItsPlace), laws.permuting_tasks_permutes_results, "not almost equal|Not equal"),
    (with_inner(ActsByTheTrace), laws.a_lifetime_lived_in_pieces_is_the_lifetime_lived_at_once, "not almost equal|Not equal"),
    (with_inner(ActsByTheTrace), laws.an_agent_driven_from_outside_does_what_live_does, "differs from live in: action"),
    (with_outer(TakesManyKeys), laws.typed_keys_raw_keys_and_seeds_begin_alike, "three keys in place of one: init takes them"),
    (with_inner(UsesAKeyTwice), laws.no_key_of_a_lifetime_is_used_twice, "a key is used twice"),
    (with_outer(CountsInFloats), laws.the_second_call_does_not_trace_again, "traced 2 times"),
    (with_outer(CountsInFloats), laws.an_outer_step_is_finite_moves_theta_and_keeps_its_types, "extra/num_steps"),
    (with_outer(ComparesANumber), laws.every_number_of_a_learner_can_be_traced, "learning_rate"),
    (with_outer(ComputesInDouble), laws.an_outer_step_keeps_its_types_where_jax_computes_in_double, "float64"),
    (with_outer(SolvesByLapack), laws.no_program_calls_lapack, "use the solvers of jmeta"),
    (
        with_outer(HoldsAFunction, extra_function=lambda x: x),
        laws.a_learner_pickles_and_copies_before_and_after_use,
        "Can't pickle",
    ),
    (with_outer(LeavesThetaWhereItIs), laws.an_outer_step_is_finite_moves_theta_and_keeps_its_types, "where it was"),
    (with_outer(ReportsNothing), laws.an_outer_step_is_finite_moves_theta_and_keeps_its_types, "does not report return/after"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("build", "law", "message"), BROKEN)
def test_a_broken_learner_breaks_its_law(build: Callable[[], PPO], law: laws.Law, message: str) -> None:
    case = LearnerCase(build)
    with pytest.raises(Exception, match=message):  # an assertion's, or what is raised while the learner is traced
        law(case)


def test_check_learner_names_the_law() -> None:
    with pytest.raises(AssertionError, match="no log-probability changed") as caught:
        jmeta.testing.check_learner(with_inner(DecidesByOldWeights), laws=[laws.replay_under_another_theta_decides_otherwise])
    assert caught.value.__notes__ == ["PPO of DecidesByOldWeights breaks the law replay_under_another_theta_decides_otherwise"]


def test_a_learner_that_normalises_is_refused() -> None:
    with pytest.raises(ValueError, match="build it without normalize_observations"):
        LearnerCase(lambda: jmeta.algorithms.rl2(TASKS, hidden_size=4, num_tasks=4, normalize_observations=True))
