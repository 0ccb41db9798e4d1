"""Checks that an agent can observe and act in Gymnasium's spaces."""

from typing import Any

import numpy as np
from gymnasium import spaces

from jmeta.agent import Agent


def check_spaces(agent: Agent, observation_space: Any, action_space: Any) -> None:
    """Raises ValueError unless an agent can observe and act in Gymnasium's spaces, of one environment."""
    size, actions = agent.observations.size, agent.actions
    found = spaces.flatdim(observation_space)
    if found != size:
        raise ValueError(f"observations are {observation_space}, {found} number(s), and those of the training tasks are {size}")
    is_discrete = isinstance(action_space, spaces.Discrete)
    if is_discrete and action_space.start != 0:
        raise ValueError(f"actions are {action_space}, and the agent's begin at 0: use a wrapper that adds {action_space.start}")
    count = int(action_space.n) if is_discrete else None
    shape = () if is_discrete else action_space.shape
    if (count, shape) != (actions.num_actions, actions.shape):
        trained = f"one of {actions.num_actions}" if actions.num_actions is not None else f"of shape {actions.shape}"
        raise ValueError(f"actions are {action_space}, and those of the training tasks are {trained}")
    if is_discrete:
        return
    bounds = [np.broadcast_to(np.asarray(side, np.float32), shape).reshape(-1) for side in (action_space.low, action_space.high)]
    if not np.allclose(bounds, [actions.low, actions.high]):
        raise ValueError(
            f"actions are {action_space}, and the agent acts from {list(actions.low)} to {list(actions.high)}: make the agent "
            "with action_bounds=(low, high) of the environment"
        )
