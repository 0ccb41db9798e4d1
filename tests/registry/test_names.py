"""Names that may have been meant: by what other libraries call a thing, by spelling, and by a word in them."""

import pytest

from jmeta.algorithms import ALGORITHMS
from jmeta.registry.names import OTHER_NAMES, close_names, nearest
from jmeta.registry.signatures import settings

BANDITS = ["bernoulli-bandit", "dependent-bandit", "two-task-bandit", "cart-pole", "grid-navi"]


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("ppo", ["rl2", "maml", "average"], ["average", "rl2"]),  # what others call it
        ("lr", ["learning_rate", "discount"], ["learning_rate"]),
        ("lr", ["discount"], []),  # its name in jmeta is not among those
        ("bernuli-bandit", BANDITS, ["bernoulli-bandit"]),  # almost the same spelling
        ("Cart_Pole", BANDITS, ["cart-pole"]),
        ("bandit", BANDITS, ["bernoulli-bandit", "dependent-bandit", "two-task-bandit"]),  # the names that have the word
        ("navi", BANDITS, ["grid-navi"]),
        ("xyz", BANDITS, []),
    ],
)
def test_close_names(name: str, names: list[str], expected: list[str]) -> None:
    assert close_names(name, names) == expected


def test_a_message_asks_and_lists_all_names_in_order() -> None:
    assert nearest("rl3", ["rl2", "maml"]) == "did you mean 'rl2'? There are: maml, rl2"
    assert nearest("ppo", ["rl2", "average"]) == "did you mean 'average' or 'rl2'? There are: average, rl2"
    assert nearest("xyz", ["rl2", "maml"]) == "there are: maml, rl2"


def test_other_names_stand_for_names_that_there_are() -> None:
    """They are algorithms, settings of algorithms, or options of a run; and no algorithm has another's name."""
    known = {setting.replace("_", "-") for algorithm in ALGORITHMS.values() for setting in settings(algorithm)}
    known |= {*ALGORITHMS, "num-steps", "out"}
    assert {name for meant in OTHER_NAMES.values() for name in meant} <= known
    assert not OTHER_NAMES.keys() & ALGORITHMS.keys()
