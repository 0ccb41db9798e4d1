"""Algorithms are functions of tasks and settings, and take the settings as keyword arguments."""

import inspect
import typing

import pytest

import jmeta
from jmeta import struct
from jmeta.algorithms import AlgorithmSettings, algorithm
from jmeta.algorithms.rl2 import RL2Settings, recurrent_learner
from jmeta.outer import PPO
from jmeta.outer.normalised import Normalising
from jmeta.ranges import Count
from jmeta.registry import settings
from jmeta.tasks import BernoulliBandit

TASKS = BernoulliBandit(num_arms=2)


@struct.settings
class SmallSettings(RL2Settings):
    """Settings of ``small``.

    Attributes:
      num_tasks: few of them.
      patience: what it has.
    """

    patience: Count = 3
    hidden_size: Count = 4
    num_tasks: Count = 8


@algorithm(SmallSettings)
def small(tasks, settings):
    """RL2 with a small network.

    It is quick.

    Raises:
      ValueError: never.

    Example:
      >>> 1
      1
    """
    return recurrent_learner(tasks, settings)


def test_settings_reach_the_learner_and_have_the_class_s_defaults():
    learner = small(TASKS, learning_rate=0.5, num_tasks=4)
    assert isinstance(learner, PPO)
    assert (learner.learning_rate, learner.num_tasks) == (0.5, 4)
    default = small(TASKS)
    assert (default.num_tasks, default.learning_rate) == (8, RL2Settings().learning_rate)
    assert default.credit.discount == RL2Settings().discount


def test_the_signature_lists_every_setting_with_its_own_first():
    names = list(inspect.signature(small).parameters)
    assert names[:4] == ["tasks", "patience", "hidden_size", "num_tasks"]
    assert set(names[1:]) == set(settings(small)) == {*settings(jmeta.algorithms.rl2), "patience"}


def test_the_docstring_describes_every_setting_by_the_first_class_that_does():
    doc = inspect.getdoc(small)
    before, arguments = doc.split("\nArgs:\n")
    assert before.strip().endswith("It is quick.")
    arguments, _, after = arguments.partition("\n\nReturns:")
    assert after.index("Raises:") < after.index("Example:")
    assert "  num_tasks: few of them.\n" in arguments
    assert "  patience: what it has.\n" in arguments
    assert "  discount: discount factor per environment step, in [0, 1]; discounting continues" in arguments
    assert [line.split(":")[0].strip() for line in arguments.splitlines() if line[2] != " "][1:] == list(settings(small))


@pytest.mark.parametrize(
    ("error", "given", "says"),
    [
        (TypeError, {"pateince": 2}, r"small\(\) has no setting 'pateince'; did you mean 'patience'\?"),
        (ValueError, {"patience": 0}, "patience=0: give a whole number of at least 1, such as 3"),
        (ValueError, {"core": "gur"}, "core='gur': choose from gru, lstm"),
        (ValueError, {"memory_span": "day"}, "memory_span='day': choose from lifetime, episode"),
    ],
)
def test_a_wrong_setting_is_refused(error, given, says):
    with pytest.raises(error, match=says):
        small(TASKS, **given)


def test_settings_are_given_by_name():
    with pytest.raises(TypeError, match=r"small\(tasks, 'gru'\): give settings by name, such as patience=\.\.\."):
        small(TASKS, "gru")


def test_a_longer_name_is_suggested():
    with pytest.raises(TypeError, match=r"sac\(\) has no setting 'training_tasks'; did you mean 'num_training_tasks'\?"):
        jmeta.algorithms.sac(jmeta.tasks.SparsePointNavigation(), training_tasks=4)


def test_a_setting_that_was_renamed_is_named():
    with pytest.raises(TypeError, match=r"sac\(\) has no setting 'num_collected'; did you mean 'num_tasks'\?"):
        jmeta.algorithms.sac(jmeta.tasks.SparsePointNavigation(), num_collected=4)


def test_the_types_of_an_algorithm_are_those_of_its_settings():
    assert set(typing.get_type_hints(small)) == {"tasks", "return", *settings(small)}


def test_a_class_of_settings_must_be_decorated():
    class Plain(RL2Settings):
        patience: Count = 3

    with pytest.raises(TypeError, match=r"the fields of Plain are no settings yet: decorate it with @jmeta\.struct\.settings"):
        algorithm(Plain)
    with pytest.raises(TypeError, match=r"needs the class of the settings of recurrent_learner: write @algorithm\(MySettings\)"):
        algorithm(recurrent_learner)


def test_a_group_checks_its_values():
    with pytest.raises(ValueError, match="chunk_length=0: give a whole number of at least 1"):
        RL2Settings(chunk_length=0)
    with pytest.raises(ValueError, match="memory_span='episodes': choose from lifetime, episode"):
        RL2Settings(memory_span="episodes")


def test_tasks_are_checked_first():
    with pytest.raises(TypeError, match="tasks is the class BernoulliBandit"):
        small(BernoulliBandit)


def test_normalisation_wraps_the_learner():
    assert isinstance(small(TASKS), PPO)
    wrapped = small(TASKS, normalize_rewards=True)
    assert isinstance(wrapped, Normalising)
    assert (wrapped.observations, wrapped.rewards) == (False, True)
    assert isinstance(wrapped.learner, PPO)


@pytest.mark.parametrize("name", sorted(jmeta.algorithms.ALGORITHMS))
def test_every_setting_of_every_algorithm_is_described(name):
    function = jmeta.algorithms.ALGORITHMS[name]
    assert issubclass(function.settings, AlgorithmSettings)
    doc = inspect.getdoc(function)
    for setting in settings(function):
        assert f"\n  {setting}: " in doc, setting
        assert f"\n  {setting}: \n" not in doc, setting


def test_off_policy_algorithms_have_the_settings_that_they_use():
    """Contexts are adapted to by two agents; values are learned from a shaped reward by those that do not fine-tune them."""
    algorithms = {name: jmeta.algorithms.ALGORITHMS[name] for name in ("dqn", "sac", "td3", "pearl", "mql", "maml-dqn")}
    having = lambda setting: {name for name, function in algorithms.items() if setting in settings(function)}  # noqa: E731
    assert having("num_contexts") == {"pearl", "maml-dqn"}
    assert having("shaped") == {"dqn", "sac", "td3", "pearl"}
    assert having("explore_steps") == {"dqn", "maml-dqn"}
    assert having("batch_size") == set(algorithms)
    with pytest.raises(TypeError, match=r"sac\(\) has no setting 'num_contexts'"):
        jmeta.algorithms.sac(jmeta.tasks.SparsePointNavigation(), num_contexts=2)


def test_a_batch_is_counted_in_steps_or_in_sequences_of_stated_length():
    doc = lambda name: " ".join(inspect.getdoc(jmeta.algorithms.ALGORITHMS[name]).split())  # noqa: E731
    assert "batch_size: sequences of ``sequence_length`` environment steps sampled from each" in doc("mql")
    for name in ("dqn", "sac", "td3", "pearl", "maml-dqn"):
        assert "batch_size: environment steps sampled from each task's replay buffer" in doc(name)
