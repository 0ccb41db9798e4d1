"""Checks of learners and task families of your own.

``check_tasks`` looks for mistakes in a task family, and ``check_learner`` tests the laws of ``jmeta.testing.laws`` on a learner.
In pytest, one test for each law says which one is broken:

    from jmeta.testing import LAWS, LearnerCase

    CASE = LearnerCase(lambda: my_algorithm(jmeta.tasks.BernoulliBandit(num_arms=3, num_pulls=6), num_tasks=4))

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
    def test_my_algorithm(law): law(CASE)
"""

from jmeta.testing.cases import LearnerCase
from jmeta.testing.laws import LAWS, check_learner
from jmeta.testing.task_report import TaskReport
from jmeta.testing.tasks import check_tasks

__all__ = ["LAWS", "LearnerCase", "TaskReport", "check_learner", "check_tasks"]
