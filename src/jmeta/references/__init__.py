"""Reference scores for comparison: exact optima and hand-written learners."""

from jmeta.references.bandits import UCB1, EpsilonGreedy, Greedy, OptimisticThompsonSampling, ThompsonSampling
from jmeta.references.bernoulli_bandit import bayes_optimal_return
from jmeta.references.classical import Random
from jmeta.references.gittins import GittinsIndex, gittins_table
from jmeta.references.grid_navigation import BayesOptimalGridNavi
from jmeta.references.tabular import BEB, OPSRL, PSRL, UCRL2, ReplanningIndex

__all__ = [
    "BEB",
    "OPSRL",
    "PSRL",
    "UCB1",
    "UCRL2",
    "BayesOptimalGridNavi",
    "EpsilonGreedy",
    "GittinsIndex",
    "Greedy",
    "OptimisticThompsonSampling",
    "Random",
    "ReplanningIndex",
    "ThompsonSampling",
    "bayes_optimal_return",
    "gittins_table",
]
