"""Which laws are slow tests, of which learners."""

from collections.abc import Sequence

import pytest

from tests.laws.learners import COMMON, FIRST


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """All laws hold for a few common learners by default, those marked ``every_algorithm`` for a case of every algorithm."""
    for item in items:
        learner = getattr(item, "callspec", None) and item.callspec.params.get("outer")
        if learner is None or learner in COMMON:
            continue
        if learner not in FIRST or not item.get_closest_marker("every_algorithm"):
            item.add_marker(pytest.mark.slow)
