"""What is attainable without meta-learning: exact optima, and hand-written learners to compare with."""

from jmeta.references.bandits import UCB1, EpsilonGreedy, Greedy, OptimisticThompsonSampling, ThompsonSampling
from jmeta.references.bernoulli_bandit import bayes_optimal_return
from jmeta.references.classical import Random
from jmeta.references.gittins import GittinsIndex, gittins_table

__all__ = [
    "UCB1",
    "EpsilonGreedy",
    "GittinsIndex",
    "Greedy",
    "OptimisticThompsonSampling",
    "Random",
    "ThompsonSampling",
    "bayes_optimal_return",
    "gittins_table",
]
