"""The README's Python runs as printed, and does what it says."""

import re
from pathlib import Path
from typing import Any

import jax
import pytest

import jmeta
from jmeta.testing import laws

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_the_quick_start_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(BLOCKS[0], names)
    assert names["result"].episode_returns.shape == (1000, 10)
    assert "(1000, 10)" in capsys.readouterr().out


def test_an_agent_of_the_zoo_acts() -> None:
    names: dict[str, Any] = {"jmeta": jmeta}
    exec(BLOCKS[1], names)
    assert names["action"] in range(5)


@pytest.mark.slow
def test_a_task_of_ones_own_in_forty_lines_is_learned() -> None:
    assert len([line for line in BLOCKS[2].splitlines() if line.strip()]) <= 40
    names: dict[str, Any] = {"__name__": "readme"}
    exec(BLOCKS[2], names)
    exec(BLOCKS[3], names)
    later = names["later"]
    assert abs(names["first_episode"]) < 0.15  # an end picked blind pays nothing on average
    assert len(later) == 3
    assert min(later) > 0.4  # of .5, the mean of |prize|


@pytest.mark.parametrize(
    ("factor", "offset"),
    [pytest.param(1.0, 500.0, marks=pytest.mark.learning), pytest.param(1000.0, 500.0, marks=pytest.mark.slow)],
)
def test_the_same_task_in_other_units_is_learned_with_normalised_observations(factor: float, offset: float) -> None:
    """Without it later episodes earn 0.005 and 0.007, chance, where the task in units of one earns 0.495."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(BLOCKS[2], names)

    class Far(names["Corridors"]):  # type: ignore[misc]
        def reset(self, task: Any, key: jax.Array) -> Any:
            observation, state = super().reset(task, key)
            return observation * factor + offset, state

        def step(self, task: Any, state: Any, action: jax.Array, key: jax.Array) -> Any:
            after = super().step(task, state, action, key)
            return after._replace(observation=after.observation * factor + offset)

    names["Corridors"] = Far
    block = BLOCKS[3].replace("lifetime_length=32,", "lifetime_length=32, normalize_observations=True,")
    assert block != BLOCKS[3]
    exec(block, names)
    assert min(names["later"]) > 0.45


def test_an_algorithm_of_ones_own_is_built() -> None:
    names: dict[str, Any] = {}
    exec(BLOCKS[4], names)
    outer = names["small_rl2"](jmeta.tasks.BernoulliBandit(num_pulls=2), units=4)
    assert isinstance(outer, jmeta.OuterLearner)
    assert "small_rl2" in README.split(BLOCKS[4])[1]  # by the name that the text has


def test_an_algorithm_with_the_settings_of_another_is_built() -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(BLOCKS[5], names)
    outer = names["curious_rl2"](jmeta.tasks.BernoulliBandit(num_pulls=2), bonus=0.25, hidden_size=4)
    assert (outer.entropy_coefficient, outer.num_tasks) == (0.25, 256)
    with pytest.raises(ValueError, match=r"bonus=-1: give a number of at least 0, such as 0\.05"):
        names["curious_rl2"](jmeta.tasks.BernoulliBandit(), bonus=-1)
    assert "  bonus: weight of the policy's entropy" in names["curious_rl2"].__doc__


@pytest.mark.slow
def test_its_laws_are_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_module.py").write_text(BLOCKS[4])
    monkeypatch.syspath_prepend(tmp_path)
    tested: list[str] = []
    monkeypatch.setattr(laws, "LAWS", [lambda case: tested.append(type(case.outer).__name__), laws.unroll_equals_a_scan_of_act])
    names: dict[str, Any] = {}
    exec(BLOCKS[6], names)
    names["test_small_rl2"]()
    assert tested == ["PPO"]
