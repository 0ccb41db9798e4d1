"""Checks that an agent can observe and act in Gymnasium's spaces."""

from typing import Any

import numpy as np

from jmeta.agent import Agent
from jmeta.tasks.spaces import BoxShape, Count, Counts, read_observation_space, read_space


def check_spaces(agent: Agent, observation_space: Any, action_space: Any) -> None:
    """Raises ValueError unless an agent can observe and act in Gymnasium's spaces, of one environment."""
    trained, actions = agent.observations.space, agent.actions
    found = read_observation_space(observation_space)
    are_numbers = not any(leaf.counts for leaf in found.leaves())
    if found.size != trained.size:
        raise ValueError(
            f"observations are {observation_space}, {found.size} number(s), and those of the training tasks are {trained.size}"
        )
    if found != trained and not are_numbers:
        raise ValueError(f"observations are {observation_space}, and those of the training tasks are {trained}")
    start = np.asarray(getattr(action_space, "start", 0))
    if start.any():
        raise ValueError(
            f"actions are {action_space}, and the agent's begin at 0: use a wrapper that adds {start.tolist()} to them"
        )
    space = read_space(action_space)
    count, counts = (space.n if isinstance(space, Count) else None), (space.flat if isinstance(space, Counts) else ())
    shape = tuple(action_space.shape or ())
    if space is None or (count, counts, shape) != (actions.num_actions, actions.counts, actions.shape):
        several = f"{actions.counts} values, of shape {actions.shape}" if actions.counts else f"of shape {actions.shape}"
        wanted = f"one of {actions.num_actions}" if actions.num_actions is not None else several
        raise ValueError(f"actions are {action_space}, and those of the training tasks are {wanted}")
    if not isinstance(space, BoxShape):
        return
    bounds = [side.reshape(-1) for side in space]
    if not np.allclose(bounds, [actions.low, actions.high]):
        raise ValueError(
            f"actions are {action_space}, and the agent acts from {list(actions.low)} to {list(actions.high)}: make the agent "
            "with action_bounds=(low, high) of the environment"
        )
