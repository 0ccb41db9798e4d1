"""Remarks about a task family: what is allowed, and worth knowing."""

import dataclasses

import jax
import numpy as np

from jmeta.cli.errors import is_message
from jmeta.cli.help import undescribed
from jmeta.observation_spaces import Numbers
from jmeta.outer.premises import LEAST_UNWARNED, pays_alike
from jmeta.tasks import TaskDistribution
from jmeta.tasks.actions import like_an_action
from jmeta.tasks.checks import check_described
from jmeta.tasks.environment import arrays_in
from jmeta.tasks.sampled_tasks import distinct, sampled_tasks
from jmeta.tasks.spaces import BoxShape, read_space
from jmeta.types import Continuous, Discrete, PyTree

LONG_LIFETIME = 10_000  # environment steps; no family of the literature lives longer


def _plainly_annotated(kind: type) -> list[str]:
    """Names that a class annotates, but for those of class variables."""
    annotations = vars(kind).get("__annotations__", {})
    return [name for name, annotation in annotations.items() if "ClassVar" not in str(annotation)]


def _left_out(tasks: TaskDistribution) -> dict[str, str]:
    """Returns what there is in the environment's info that evaluation does not report, by name."""
    environment = tasks._environment_checked
    left_out = {}

    def info_of(key: jax.Array, task: PyTree, action: jax.Array) -> dict[str, jax.Array]:
        _, state = environment.reset_env(key, task)
        info = environment.step_env(key, state, action, task)[-1]
        arrays = arrays_in(info)
        for path, leaf in jax.tree.leaves_with_path(info):
            if (name := jax.tree_util.keystr(path, simple=True, separator="/")) not in arrays:
                left_out[name] = f"is a {type(leaf).__name__}"
        return arrays

    action = like_an_action(environment, tasks.action_space, tasks._example)
    arrays = jax.eval_shape(info_of, jax.random.key(0), tasks._example, action)
    return left_out | {name: f"has shape {array.shape}" for name, array in arrays.items() if array.size != 1}


def remarks_on(tasks: TaskDistribution, lived: dict[str, np.ndarray]) -> list[str]:
    """Returns the remarks about a family, given what ``check_lives`` returned."""
    remarks = []
    scale = float(np.abs(lived["observation"]).max())
    spread = float(lived["observation"].std((0, 1, 2)).max())
    size = f"as large as {scale:.3g}" if scale > 10.0 else f"so alike that none varies by more than {spread:.2g}"
    if scale > 10.0 or 0.0 < spread < LEAST_UNWARNED:
        remarks.append(
            f"observations are {size}: networks learn best from numbers of about 1; scale them, or train with "
            "--normalize-observations"
        )
    space = read_space(tasks._environment_checked.observation_space(tasks._example))
    if isinstance(space, BoxShape) and tasks.observation_space == Numbers(space.low.size):
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
    if isinstance(tasks.action_space, Continuous) and np.isinf(np.hstack(tasks.action_space[1:])).any():
        remarks.append(
            "the action space has no bounds on some axis: there, actions are neither scaled nor clipped, and a new policy's are "
            "of about 1; give the Box the limits that the environment has"
        )
    if tasks.lifetime_length > LONG_LIFETIME:
        remarks.append(
            f"a lifetime has {tasks.lifetime_length} steps, and training records each of them for every task: give "
            "--lifetime-length, or a smaller max_steps_in_episode"
        )
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
    for name, what in _left_out(tasks).items():
        remarks.append(
            f"info[{name!r}] of {tasks._environment_name} {what}: evaluation reports single numbers and leaves it "
            "out; put the numbers that it shall report under a name each"
        )
    if places := undescribed(type(tasks)):
        remarks.append(f"no description of {', '.join(f'{name}: add it {place}' for name, place in places.items())}")
    if distinct(sampled_tasks(tasks)) == 1:
        remarks.append("all tasks are the same, so there is nothing to adapt to")
    else:
        try:
            check_described(tasks)
        except ValueError as error:
            if not is_message(error):
                raise
            remarks.append(str(error))
    if pays_alike(lived["reward"]) and len(lived["episode"]) and lived["episode"].min() < tasks.horizon:
        remarks.append(
            f"every step pays {lived['reward'].flat[0]:g}, and episodes end before the horizon: the return of a lifetime, a "
            "fixed number of steps, is the same whatever an agent does; train with --credit-span episode, or with maml"
        )
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
