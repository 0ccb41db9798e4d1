"""``jmeta.testing.check_tasks`` and ``jmeta check``: what is wrong with a family of one's own, in one sentence each."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from gymnax.environments import spaces

import jmeta as library
from jmeta.tasks import TASKS, BernoulliBandit, GymnaxTasks, MinAtar, TabularMDP, TaskDistribution
from jmeta.tasks.time_limits import check_lifetime_length
from jmeta.testing import check_tasks
from jmeta.types import Discrete
from tests.cli.conftest import Said
from tests.cli.conftest import jmeta as jmeta
from tests.tasks.broken_families import BROKEN, Corridor, Corridors, FourTasks, Params, Raising, SameTasksHeldOut

# As in tests/tasks/test_every_task.py: where the default takes long to compile or cannot be split, other settings.
OTHERWISE = {
    "gymnax": GymnaxTasks(ranges={"length": (0.3, 0.8)}),
    "minatar": MinAtar(("breakout",), ("freeway",)),
    "tabular-mdp": TabularMDP(num_states=4, num_actions=3),
}


@pytest.mark.parametrize("family", BROKEN, ids=lambda family: family.__name__)
def test_each_mistake_is_named_with_what_to_do(family: type[TaskDistribution]) -> None:
    cause, remedy = BROKEN[family]
    with pytest.raises(ValueError, match=rf"(?s){cause}.*{remedy}") as caught:
        check_tasks(family)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("family", BROKEN, ids=lambda family: family.__name__)
def test_the_command_names_it_on_one_line(family: type[TaskDistribution], jmeta: Callable[..., Said]) -> None:
    cause, remedy = BROKEN[family]
    said = jmeta("check", f"tests.tasks.broken_families:{family.__name__}")
    assert said.status == 2
    assert re.search(f"error: .*{cause}.*{remedy}", said.err)
    assert "Traceback" not in said.err


def test_a_sound_family_gets_a_short_report(jmeta: Callable[..., Said]) -> None:
    report = check_tasks(Corridors)
    assert (report.observation_size, report.action_space, report.horizon) == (1, Discrete(2), 8)
    assert list(report.num_distinct) == ["train", "validation", "held-out"]
    assert min(report.num_distinct.values()) > 500  # 512 are drawn from 2^18 numbers or more
    said = jmeta("check", "tests.tasks.broken_families:Corridors")
    assert said.status == 0
    assert said.out.strip() == str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_every_family_of_ours_is_sound(name: str) -> None:
    check_tasks(OTHERWISE.get(name) or TASKS[name]())


def test_the_command_takes_settings(jmeta: Callable[..., Said]) -> None:
    said = jmeta("check", "bernoulli-bandit", "--num-arms", "3")
    assert said.status == 0
    assert "Discrete(num_actions=3)" in said.out


def test_an_error_of_the_family_s_own_keeps_its_traceback_and_is_named_as_such(jmeta: Callable[..., Said]) -> None:
    with pytest.raises(ValueError, match="no such cell"):
        check_tasks(Raising)
    said = jmeta("check", "tests.tasks.broken_families:Raising")
    assert said.status == 1
    assert "Traceback" in said.err
    assert re.search(r"error in your own code, .*broken_families.py, line \d+, in step_env: ValueError: no such cell", said.words)


def test_an_if_on_an_array_is_told_what_to_write_instead(jmeta: Callable[..., Said]) -> None:
    said = jmeta("check", "tests.tasks.broken_families:Branching")
    last = said.err.splitlines()[-1]
    assert re.match(r"error in your own code, .*broken_families.py, line \d+, in step_env: TracerBoolConversionError: ", last)
    assert "write jnp.where(condition, a, b) or jax.lax.cond" in last


class Remarkable(Corridor):
    """Allowed, and worth a word: the last step at once, one action, tiny observations that leave the announced box."""

    def step_env(self, key, state, action, params):
        observation, state, reward, _, info = super().step_env(key, state, action, params)
        return 1e-3 * observation, state, reward, jnp.array(True), info

    def action_space(self, params):
        return spaces.Discrete(1)

    def observation_space(self, params):
        return spaces.Box(0.0, 1.0, (1,))


class RemarkableTasks(Corridors):
    environment = Remarkable()
    scale: float = 1.0  # no setting


def test_what_is_allowed_is_remarked_on() -> None:
    remarks = " ".join(check_tasks(RemarkableTasks).remarks)
    for said in (
        "every episode ended with its first step, and the horizon is 8",
        "there is only one action",
        "none varies by more than 0.0005: networks learn best from numbers of about 1; scale them, or train with --normalize",
        "the observation at position 0 was -0.001, and the observation space says 0 to 1",
        "scale: annotated, but no setting, since RemarkableTasks is not decorated",
    ):
        assert said in remarks
    usual = check_tasks(Corridors)
    assert len(usual.remarks) == 1
    assert "a lifetime is one episode" in usual.remarks[0]


class Boundless(Corridor):
    """Episodes of any length, actions of any size."""

    default_params = Params(max_steps_in_episode=20_000)

    def step_env(self, key, state, action, params):
        return super().step_env(key, state, action[0], params)

    def action_space(self, params):
        return spaces.Box(jnp.array([-1.0, 0.0]), jnp.array([1.0, jnp.inf]), (2,))


class BoundlessTasks(Corridors):
    environment = Boundless()

    def sample(self, key):
        return super().sample(key).replace(max_steps_in_episode=20_000)


def test_what_has_no_bounds_is_remarked_on() -> None:
    remarks = " ".join(check_tasks(BoundlessTasks).remarks)
    assert "the action space has no bounds on some axis" in remarks
    assert "a lifetime has 20000 steps" in remarks


class Talkative(Corridor):
    """Its info has two numbers under one name, one in a vector of its own, and a word."""

    def step_env(self, key, state, action, params):
        *outcome, info = super().step_env(key, state, action, params)
        return *outcome, info | {"moves": jnp.ones(2), "nested": {"fuel": jnp.ones(1)}, "why": "moved"}


@dataclasses.dataclass(frozen=True)
class TalkativeTasks(Corridors):
    """Corridors with two settings, one of them described.

    Attributes:
      scale: size of the prizes.
    """

    environment = Talkative()
    scale: float = 1.0
    bonus: float = 0.0


def test_what_evaluation_leaves_out_and_help_does_not_say_is_remarked_on() -> None:
    remarks = " ".join(check_tasks(TalkativeTasks).remarks)
    assert "info['moves'] of Talkative has shape (2,): evaluation reports single numbers and leaves it out" in remarks
    assert "info['why'] of Talkative is a str: evaluation" in remarks
    assert "no description of bonus: add it under Attributes in the docstring of TalkativeTasks" in remarks
    assert "fuel" not in remarks
    assert "scale" not in remarks


@pytest.mark.parametrize("length", [0, -8, 8.0, True, None])
def test_a_lifetime_is_a_whole_number_of_episodes(length: Any) -> None:
    class Lifetimes(Corridors):
        lifetime_length = length

    with pytest.raises(ValueError, match=f"lifetime_length of Lifetimes is {length}, which is no whole number of episodes of 8"):
        check_lifetime_length(Lifetimes())


def test_a_class_that_is_no_family_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a TaskDistribution: subclass"):
        check_tasks(dict)  # type: ignore[arg-type]


# The same at the start of training and evaluation.

ONLY_WHEN_LIVED_IN = ("NanReward", "NumpyRandom", "Leaky", "ObjectSetting", "LateClock", "Uncounted", "NanObservation")
AT_THE_START = [family for family in BROKEN if family.__name__ not in ONLY_WHEN_LIVED_IN]


@pytest.mark.parametrize("family", AT_THE_START, ids=lambda family: family.__name__)
def test_training_starts_with_the_same_checks(family: Any) -> None:
    cause, _ = BROKEN[family]
    expected = (
        pytest.warns(UserWarning, match=cause)
        if family in (SameTasksHeldOut, FourTasks)
        else pytest.raises(ValueError, match=rf"(?s){cause}")
    )
    with expected:
        library.algorithms.rl2(family(), lifetime_length=16, hidden_size=4, num_tasks=4)


class HeldOutForValidation(Corridors):
    def sample(self, key):
        return Params(prize=jax.random.uniform(key) + (self.split != "train"))


class TrainedForValidation(Corridors):
    def sample(self, key):
        return Params(prize=jax.random.uniform(key) + (self.split == "held-out"))


@pytest.mark.parametrize(
    ("family", "drawn"), [(HeldOutForValidation, "as held-out tasks"), (TrainedForValidation, "for training")]
)
def test_validation_tasks_of_another_split_are_refused(family: Any, drawn: str) -> None:
    message = f"512 of 512 sampled validation tasks of {family.__name__} are also drawn {drawn}: .*`has_validation`"
    with pytest.raises(ValueError, match=message):
        check_tasks(family)
    agent = library.references.Random(1, Discrete(2))
    with pytest.raises(ValueError, match=message):
        library.evaluate(agent, family().validation, (), jax.random.key(0), protocol=library.Protocol(1, 8, 1), num_tasks=2)


def test_evaluation_on_held_out_tasks_that_are_none_is_refused() -> None:
    agent = library.references.Random(1, Discrete(2))
    tasks = SameTasksHeldOut()
    protocol = library.Protocol(1, 8, 1)
    with pytest.raises(ValueError, match="also drawn for training"):
        library.evaluate(agent, tasks.held_out, (), jax.random.key(0), protocol=protocol, num_tasks=4)


def test_a_family_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from jmeta.tasks import checks

    calls: list[TaskDistribution] = []
    monkeypatch.setattr(checks, "CHECKS", (calls.append,))
    checks.check_distribution.cache_clear()
    for _ in range(2):
        checks.check_distribution(Corridors())
    assert calls == [Corridors()]
    checks.check_distribution(BernoulliBandit())  # ours are looked at by the tests
    assert calls == [Corridors()]
    checks.check_distribution.cache_clear()
