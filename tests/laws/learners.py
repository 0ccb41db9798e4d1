"""Every learner there is, small: the laws are tested on all of them."""

from collections.abc import Callable

import jmeta
from jmeta.outer.base import OuterLearner
from jmeta.tasks import BernoulliBandit, PointNavigation, SparsePointNavigation

OUTER_LEARNERS: dict[str, Callable[[], OuterLearner]] = {
    "rl2-discrete": lambda: jmeta.algorithms.rl2(
        BernoulliBandit(num_arms=3, num_pulls=6), hidden_size=8, num_tasks=8, num_epochs=2, num_minibatches=2
    ),
    "rl2-continuous": lambda: jmeta.algorithms.rl2(
        SparsePointNavigation(horizon=4, episodes=2), hidden_size=8, num_tasks=8, num_epochs=2, num_minibatches=2
    ),
    "maml-continuous": lambda: jmeta.algorithms.maml(
        PointNavigation(horizon=6), widths=(8, 8), num_streams=6, num_tasks=4, num_inner_steps=2
    ),
    "maml-discrete": lambda: jmeta.algorithms.maml(
        BernoulliBandit(num_arms=3, num_pulls=6), widths=(8,), num_streams=6, num_tasks=4
    ),
    "maml-first-order": lambda: jmeta.algorithms.maml(
        PointNavigation(horizon=6), widths=(8,), num_streams=6, num_tasks=4, first_order=True
    ),
    "average": lambda: jmeta.algorithms.average(
        SparsePointNavigation(horizon=4, episodes=2), widths=(8,), num_tasks=8, num_epochs=2, num_minibatches=2
    ),
}
