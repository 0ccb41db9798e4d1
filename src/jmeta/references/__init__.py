"""What is attainable without meta-learning: exact optima, and hand-written learners to compare with."""

from jmeta.references.bernoulli_bandit import bayes_optimal_return
from jmeta.references.classical import UCB1, Greedy, Random, ThompsonSampling

__all__ = ["UCB1", "Greedy", "Random", "ThompsonSampling", "bayes_optimal_return"]
