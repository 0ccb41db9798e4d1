"""Run directories of formats 1 and 2 are read: settings and parts of the meta-state had other names."""

import dataclasses
import json
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.comparison.store import Store
from jmeta.runs import learner_of
from jmeta.tasks import BernoulliBandit, SparsePointNavigation
from jmeta.training import RunDirectory
from jmeta.training.checkpoints import Checkpoints
from jmeta.training.formats import FORMAT, upgrade_arrays, upgrade_config, upgrade_path
from jmeta.types import PyTree

CONFIG = {
    "format": 1,
    "recipe": {
        "algorithm": "pearl",
        "algorithm_fields": {"slow_rate": 0.25, "num_recent": 3, "widths": [8], "num_tasks": 4, "num_collected": 2},
        "task": "sparse-point-navigation",
        "task_fields": {"horizon": 4, "episodes": 2},
    },
    "options": None,
    "learner": {"type": "OffPolicy", "slow_rate": 0.25, "inner": {"type": "PEARL"}, "tasks": [{"trace": 1}]},
    "key": [0, 3],
}


class FormerExtra(NamedTuple):
    slow: PyTree
    num_steps: PyTree


class FormerBeliefRecord(NamedTuple):
    timestep: PyTree
    action: PyTree
    reward: PyTree
    next_observation: PyTree
    description: PyTree


class FormerRecord(NamedTuple):
    task: PyTree
    kept: PyTree
    recent: PyTree
    num_lifetimes: PyTree


def test_settings_have_their_present_names(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_config(CONFIG)
    config = run.read_config()
    assert config["format"] == FORMAT
    assert config["recipe"]["algorithm_fields"] == {
        "target_update_rate": 0.25,
        "num_contexts": 3,
        "widths": [8],
        "num_training_tasks": 4,
        "num_tasks": 2,
    }
    assert config["recipe"]["task_fields"] == CONFIG["recipe"]["task_fields"]
    assert config["learner"] == {
        "type": "OffPolicy",
        "target_update_rate": 0.25,
        "inner": {"type": "PEARL"},
        "tasks": [{"trace": 1}],  # a setting of the user's own tasks
    }
    outer, _ = learner_of(tmp_path)
    assert (outer.target_update_rate, outer.num_contexts) == (0.25, 3)
    assert (outer.num_training_tasks, outer.num_tasks) == (4, 2)


def test_fields_have_the_names_of_their_settings():
    """Format 2: the capacity of the outer learner's replay is another setting."""
    inner = {"type": "MQL", "capacity": 40}
    sizes = {"capacity": 100, "num_tasks": 8, "num_collected": 2, "trace": 1}
    former = {"format": 2, "recipe": None, "learner": {"type": "OffPolicy", "inner": inner} | sizes}
    present = {"capacity": 100, "num_training_tasks": 8, "num_tasks": 2, "trace": 1}
    upgraded = {
        "format": FORMAT,
        "recipe": None,
        "learner": {"type": "OffPolicy", "inner": {"type": "MQL", "adapt_capacity": 40}} | present,
    }
    assert upgrade_config(former) == upgraded
    assert upgrade_config(upgraded) == upgraded  # though num_tasks of OffPolicy had another meaning
    assert upgrade_config(former | {"learner": {"type": "PPO", "num_tasks": 8}})["learner"] == {"type": "PPO", "num_tasks": 8}


@pytest.mark.parametrize("name", ["pearl", "jmeta.algorithms:pearl", "jmeta.algorithms:maml_dqn"])
def test_settings_of_a_recipe_have_their_present_names(name):
    recipe = {"algorithm": name, "algorithm_fields": {"num_tasks": 8}, "task": "grid-navi", "task_fields": {}}
    upgraded = upgrade_config({"format": 2, "recipe": recipe, "learner": {}})["recipe"]
    assert upgraded == recipe | {"algorithm_fields": {"num_training_tasks": 8}}
    own = recipe | {"algorithm": "mine:pearl"}  # of the user's own
    assert upgrade_config({"format": 2, "recipe": own, "learner": {}})["recipe"] == own


def test_a_recipe_without_settings_is_left_to_its_check():
    recipe = {"algorithm": "pearl", "task": "grid-navi", "task_fields": {}}
    assert upgrade_config({"format": 2, "recipe": recipe, "learner": {}})["recipe"] == recipe


def test_a_subclass_of_an_off_policy_learner_is_told_by_its_fields():
    former = {"format": 2, "recipe": None, "learner": {"type": "Mine", "num_tasks": 8, "num_collected": 2}}
    assert upgrade_config(former)["learner"] == {"type": "Mine", "num_training_tasks": 8, "num_tasks": 2}


@pytest.mark.parametrize(("prefix", "axes"), [("", ()), ("0.state.", (3,))])
def test_former_lifetimes_of_beliefs_are_read_also_in_cells_of_comparisons(prefix, axes):
    """Cells have a leading axis of trainings; T = 2 steps, of 3 timesteps."""
    first = np.zeros((*axes, 4, 5, 3), bool)
    first[..., 1] = True
    observation = np.arange(first.size * 2.0).reshape(*first.shape, 2)
    former = {
        f"{prefix}by_task.description": np.zeros((*axes, 4, 5, 1)),
        f"{prefix}by_task.timestep.first": first,
        f"{prefix}by_task.timestep.observation": observation,
        f"{prefix}extra.slow.weight": np.ones(1),
    }
    present = upgrade_arrays(former)
    np.testing.assert_array_equal(present[f"{prefix}by_task.timestep.observation"], observation[..., :-1, :])
    np.testing.assert_array_equal(present[f"{prefix}by_task.terminated"], first[..., 1:])
    assert not present[f"{prefix}by_task.truncated"].any()
    assert f"{prefix}extra.target_parameters.weight" in present


def test_what_is_of_the_present_format_is_left_alone():
    config = {"format": FORMAT, "recipe": None, "learner": {"trace": 1}}
    assert upgrade_config(config) == config
    assert upgrade_path("theta.slow") == "theta.slow"
    assert upgrade_path("extra.slower") == "extra.slower"


def test_a_former_checkpoint_is_restored(tmp_path):
    outer = jmeta.algorithms.pearl(
        SparsePointNavigation(horizon=4, episodes=2),
        widths=(4,),
        encoder_widths=(4,),
        num_training_tasks=2,
        batch_size=2,
        capacity=16,
    )
    state = jax.jit(outer.init)(jax.random.key(0))
    former = state._replace(extra=FormerExtra(*state.extra), by_task=FormerRecord(*state.by_task))
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(3, former)
    checkpoints.wait()
    step, restored = checkpoints.restore(jax.eval_shape(lambda: state))
    assert step == 3
    chex.assert_trees_all_equal(restored, jax.device_get(state))


def test_former_lifetimes_of_a_belief_are_restored(tmp_path):
    """They held the timestep after the last step, whose ``first`` says whether an episode ended."""
    tasks = BernoulliBandit(num_arms=2, num_pulls=3)
    outer = jmeta.algorithms.varibad(tasks, hidden_size=4, num_tasks=2, num_minibatches=1, belief_batch_size=2, buffer_steps=2)
    state = jax.jit(outer.init)(jax.random.key(0))
    record = jax.tree.map(lambda x: (jnp.arange(x.size) % 5 - 2).reshape(x.shape).astype(x.dtype), state.by_task)
    record = dataclasses.replace(record, truncated=jnp.zeros_like(record.truncated))
    timesteps_of = jax.vmap(jax.vmap(lambda record: record.timesteps))
    timesteps = timesteps_of(record)._replace(first=jnp.arange(16).reshape(2, 2, 4) % 3 == 1)
    former = FormerBeliefRecord(timesteps, record.action, record.reward, record.next_observation, record.description)
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(3, state._replace(by_task=former))
    checkpoints.wait()
    _, restored = checkpoints.restore(jax.eval_shape(lambda: state))
    ends = jax.device_get(timesteps.first[:, :, 1:])
    record = dataclasses.replace(record, timestep=jax.tree.map(lambda x: x[:, :, :-1], timesteps), terminated=ends)
    chex.assert_trees_all_equal(restored.by_task, jax.device_get(record))
    chex.assert_trees_all_equal(jax.device_get(timesteps_of(restored.by_task)), jax.device_get(timesteps))


def test_a_comparison_of_an_earlier_jmeta_goes_on(tmp_path):
    """Its cells keep the settings that they were begun with."""
    store = Store(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"learners": {"": {"slow_rate": 0.1}}}))
    store.check({"learners": {"": {"target_update_rate": 0.1}}})
    with pytest.raises(ValueError, match=r"target_update_rate: was 0\.1, now 0\.2"):
        store.check({"learners": {"": {"target_update_rate": 0.2}}})


