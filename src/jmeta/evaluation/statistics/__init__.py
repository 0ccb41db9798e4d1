"""Statistics of scores over seeds and tasks (Agarwal et al. 2021, arXiv 2108.13264): point estimates and their 95 % intervals.

Scores are arrays [S, N]: S trainings from different seeds, each scored on the same N tasks. Seeds are a sample of
training outcomes and tasks are a sample of p(task), so both are resampled, independently of each other, as Owen (2007, "The
pigeonhole bootstrap") does for crossed random effects. For a fixed list of tasks, such as the benchmarks of a suite, use
``stratified_interval``, which is the method of Agarwal et al.

All functions are pure. The random numbers of intervals come from ``seed``, so the same scores give the same interval.
"""

from jmeta.evaluation.statistics.adaptation import (
    adaptation_length,
    final_performance,
    zero_shot,
)
from jmeta.evaluation.statistics.intervals import (
    Estimate,
    Statistic,
    interval,
    mean_interval,
    paired_difference,
    stratified_interval,
)
from jmeta.evaluation.statistics.point_estimates import (
    interquartile_mean,
    normalised,
    performance_profile,
    probability_of_improvement,
    regressions,
    regret,
    worst_tasks,
)

__all__ = [
    "Estimate",
    "Statistic",
    "adaptation_length",
    "final_performance",
    "interquartile_mean",
    "interval",
    "mean_interval",
    "normalised",
    "paired_difference",
    "performance_profile",
    "probability_of_improvement",
    "regressions",
    "regret",
    "stratified_interval",
    "worst_tasks",
    "zero_shot",
]
