"""Checks of a task family of one's own: what would otherwise go wrong in training, or worse, without a word."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.environment import Environment

from jmeta.cli.errors import is_message
from jmeta.lifetime import rollout, start
from jmeta.outer.normalised import LEAST_UNWARNED
from jmeta.references import Random
from jmeta.registry import check_round_trip
from jmeta.tasks import TaskDistribution
from jmeta.tasks.base import sampled_tasks
from jmeta.tasks.checks import CHECKS, check_described, check_splits, check_tasks_are_data, distinct
from jmeta.tasks.spaces import BoxShape, Count
from jmeta.types import ActionSpace, Discrete, PyTree

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
    _note(mistakes, check_tasks_are_data, tasks)
    for check in CHECKS if not mistakes else ():  # they look at tasks
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
        name = type(tasks).__name__
        alone = "" if name in listed else f"{name}: "
        raise ValueError((alone if len(mistakes) == 1 else f"{name} has {len(mistakes)} mistakes:\n") + listed)
    span = lambda values: (float(values.min()) + 0.0, float(values.max()) + 0.0)  # noqa: E731  # no -0
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
    """Lives with random actions; raises ValueError where something is not finite, nor what the spaces and limits say.

    Returns:
      Observations [2 N, T, 1, D] before and after the steps, rewards [N, T, 1], and the length of each episode that ended [E].
    """
    inner = Random(tasks.observation_size, tasks.action_space)
    length = min(tasks.horizon, LIVED_STEPS)

    def live(key: jax.Array) -> tuple[PyTree, PyTree]:
        task_key, start_key, rollout_key = jax.random.split(key, 3)
        task = tasks.sample(task_key)
        life = start(tasks, task, ((), ()), num_streams=1, key=start_key)
        _, segment = rollout(inner, tasks, (), life, length=length, key=rollout_key)
        return task, (segment.timestep, segment.next_observation, segment.reward, segment.terminated, segment.truncated)

    keys = jax.random.split(jax.random.key(2), LIVED_TASKS)
    task, (before, following, reward, terminated, truncated) = jax.device_get(_plain(jax.jit(jax.vmap(live))(keys)))
    observation, first = before.observation, before.first
    for path, leaf in jax.tree_util.tree_leaves_with_path(task):
        if np.asarray(leaf).dtype.kind == "f" and np.isnan(leaf).any():
            raise ValueError(f"sample of {type(tasks).__name__} draws tasks in which {jax.tree_util.keystr(path)} is NaN")
    for what, values in (
        ("the observation of reset_env", np.where(first[..., None], observation, 0.0)),
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
    observed = np.concatenate([observation, following])
    space = tasks._observation_space
    if isinstance(space, Count) and not observed.any(-1).all():
        raise ValueError(
            f"{tasks._environment_name} observes a number outside of its observation space, Discrete({space.n}): only 0 to "
            f"{space.n - 1} can be told apart"
        )
    return {
        "observation": observed,
        "reward": reward,
        "episode": _episode_lengths(tasks, task, terminated[..., 0], truncated[..., 0]),
    }


def _episode_lengths(tasks: TaskDistribution, task: PyTree, terminated: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """Lengths of the episodes that ended [E]; raises ValueError where the clock of the state cut one before its limit."""
    limits = jax.vmap(tasks.time_limit)(task) if type(tasks.environment).is_truncated is Environment.is_truncated else None
    lengths = []
    for index in range(LIVED_TASKS):
        time = 0
        for ended, cut in zip(terminated[index], truncated[index], strict=True):
            time += 1
            if limits is not None and cut and time < min(limit := int(limits[index]), tasks.horizon):
                raise ValueError(
                    f"{tasks._environment_name} cut an episode after {time} steps, where its max_steps_in_episode is {limit}: "
                    "let the state's `time` be 0 in reset_env and one more in every step_env"
                )
            if ended or cut:
                lengths.append(time)
                time = 0
    return np.asarray(lengths)


def _plainly_annotated(kind: type) -> list[str]:
    """Names that a class annotates, but for those of class variables."""
    annotations = vars(kind).get("__annotations__", {})
    return [name for name, annotation in annotations.items() if "ClassVar" not in str(annotation)]


def _remarks(tasks: TaskDistribution, lived: dict[str, np.ndarray]) -> list[str]:
    remarks = []
    scale = float(np.abs(lived["observation"]).max())
    spread = float(lived["observation"].std((0, 1, 2)).max())
    size = f"as large as {scale:.3g}" if scale > 10.0 else f"so alike that none varies by more than {spread:.2g}"
    if scale > 10.0 or 0.0 < spread < LEAST_UNWARNED:
        remarks.append(
            f"observations are {size}: networks learn best from numbers of about 1; scale them, or train with "
            "--normalize-observations"
        )
    space = tasks._observation_space
    if isinstance(space, BoxShape) and space.low.size == tasks.observation_size:
        outside = (lived["observation"] < space.low.reshape(-1)) | (lived["observation"] > space.high.reshape(-1))
        if outside.any():
            value, place = lived["observation"][outside][0], np.argwhere(outside)[0][-1]
            low, high = space.low.reshape(-1)[place], space.high.reshape(-1)[place]
            remarks.append(
                f"the observation at position {place} was {value:.3g}, and the observation space says {low:g} to {high:g}; jmeta "
                "does not clip it"
            )
    if tasks.action_space == Discrete(1):
        remarks.append("there is only one action, so there is nothing to decide")
    if tasks.horizon > 1 and len(lived["episode"]) and (lived["episode"] == 1).all():
        remarks.append(
            f"every episode ended with its first step, and the horizon is {tasks.horizon}: if that is as it should be, set "
            "max_steps_in_episode=1; if not, look at what step_env returns as terminated"
        )
    declared = {name for kind in type(tasks).__mro__ if issubclass(kind, TaskDistribution) for name in _plainly_annotated(kind)}
    if forgotten := sorted(declared - {field.name for field in dataclasses.fields(tasks)}):
        remarks.append(
            f"{', '.join(forgotten)}: annotated, but no setting, since {type(tasks).__name__} is not decorated with "
            "@dataclasses.dataclass(frozen=True)"
        )
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