def test_a_comparison_of_the_present_format_is_compared_as_it_is(tmp_path):
    learner = {"type": "OffPolicy", "num_training_tasks": 8, "num_tasks": 2}
    store = Store(tmp_path)
    store.begin({"learners": {"": learner}})
    store.check({"learners": {"": learner}})
    former = {"learners": {"": {"type": "OffPolicy", "num_tasks": 8, "num_collected": 2}}}
    (tmp_path / "settings.json").write_text(json.dumps(former))
    store.check({"learners": {"": learner}})


@pytest.mark.parametrize("format", [1, 2, FORMAT])
@pytest.mark.parametrize("name", ["mql", "jmeta.algorithms:mql"])
def test_settings_that_an_algorithm_no_longer_has_are_left_out_of_a_recipe(format, name):
    """They had no effect, or one legal value. Another value was that of another learner."""
    kept = {"batch_size": 8, "random_steps": 1}
    recipe = {"algorithm": name, "algorithm_fields": kept | {"num_contexts": 1, "shaped": False}}
    config = {"format": format, "recipe": recipe, "learner": {"type": "OffPolicy", "num_contexts": 1, "shaped": False}}
    upgraded = upgrade_config(config)
    assert upgraded["recipe"]["algorithm_fields"] == kept
    assert upgraded["learner"] == config["learner"]  # a description of the learner, which still has both
    other = config | {"recipe": recipe | {"algorithm_fields": kept | {"num_contexts": 2}}}
    assert upgrade_config(other)["recipe"]["algorithm_fields"] == kept | {"num_contexts": 2}
    own = config | {"recipe": recipe | {"algorithm": "mine:mql"}}
    assert upgrade_config(own)["recipe"] == own["recipe"]


def test_a_run_of_before_settings_were_left_out_is_opened(tmp_path):
    recipe = {
        "algorithm": "sac",
        "algorithm_fields": {"widths": [8], "num_training_tasks": 2, "num_contexts": 1},
        "task": "point-navigation",
        "task_fields": {"horizon": 4},
    }
    config = CONFIG | {"format": FORMAT, "recipe": recipe, "learner": {}}
    RunDirectory(tmp_path).write_config(config)
    assert learner_of(tmp_path)[0].num_training_tasks == 2
    fields = recipe["algorithm_fields"] | {"num_contexts": 2}
    RunDirectory(tmp_path).write_config(config | {"recipe": recipe | {"algorithm_fields": fields}})
    with pytest.raises(ValueError, match="no setting is called 'num_contexts'"):
        learner_of(tmp_path)
