"""Lifetimes of an inner learner in one task: rollouts and differentiable replays.

``live`` rolls out an inner learner, adapts it between segments and records the steps; no gradient flows.
``replay`` runs it again on the record under a *differentiable* theta. MAML's meta-gradient and RL²'s backpropagation through
time are both the derivative of a replay.

Every function takes one task; callers ``vmap`` over tasks.
"""

from jmeta.lifetime.keys import LifetimeKeys, TaskKeys
from jmeta.lifetime.lives import Lived, live, live_in, live_in_new_task
from jmeta.lifetime.replays import replay
from jmeta.lifetime.rollouts import most_likely, new_episodes, rollout, start
from jmeta.lifetime.streams import over_streams

__all__ = [
    "LifetimeKeys",
    "Lived",
    "TaskKeys",
    "live",
    "live_in",
    "live_in_new_task",
    "most_likely",
    "new_episodes",
    "over_streams",
    "replay",
    "rollout",
    "start",
]
