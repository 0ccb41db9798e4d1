"""Checks of a task family of one's own: what would otherwise go wrong in training, or worse, without a word."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.cli.errors import is_message
from jmeta.lifetime import rollout, start
from jmeta.references import Random
from jmeta.registry import check_round_trip
from jmeta.tasks import TaskDistribution
from jmeta.tasks.base import sampled_tasks
from jmeta.tasks.checks import CHECKS, check_described, check_splits, distinct
from jmeta.types import ActionSpace, PyTree

LIVED_TASKS = 8  # lived in by a random policy
LIVED_STEPS = 200  # at most


@dataclasses.dataclass(frozen=True)
class TaskReport:
    """Description of a task family that passed all checks.

    Attributes:
      name: its class.
      observation_size: length of the observation vector.
      action_space: what a policy must produce.
      horizon: longest episode, in environment steps.
      lifetime_length: environment steps of a lifetime.
      num_distinct: different tasks among 512 sampled ones of each split.
      observation_range: lowest and highest number observed under random actions.
      reward_range: lowest and highest reward under random actions.
      remarks: what is allowed, and worth knowing.
    """

    name: str
    observation_size: int
    action_space: ActionSpace
    horizon: int
    lifetime_length: int
    num_distinct: dict[str, int]
    observation_range: tuple[float, float]
    reward_range: tuple[float, float]
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            f"{self.name}: no mistake found",
            f"  observations    {self.observation_size} numbers, from {self.observation_range[0]:.3g} to "
            f"{self.observation_range[1]:.3g} under random actions",
            f"  actions         {self.action_space}",
            f"  rewards         from {self.reward_range[0]:.3g} to {self.reward_range[1]:.3g} under random actions",
            f"  episodes        at most {self.horizon} steps, lifetimes of {self.lifetime_length}",
            f"  different tasks {', '.join(f'{number} {split}' for split, number in self.num_distinct.items())} of 512 sampled",
        ]
        return "\n".join([*lines, *(f"  note: {remark}" for remark in self.remarks)])


def check_tasks(tasks: TaskDistribution | type[TaskDistribution]) -> TaskReport:
    """Looks for mistakes in a task family: spaces, limits, splits, settings, purity, determinism and finite numbers.

    It takes seconds: 512 tasks of each split are sampled, and a random policy lives ``min(horizon, 200)`` steps in 8 tasks. What
    can be seen without that is also looked at whenever a learner is built or evaluated.

    Args:
      tasks: the family, or its class, if its settings have defaults.

    Returns:
      A short report; print it.

    Raises:
      ValueError: with every mistake that was found, and for each what to do.
      Exception: what the family's own code raises, as it is.

    Example:
      >>> import jmeta
      >>> from jmeta.testing import check_tasks
      >>> check_tasks(jmeta.tasks.BernoulliBandit()).action_space
      Discrete(num_actions=5)
    """
    if not isinstance(tasks, TaskDistribution):
        if not (isinstance(tasks, type) and issubclass(tasks, TaskDistribution)):
            raise ValueError(f"{tasks!r} is not a TaskDistribution: subclass jmeta.tasks.TaskDistribution")
        tasks = tasks()
    tasks = tasks.train
    mistakes: list[str] = []
    for check in CHECKS:
        if check is not check_splits:
            _note(mistakes, check, tasks)
    if not mistakes:  # or else it can't be lived in
        for later in (_check_splits, _check_purity, check_round_trip):
            _note(mistakes, later, tasks)
    lived: dict[str, np.ndarray] = {}
    if not mistakes:
        _note(mistakes, lambda tasks: lived.update(_check_lives(tasks)), tasks)
    if mistakes:
        listed = mistakes[0] if len(mistakes) == 1 else "\n".join(f"  {i}. {text}" for i, text in enumerate(mistakes, 1))
        start = f"{type(tasks).__name__}: " if len(mistakes) == 1 else f"{type(tasks).__name__} has {len(mistakes)} mistakes:\n"
        raise ValueError(start + listed)
    span = lambda values: (float(values.min()), float(values.max()))  # noqa: E731
    return TaskReport(
        name=type(tasks).__name__,
        observation_size=tasks.observation_size,
        action_space=tasks.action_space,
        horizon=tasks.horizon,
        lifetime_length=tasks.lifetime_length,
        num_distinct={split.split: distinct(sampled_tasks(split)) for split in tasks._splits},
        observation_range=span(lived["observation"]),
        reward_range=span(lived["reward"]),
        remarks=tuple(_remarks(tasks, lived)),
    )


def _note(mistakes: list[str], check: Callable[[TaskDistribution], Any], tasks: TaskDistribution) -> None:
    try:
        check(tasks)
    except ValueError as error:
        if not is_message(error):
            raise
        if str(error) not in mistakes:
            mistakes.append(str(error))


def _check_splits(tasks: TaskDistribution) -> None:
    if tasks.has_held_out:
        check_splits(tasks.held_out)


def _check_purity(tasks: TaskDistribution) -> None:
    """Traces everything twice: what depends on more than its arguments differs, or leaves something behind."""
    keys = jax.random.split(jax.random.key(1), LIVED_TASKS)
    drawn = jax.jit(jax.vmap(tasks.sample))(keys)
    functions: dict[str, Callable[..., PyTree]] = {
        "sample": lambda task, key: tasks.sample(key),
        "reset_env": lambda task, key: tasks.reset(task, key),
        "step_env": lambda task, key: _one_step(tasks, task, key),
    }
    _look_for_tracers(tasks)
    for name, function in functions.items():
        first, second = (jax.device_get(_plain(_freshly_jitted(function)(drawn, keys))) for _ in range(2))
        equal = jax.tree.map(lambda a, b: np.array_equal(a, b, equal_nan=True), first, second)
        if not all(jax.tree.leaves(equal)):
            where = type(tasks).__name__ if name == "sample" else tasks._environment_name
            raise ValueError(
                f"{name} of {where} gives different results for the same arguments: draw from its key with jax.random, not from "
                "NumPy's or Python's random numbers, and keep nothing that changes outside the state"
            )

    _look_for_tracers(tasks)


def _look_for_tracers(tasks: TaskDistribution) -> None:
    """Raises ValueError if what was traced has left something behind."""
    for owner in (tasks.environment, tasks):
        for attribute, value in vars(owner).items():
            if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
                raise ValueError(
                    f"{type(owner).__name__}.{attribute} is set while reset_env or step_env is compiled, and never again: keep "
                    "what changes in the state"
                )


def _freshly_jitted(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    return jax.jit(lambda *arguments: jax.vmap(function)(*arguments))


def _one_step(tasks: TaskDistribution, task: PyTree, key: jax.Array) -> PyTree:
    _, state = tasks.reset(task, key)
    actions = Random(tasks.observation_size, tasks.action_space)
    decision, _ = actions.act((), (), (), None)  # type: ignore[arg-type]
    return tasks.step(task, state, decision.distribution.sample(key), key)


def _plain(tree: PyTree) -> PyTree:
    """Typed keys as the numbers that they are."""
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # noqa: E731
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, tree)


def _check_lives(tasks: TaskDistribution) -> dict[str, np.ndarray]:
    """Lives with random actions; raises ValueError where something is not finite.

    Returns:
      Observations [N, T, D], rewards [N, T], and which steps end an episode by time and otherwise.
    """
    inner = Random(tasks.observation_size, tasks.action_space)
    length = min(tasks.horizon, LIVED_STEPS)

    def live(key: jax.Array) -> tuple[PyTree, PyTree]:
        task_key, start_key, rollout_key = jax.random.split(key, 3)
        task = tasks.sample(task_key)
        life = start(tasks, task, ((), ()), num_streams=1, key=start_key)
        _, segment = rollout(inner, tasks, (), life, length=length, key=rollout_key)
        return task, (segment.timestep.observation, segment.next_observation, segment.reward)

    keys = jax.random.split(jax.random.key(2), LIVED_TASKS)
    task, (observation, following, reward) = jax.device_get(_plain(jax.jit(jax.vmap(live))(keys)))
    for path, leaf in jax.tree_util.tree_leaves_with_path(task):
        if np.asarray(leaf).dtype.kind == "f" and np.isnan(leaf).any():
            raise ValueError(f"sample of {type(tasks).__name__} draws tasks in which {jax.tree_util.keystr(path)} is NaN")
    for what, values in (
        ("the observation of reset_env", observation),
        ("the observation of step_env", following),
        ("the reward", reward),
    ):
        bad = np.argwhere(~np.isfinite(values.reshape(LIVED_TASKS, length, -1)))
        if len(bad):
            index, step, place = bad[0]
            value = values.reshape(LIVED_TASKS, length, -1)[index, step, place]
            which = f" at position {place}" if what != "the reward" else ""
            raise ValueError(
                f"{what} of {tasks._environment_name} is {value}{which} after {step} random actions: look for a division by "
                "zero, a logarithm or a root, and for a state that grows without bound"
            )
    return {"observation": np.concatenate([observation, following]), "reward": reward}


def _remarks(tasks: TaskDistribution, lived: dict[str, np.ndarray]) -> list[str]:
    remarks = []
    scale = float(np.abs(lived["observation"]).max())
    if scale > 10.0:
        remarks.append(f"observations are as large as {scale:.3g}: networks learn best from numbers of about 1; scale them")
    if distinct(sampled_tasks(tasks)) == 1:
        remarks.append("all tasks are the same, so there is nothing to adapt to")
    else:
        try:
            check_described(tasks)
        except ValueError as error:
            if not is_message(error):
                raise
            remarks.append(str(error))
    if not np.any(lived["reward"]):
        remarks.append("a random policy is never rewarded: an agent must find the first reward by chance")
    if not tasks.has_held_out:
        remarks.append("no tasks are held out: evaluate on the training split, with another seed")
    if tasks.lifetime_length == tasks.horizon:
        remarks.append(
            "a lifetime is one episode unless --lifetime-length says otherwise: an agent that must try before it knows needs "
            "several"
        )
    return remarks
