"""Premises of a training that a few lives with random actions can refute: the scale of observations, rewards that can teach."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.outer.base import OuterLearner
from jmeta.outer.normalised import Normalising
from jmeta.outer.random_lives import NUM_SAMPLED, live_randomly
from jmeta.tasks.base import TaskDistribution

MOST_SAMPLED = 100
"""Maximum number of steps in each task that ``check_premises`` takes."""
LARGEST_UNWARNED, LEAST_UNWARNED = 100.0, 0.02
"""Warning thresholds: of the largest observation, and of the largest standard deviation of a feature."""


def pays_alike(reward: np.ndarray) -> bool:
    """Returns whether all rewards are one number that is not 0."""
    return bool(reward.min() == reward.max() != 0.0)


def check_premises(outer: OuterLearner) -> None:
    """Warns if observations are far from unit scale and not normalised, or if no lifetime can earn more than another.

    Networks are initialised for inputs of about unit scale: larger ones saturate hidden units, and smaller ones hardly change
    them. A feature may be much smaller than others, as velocities beside positions, so only the largest is checked for that.

    A lifetime is a fixed number of environment steps. If every step pays the same and only the ends of episodes tell good from
    bad, as in CartPole, all lifetimes have the same return, and a learner that credits across episodes learns nothing.
    """
    tasks, name = outer.tasks, type(outer.tasks).__name__
    largest, std, reward, failed = jax.device_get(_sampled(tasks, min(outer.protocol.segment_length, MOST_SAMPLED)))
    is_far = largest > LARGEST_UNWARNED or 0.0 < std < LEAST_UNWARNED
    if is_far and not (isinstance(outer, Normalising) and outer.observations):
        found = f"reach {largest:.4g}" if largest > LARGEST_UNWARNED else f"vary by {std:.2g} at most"
        warnings.warn(
            f"observations of {name} {found}, which is far from the unit scale that networks are made for: "
            "use normalize_observations=True (--normalize-observations), or scale them in the environment",
            UserWarning,
            stacklevel=3,
        )
    if outer.credits_across_episodes and failed and pays_alike(reward):
        warnings.warn(
            f"every step of {name} pays {reward.flat[0]:g}, also where an episode fails, so all lifetimes of "
            f"{outer.protocol.num_env_steps} steps have the same return and nothing can be learned from it: use "
            'credit_span="episode" (--credit-span episode) where the algorithm has it, or an algorithm such as maml',
            UserWarning,
            stacklevel=3,
        )


@partial(jax.jit, static_argnames=("tasks", "length"))
def _sampled(tasks: TaskDistribution, length: int) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Returns the largest observation, the largest standard deviation of a feature, rewards, and whether an episode failed."""
    segments = live_randomly(tasks, length, NUM_SAMPLED, jax.random.key(0)).segments
    observation = segments.timestep.observation
    std = observation.std(tuple(range(observation.ndim - 1))).max()
    return jnp.abs(observation).max(), std, segments.reward, segments.terminated.any()
