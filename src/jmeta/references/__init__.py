"""Reference scores for comparison: exact optima and hand-written learners."""

from jmeta.references.bandits import UCB1, EpsilonGreedy, Greedy
from jmeta.references.bernoulli_bandit import bayes_optimal_return
from jmeta.references.classical import Random
from jmeta.references.gittins import GittinsIndex, gittins_table
from jmeta.references.grid_navigation_agent import BayesOptimalGridNavi
from jmeta.references.optimism import BEB, UCRL2, ReplanningIndex
from jmeta.references.posterior_sampling import OPSRL, PSRL
from jmeta.references.thompson_sampling import OptimisticThompsonSampling, ThompsonSampling

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
