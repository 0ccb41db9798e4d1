"""Which laws are slow tests, of which learners."""

from collections.abc import Sequence

import pytest

from tests.laws.learners import COMMON


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """The laws are tested on a few common learners by default, and on all others by slow tests."""
    for item in items:
        learner = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if learner is not None and learner not in COMMON:
            item.add_marker(pytest.mark.slow)
