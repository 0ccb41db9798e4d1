"""The report on a sound task family, word by word."""

import dataclasses

from jmeta.testing.task_report import TaskReport
from jmeta.types import Discrete

REPORT = TaskReport(
    name="Corridors",
    observation_size=1,
    action_space=Discrete(2),
    horizon=8,
    lifetime_length=16,
    num_distinct={"train": 512, "held-out": 7},
    observation_range=(-1.0, 0.12345),
    reward_range=(0.0, 2500.0),
    remarks=("there is only one action", "a lifetime is one episode"),
)


def test_it_has_a_line_for_each_thing_and_for_each_remark() -> None:
    assert str(REPORT).splitlines() == [
        "Corridors: no mistake found",
        "  observations    1 numbers, from -1 to 0.123 under random actions",
        "  actions         Discrete(num_actions=2)",
        "  rewards         from 0 to 2.5e+03 under random actions",
        "  episodes        at most 8 steps, lifetimes of 16",
        "  different tasks 512 train, 7 held-out of 512 sampled",
        "  note: there is only one action",
        "  note: a lifetime is one episode",
    ]
    assert len(str(dataclasses.replace(REPORT, remarks=())).splitlines()) == 6
