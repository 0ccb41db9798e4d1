"""What a type checker says of a program that uses jmeta."""

import pytest
from mypy import api

RIGHT = """
from typing import assert_type

import jmeta

tasks = jmeta.tasks.PointNavigation()
assert_type(jmeta.algorithms.anil(tasks, widths=(8,)), jmeta.outer.PPO)
assert_type(jmeta.algorithms.maml_trpo(tasks, max_kl=0.1), jmeta.outer.TrustRegion)
assert_type(jmeta.algorithms.pearl(tasks), jmeta.outer.OffPolicy)
"""
WRONG = {
    "jmeta.algorithms.anil(tasks, wdths=(8,))": 'Unexpected keyword argument "wdths" for "anil"',
    "jmeta.algorithms.fomaml(tasks, first_order=True)": 'Unexpected keyword argument "first_order" for "fomaml"',
    "jmeta.algorithms.rl2(tasks, core='gur')": 'Argument "core" to "rl2" has incompatible type',
    "jmeta.algorithms.pearl(tasks, num_tasks='many')": 'Argument "num_tasks" to "pearl" has incompatible type "str"',
}


@pytest.mark.slow
def test_an_algorithm_takes_its_settings_and_returns_its_own_class(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(RIGHT + "\n".join(WRONG) + "\n")
    report, errors, _ = api.run([str(program), "--strict", "--cache-dir", str(tmp_path / "cache")])
    assert not errors
    found = [line for line in report.splitlines() if ": error: " in line]
    assert len(found) == len(WRONG), report
    for line, says in zip(found, WRONG.values(), strict=True):
        assert says in line
