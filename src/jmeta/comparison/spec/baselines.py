"""Hand-written learners by name, which need no training."""

from collections.abc import Callable
from typing import Any

from jmeta import references
from jmeta.inner.base import InnerLearner
from jmeta.tasks import TaskDistribution

BASELINES: dict[str, Callable[..., InnerLearner]] = {
    "bayes-optimal-grid-navi": references.BayesOptimalGridNavi,
    "beb": references.BEB,
    "epsilon-greedy": references.EpsilonGreedy,
    "gittins-index": references.GittinsIndex.create,
    "greedy": references.Greedy,
    "opsrl": references.OPSRL,
    "optimistic-thompson-sampling": references.OptimisticThompsonSampling,
    "psrl": references.PSRL,
    "random": references.Random,
    "replanning-index": references.ReplanningIndex,
    "thompson-sampling": references.ThompsonSampling,
    "ucb1": references.UCB1,
    "ucrl2": references.UCRL2,
}
"""Hand-written learners, which need no training."""

READ_OFF: dict[str, Callable[[TaskDistribution], Any]] = {
    "observation_size": lambda tasks: tasks.observation_size,
    "action_space": lambda tasks: tasks.action_space,
    "horizon": lambda tasks: tasks.horizon,
    "num_pulls": lambda tasks: tasks.lifetime_length,
    "num_episodes": lambda tasks: tasks.lifetime_length // tasks.horizon,
}
"""Settings of hand-written learners that are read off the task. The first two can't be given; the others are optional."""
