"""The laws of ``jmeta.testing``, on every learner there is; an operation on arrays of different ranks is an error in them."""

from collections.abc import Iterator

import jax
import pytest

from jmeta.algorithms import ALGORITHMS
from jmeta.testing import LAWS, LearnerCase
from jmeta.testing.laws import Law
from tests.laws.learners import LEARNERS, OUTER_LEARNERS


@pytest.fixture(autouse=True)
def no_rank_promotion() -> Iterator[None]:
    """An axis that is broadcast without being written down is a common way to a wrong mean."""
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="module", params=OUTER_LEARNERS)
def case(request: pytest.FixtureRequest) -> LearnerCase:
    return LearnerCase(OUTER_LEARNERS[request.param])


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(case: LearnerCase, law: Law) -> None:
    law(case)


def test_every_algorithm_is_here() -> None:
    missing = sorted(set(ALGORITHMS) - set(LEARNERS))
    assert not missing, f"{missing}: add a case to LEARNERS in tests/laws/learners.py, small tasks and settings"
    assert set(LEARNERS) == set(ALGORITHMS), "LEARNERS names an algorithm that is not registered"
    assert all(LEARNERS.values())
