"""``jmeta compare``: specifications as they are meant to be, as they are not, and one from end to end."""

import dataclasses
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jax
import pytest

import jmeta as package
from jmeta.cli import compare as cli
from jmeta.comparison import BASELINES, SPECS, Budget, Variants, find_spec, parse_cell, parse_spec, read_spec, run
from jmeta.types import Protocol

FIRST = SPECS / "first.toml"
USAGE, FAILURE = 2, 1

SPEC = """
name = "test"
seeds = 2
env_steps = 96
num_test_tasks = 20

[tasks.bandit]
task = "bernoulli-bandit"
num_arms = 2
num_pulls = 3

[algorithms.rl2]
algorithm = "rl2"
hidden_size = 4
num_tasks = 16
num_epochs = 1
num_minibatches = 2
"""


def theta_sizes(learner: Any) -> set[int]:
    return {size for leaf in jax.tree.leaves(jax.eval_shape(learner.init, jax.random.key(0)).theta) for size in leaf.shape}


def spec(*changes: str, base: str = SPEC) -> dict[str, Any]:
    """SPEC with "table.key = value" or "key = value" set, and "-key" or "-table.key" left out."""
    made = tomllib.loads(base)
    for change in changes:
        path, _, value = change.removeprefix("-").partition("=")
        *tables, key = path.strip().split(".")
        where = made
        for table in tables:
            where = where.setdefault(table, {})
        if change.startswith("-"):
            del where[key]
        else:
            where[key] = tomllib.loads(f"value = {value}")["value"]
    return made


# As it is meant to be


def test_the_first_spec_is_sound():
    """Every learner of first.toml is built, and none is trained."""
    comparison = read_spec(FIRST)
    assert (comparison.num_seeds, comparison.budget, comparison.num_test_tasks) == (3, Budget(env_steps=1_000_000), 1000)
    cells = {(cell.algorithm, cell.task): cell for cell in comparison.cells}
    learned = {(name, task) for name in ("rl2", "oracle", "random") for task in ("bandit", "semicircle")}
    assert set(cells) == learned | {("ucb1", "bandit")}
    rl2 = cells["rl2", "bandit"]
    assert list(rl2.variants) == ["learning_rate=0.001", "learning_rate=0.003"]
    assert [learner.learning_rate for learner in rl2.variants.values()] == [1e-3, 3e-3]
    assert rl2.learner.tasks == package.tasks.BernoulliBandit(num_arms=5, num_pulls=10)
    assert cells["ucb1", "bandit"].learner.inner.exploration == 0.02
    assert cells["random", "semicircle"].protocol == Protocol(1, 120, 1)
    assert cells["oracle", "bandit"].kind == "oracle"


def test_random_is_always_there():
    assert [cell.algorithm for cell in parse_spec(spec()).cells] == ["rl2", "random"]
    named = parse_spec(spec('algorithms.dice.algorithm = "random"'))
    assert [cell.algorithm for cell in named.cells] == ["rl2", "dice"]


def test_several_lists_make_a_grid():
    rl2, _ = parse_spec(spec("algorithms.rl2.learning_rate = [1e-3, 1e-2]", "algorithms.rl2.gae_lambda = [0, 0.5, 1]")).cells
    assert list(rl2.variants)[:4] == [
        *("learning_rate=0.001, gae_lambda=0", "learning_rate=0.001, gae_lambda=0.5", "learning_rate=0.001, gae_lambda=1"),
        "learning_rate=0.01, gae_lambda=0",
    ]
    assert [learner.credit.gae_lambda for learner in rl2.variants.values()] == [0, 0.5, 1] * 2
    assert sorted(x.shape for x in Variants.of(rl2.variants).varying.values()) == [(6,), (6,)]


def test_lists_that_are_one_setting_stay_one():
    changes = ('algorithms.maml.algorithm = "maml"', "algorithms.maml.widths = [8, 4]", "algorithms.maml.inner_rates = [0.1]")
    maml = parse_spec(spec(*changes)).cells[1]
    assert list(maml.variants) == [""]
    weights = jax.eval_shape(maml.learner.inner.init, jax.random.key(0))
    assert {leaf.shape for leaf in jax.tree.leaves(weights)} >= {(8,), (4,), (8, 4)}


def test_a_table_may_be_pairs():
    """Ranges of physics, as one would write them."""
    changes = ("-tasks.bandit", 'tasks.pole.task = "gymnax"', "tasks.pole.ranges = {length = [0.3, 0.8], masspole = [1, 2]}")
    assert parse_spec(spec(*changes)).cells[0].learner.tasks == package.tasks.GymnaxTasks(
        ranges={"length": (0.3, 0.8), "masspole": (1.0, 2.0)}
    )


def test_other_keys():
    comparison = parse_spec(
        spec(
            "-env_steps",
            "wall_clock_seconds = 1.5",
            "seed = 7",
            'reference = "rl2"',
            'algorithms.rl2.tasks = ["bandit"]',
            "algorithms.rl2.evaluation = {num_segments = 3, segment_length = 6}",
            'tasks.other.task = "bernoulli-bandit"',
        )
    )
    assert (comparison.budget, comparison.seed, comparison.reference) == (Budget(wall_clock_seconds=1.5), 7, "rl2")
    assert [cell.name for cell in comparison.cells] == ["rl2 on bandit", "random on bandit", "random on other"]
    assert comparison.cells[0].protocol == Protocol(3, 6, 1)


def test_keys_of_published_tables():
    """With outer steps for each algorithm that trains, no budget is needed."""
    comparison = parse_spec(
        spec(
            "-env_steps",
            'tasks.bandit.split = "train"',
            "algorithms.rl2.outer_steps = 0",
            'algorithms.rl2.published = {"RL²" = "6.70"}',
            'algorithms.ucb1.algorithm = "ucb1"',
        )
    )
    rl2, ucb1, random = comparison.cells
    assert (rl2.outer_steps, rl2.published, rl2.split) == (0, {"RL²": "6.70"}, "train")
    assert comparison.budget is None
    assert comparison.budget_of(rl2) == Budget(outer_steps=0)
    assert (ucb1.outer_steps, ucb1.published, random.split) == (None, {}, "train")


def test_a_policy_that_is_adapted_in_evaluation():
    """The protocol of evaluation is that of the agent that adapts, unless the spec says otherwise."""
    changes = (
        "-tasks.bandit",
        'tasks.point.task = "point-navigation"',
        "-algorithms.rl2",
        'algorithms.average.algorithm = "average"',
    )
    more = ("algorithms.average.widths = [100, 100]", 'algorithms.average.adapted_by = "maml"')
    usual = parse_spec(spec(*changes, *more)).cells[0]
    assert usual.protocol == package.algorithms.maml(package.tasks.PointNavigation()).protocol
    longer = parse_spec(spec(*changes, *more, "algorithms.average.evaluation = {num_segments = 4, num_streams = 40}")).cells[0]
    assert longer.protocol == Protocol(4, 100, 40)
    assert type(longer.adapter.inner).__name__ == "MAML"


TASKS_OF = {
    "bayes-optimal-grid-navi": ("grid-navi", {}),
    **dict.fromkeys(("beb", "opsrl", "psrl", "replanning-index", "ucrl2"), ("tabular-mdp", {"horizon": 4, "num_episodes": 3})),
}


@pytest.mark.parametrize("name", BASELINES)
def test_baselines(name):
    """Each is built for its task, with what follows from the task."""
    task, fields = TASKS_OF.get(name, ("bernoulli-bandit", {"num_pulls": 3}))
    made = spec(f'algorithms.{name}.algorithm = "{name}"', "-algorithms.rl2") | {"tasks": {"task": {"task": task} | fields}}
    cell = parse_spec(made).cells[0]
    inner, tasks = cell.learner.inner, cell.learner.tasks
    assert (cell.kind, cell.protocol) == (name, Protocol(1, tasks.lifetime_length, 1))
    assert (inner.observation_size, inner.action_space) == (tasks.observation_size, tasks.action_space)
    for field, value in (("horizon", tasks.horizon), ("num_pulls", 3), ("num_episodes", 3)):
        assert getattr(inner, field, value) == value


def test_variants_of_baselines():
    changes = ('algorithms.ucb1.algorithm = "ucb1"', "algorithms.ucb1.exploration = [0.1, 0.3]", "algorithms.ucb1.prior = 1")
    cell = parse_spec(spec(*changes)).cells[1]
    assert [(label, learner.inner.exploration, learner.inner.prior) for label, learner in cell.variants.items()] == [
        ("exploration=0.1", 0.1, 1),
        ("exploration=0.3", 0.3, 1),
    ]


# As it is not


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["-name"], 'name is missing: give name = "first comparison"'),
        (["-seeds"], "seeds is missing: give seeds = 5"),
        (["-env_steps"], "neither env_steps nor wall_clock_seconds is given: give one of them"),
        (["-env_steps", 'tasks.bandit.split = "train"'], "or outer_steps for each algorithm that trains, such as rl2"),
        (["algorithms.rl2.outer_steps = -1"], "[algorithms.rl2]: outer_steps=-1: give a whole number of at least 0"),
        (["algorithms.rl2.outer_steps = 1.5"], "[algorithms.rl2]: outer_steps=1.5 is not a whole number"),
        (['algorithms.random = {algorithm = "random", outer_steps = 3}'], "[algorithms.random]: random is written by hand"),
        (['tasks.bandit.split = "test"'], "[tasks.bandit]: split='test': choose from train, validation, held-out, ood"),
        (["experience = [10, 0]"], "experience=[10, 0]: give numbers of environment steps in growing order"),
        (["experience = [-1, 10]"], "experience=[-1, 10]: give at least 0 environment steps"),
        (["experience = 10"], "experience=10 is not a list of"),
        (['tasks.bandit.split = "ood"'], "BernoulliBandit has no out-of-distribution tasks: evaluate on the held-out split"),
        (
            ["algorithms.rl2.published = {Duan = 6.7}"],
            "[algorithms.rl2]: published.Duan=6.7: give scores by whose they are, in quotes",
        ),
        (['algorithms.rl2.published = "6.7"'], "[algorithms.rl2]: published='6.7': give scores by whose they are, in quotes"),
        (['algorithms.rl2.adapted_by = "mamel"'], "no algorithm is called 'mamel'; did you mean 'maml'?"),
        (['algorithms.rl2.adapted_by = "rl2"'], "adapted_by: RL2 does not adapt weights by gradient steps"),
        (["algorithms.rl2.evaluation = 3"], "[algorithms.rl2]: evaluation=3 is not a table"),
        (['algorithms.rl2.tasks = "bandit"'], "[algorithms.rl2]: tasks='bandit' is not a list of strings"),
        (["tasks = 3"], "tasks=3 is not a table"),
        (['algorithms.rl2.algorithm = "ucb"'], "or a hand-written learner: did you mean 'ucb1'?"),
        (["wall_clock_seconds = 3"], "both env_steps and wall_clock_seconds are given"),
        (["env_steps = 0"], "env_steps=0: a budget must be positive"),
        (["env_steps = 1.5"], "env_steps=1.5 is not a whole number"),
        (["seeds = 0"], "seeds=0: it must be at least 1"),
        (["seeds = true"], "seeds=True is not a whole number"),
        (['seeds = "3"'], "seeds='3' is not a whole number"),
        (["num_test_tasks = 0"], "num_test_tasks=0: it must be at least 1"),
        (["num_test_task = 10"], "no setting is called 'num_test_task'; did you mean 'num_test_tasks'?"),
        (["-tasks"], 'tasks is missing: give [tasks.bandit] with task = "bernoulli-bandit"'),
        (["tasks = {}"], "there are no tasks: give at least one table"),
        (["algorithms = {}"], "there are no algorithms: give at least one table"),
        (["tasks.bandit = 3"], "tasks.bandit=3 is not a table: write [tasks.bandit] on a line of its own"),
        (['tasks.a/b.task = "bernoulli-bandit"'], "'a/b' becomes a file name: use letters, digits"),
        (["-tasks.bandit.task"], "[tasks.bandit]: task is missing: give task = ... with one of "),
        (["tasks.bandit.task = 3"], "[tasks.bandit]: task=3 is not a name"),
        (['tasks.bandit.task = "bernuli-bandit"'], "no task is called 'bernuli-bandit'; did you mean 'bernoulli-bandit'?"),
        (["tasks.bandit.num_arm = 3"], "[tasks.bandit]: no setting is called 'num_arm'; did you mean 'num_arms'?"),
        (['tasks.bandit.num_arms = "two"'], "[tasks.bandit]: num_arms='two' is not a whole number"),
        (['tasks.pole.task = "gymnax"', "tasks.pole.ranges = {length = 3}"], "[tasks.pole]: ranges={'length': 3} is not of type"),
        (["tasks.bandit.num_arms = 1"], "[tasks.bandit]: num_arms=1: a bandit needs at least 2 arms"),
        (["-algorithms.rl2.algorithm"], "[algorithms.rl2]: algorithm is missing: give algorithm = ... with one of anil, average"),
        (['algorithms.rl2.algorithm = "rl3"'], "[algorithms.rl2]: no algorithm is called 'rl3'; did you mean 'rl2'?"),
        (["algorithms.rl2.hiden_size = 3"], "[algorithms.rl2]: no setting is called 'hiden_size'; did you mean 'hidden_size'?"),
        (
            ["algorithms.rl2.hidden_size = 0"],
            "[algorithms.rl2] on [tasks.bandit]: hidden_size=0: give a whole number of at least 1",
        ),
        (["algorithms.rl2.hidden_size = 1.5"], "[algorithms.rl2]: hidden_size=1.5 is not a whole number"),
        (["algorithms.rl2.hidden_size = [4, 8]"], "'hidden_size=8' and 'hidden_size=4' differ in more than numbers"),
        (["algorithms.rl2.num_tasks = [16, 32]"], "give each a table of its own"),
        (
            ["algorithms.rl2.learning_rate = [1e-3, 0.001]"],
            "[algorithms.rl2]: learning_rate has 0.001 twice: give each value once",
        ),
        (["algorithms.rl2.learning_rate = []"], "learning_rate=[] is not a number, nor a list of such values"),
        (['algorithms.rl2.learning_rate = [1e-3, "x"]'], "nor a list of such values"),
        (["algorithms.rl2.num_tasks = 15"], "num_tasks=15 can't be split evenly over 1 device(s) x 2 minibatch(es)"),
        (["algorithms.rl2.outer_step = 3"], "no setting is called 'outer_step'; did you mean 'outer_steps'?"),
        (['tasks.bandit.splits = "train"'], "no setting is called 'splits'; did you mean 'split'?"),
        (["algorithms.rl2.tasks = []"], "[algorithms.rl2]: tasks=[]: the algorithm runs in no task family"),
        (['algorithms.rl2.tasks = ["bandits"]'], "tasks: there is no [tasks.bandits]; did you mean 'bandit'?"),
        (["algorithms.rl2.evaluation = {num_streems = 3}"], "evaluation has no field 'num_streems'; did you mean 'num_streams'?"),
        (["algorithms.rl2.evaluation = {num_streams = 0}"], "num_streams=0: it must be at least 1"),
        (['algorithms.random.algorithm = "rl2"'], '[algorithms.random] is not the algorithm "random"'),
        (['reference = "rl3"'], "reference: no table of algorithms is called 'rl3'; did you mean 'rl2'?"),
        (
            ['algorithms.ucb1.algorithm = "ucb1"', 'tasks.point.task = "point-navigation"', "tasks.point.horizon = 3"],
            "[algorithms.ucb1] on [tasks.point]: UCB1 pulls arms but action_space=Continuous(size=2): use it on a bandit",
        ),
        (
            ['algorithms.ucb1.algorithm = "ucb1"', "algorithms.ucb1.action_space = 3"],
            "[algorithms.ucb1]: no setting is called 'action_space'; ",
        ),
    ],
    ids=lambda value: "; ".join(value) if isinstance(value, list) else "",
)
def test_mistakes(changes, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_spec(spec(*changes))
    assert message in str(caught.value)


def test_mistakes_on_the_command_line(jmeta, tmp_path):
    """Status 2 or 1, no traceback, and nothing made."""
    file, out = tmp_path / "spec.toml", tmp_path / "out"
    said = jmeta("compare", file, "--out", out)
    assert (said.status, f"there is no file {file}: give a TOML file" in said.words) == (FAILURE, True)
    file.write_text("name = ")
    said = jmeta("compare", file, "--out", out)
    assert (said.status, f"{file} is not TOML: Invalid value" in said.words) == (USAGE, True)
    file.write_text(SPEC.replace("seeds = 2", "seeds = -2"))
    said = jmeta("compare", file, "--out", out)
    assert (said.status, f"{file}: seeds=-2: it must be at least 1" in said.words) == (USAGE, True)
    file.write_text(SPEC)
    assert "--out" in jmeta("compare", file).words
    said = jmeta("compare", file, "--out", out, "--num-devices", 99)
    assert (said.status, "num_devices=99, but this process has" in said.words) == (USAGE, True)
    said = jmeta("compare", file, "--out", tmp_path / "spec.toml" / "out")
    assert (said.status, "choose another directory" in said.words) == (FAILURE, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.toml"]


def test_a_comparison_of_which_a_cell_fails_says_so(jmeta, tmp_path, monkeypatch):
    """The others are reported; the exit status is that of a failure."""

    def fail(*args):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("jmeta.comparison.run.train_cell", fail)
    (tmp_path / "spec.toml").write_text(SPEC)
    said = jmeta("compare", tmp_path / "spec.toml", "--out", tmp_path / "out")
    assert said.status == FAILURE
    assert "error: no training of these was finished, see the report: rl2 on bandit" in said.words
    assert (tmp_path / "out" / "report.html").is_file()


# From end to end


@pytest.mark.slow
def test_a_comparison(jmeta, tmp_path):
    """Trained, reported, and on a second call only reported, with the algorithm it has gained."""
    file, out = tmp_path / "spec.toml", tmp_path / "out"
    file.write_text(SPEC)
    said = jmeta("compare", file, "--out", out)
    assert said.status == 0
    assert said.out == (out / "table.md").read_text()
    assert "20 held-out tasks. Per episode: random" in said.out
    assert f"report: {out}/report.html" in said.words
    summary = json.loads((out / "results.json").read_text())
    (task,) = summary["tasks"]
    assert [row["label"] for row in task["rows"]] == ["rl2", "random"]
    assert (task["rows"][0]["env_steps"], task["rows"][0]["num_seeds"]) == (96, 2)

    file.write_text(SPEC + '\n[algorithms.ucb1]\nalgorithm = "ucb1"\nexploration = [0.1, 9.0]\nprior = 1\n')
    said = jmeta(*shlex.split(f"compare {file} --out {out} --no-progress"))
    assert (said.status, said.err) == (0, "")
    again = json.loads((out / "results.json").read_text())["tasks"][0]["rows"]
    assert again[0]["seed_means"] == task["rows"][0]["seed_means"]
    assert [row["label"] for row in again] == ["rl2", "ucb1 exploration=0.1", "ucb1 exploration=9.0", "random"]
    assert again[1]["seed_means"] != again[2]["seed_means"]

    file.write_text(SPEC.replace("env_steps = 96", "env_steps = 97"))
    said = jmeta("compare", file, "--out", out)
    assert said.status == USAGE
    assert "budget.env_steps: was 96, now 97" in said.words
    assert "or delete that directory" in said.words


def test_settings_of_an_algorithm_in_one_task(tmp_path):
    """They replace those of its table there; in other tasks it has those of the table; a recipe has them too."""
    changes = ('tasks.other.task = "bernoulli-bandit"', "algorithms.rl2.by_task.other = {hidden_size = 8, outer_steps = 3}")
    comparison = parse_spec(spec(*changes))
    found = {cell.task: cell for cell in comparison.cells if cell.kind == "rl2"}
    sizes = {task: theta_sizes(cell.learner) for task, cell in found.items()}
    assert {task: max(size) for task, size in sizes.items()} == {"bandit": 12, "other": 24}  # three gates of a GRU
    assert {task: cell.outer_steps for task, cell in found.items()} == {"bandit": None, "other": 3}
    made = parse_cell(spec(*changes), "other", "rl2")
    assert (made.recipe.algorithm_fields["hidden_size"], made.recipe.algorithm_fields["num_tasks"]) == (8, 16)
    assert made.comparison.budget_of(made.comparison.cells[0]) == Budget(outer_steps=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("algorithms.rl2.by_task.room = {hidden_size = 8}", "by_task: there is no [tasks.room]"),
        ("algorithms.rl2.by_task.bandit = {hiden_size = 8}", "[algorithms.rl2]: no setting is called 'hiden_size'"),
        ("algorithms.rl2.by_task.bandit = {outer_steps = 1.5}", "outer_steps=1.5 is not a whole number"),
        ("algorithms.rl2.by_task.bandit = 3", "[algorithms.rl2]: by_task.bandit=3 is not a table"),
        (
            "algorithms.rl2.by_task.bandit = {algorithm = 'maml'}",
            "by_task.bandit has the key 'algorithm', which is the same in all tasks: leave it out",
        ),
    ],
)
def test_wrong_settings_in_one_task_are_named(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_spec(spec(change))


def test_settings_in_a_task_that_the_algorithm_does_not_run_in():
    changes = ('tasks.other.task = "bernoulli-bandit"', 'algorithms.rl2.tasks = ["bandit"]')
    with pytest.raises(ValueError, match="by_task: the algorithm does not run in other: add it to tasks, or leave out"):
        parse_spec(spec(*changes, "algorithms.rl2.by_task.other = {hidden_size = 8}"))
    with pytest.raises(ValueError, match="does not run in other, only in bandit"):
        parse_cell(spec(*changes), "other", "rl2")


def test_a_budget_in_place_of_the_file_s(jmeta, tmp_path, monkeypatch):
    asked = []

    def not_run(comparison, *args, **options):
        asked.append(comparison.budget)
        raise OSError("enough")

    monkeypatch.setattr(cli, "compare", not_run)
    (tmp_path / "spec.toml").write_text(SPEC)
    for options in ((), ("--env-steps", 320), ("--wall-clock-seconds", 1.5)):
        jmeta("compare", tmp_path / "spec.toml", "--out", tmp_path / "out", *options)
    assert asked == [Budget(env_steps=96), Budget(env_steps=320), Budget(wall_clock_seconds=1.5)]
    said = jmeta("compare", tmp_path / "spec.toml", "--out", tmp_path, "--env-steps", 3, "--wall-clock-seconds", 1.5)
    assert (said.status, "both env_steps and wall_clock_seconds are given: give one" in said.words) == (USAGE, True)


def test_a_part_of_a_comparison(jmeta, tmp_path):
    """One algorithm and one seed of a spec; the rest is not run yet."""
    file, out = tmp_path / "spec.toml", tmp_path / "out"
    file.write_text(SPEC + '\n[algorithms.ucb1]\nalgorithm = "ucb1"\n')
    said = jmeta("compare", file, "--out", out, "--only", "ucb1", "--only", "random", "--seeds", 1, "--seed", 3)
    assert said.status == 0
    assert "1 seeds, from 3 on" in said.out
    assert "| rl2 | not run yet |" in said.out
    assert sorted(path.name for path in (out / "cells" / "bandit").iterdir()) == ["random", "ucb1"]
    said = jmeta("compare", file, "--out", out, "--only", "ucb")
    assert (said.status, "only: no table of algorithms is called 'ucb'; did you mean 'ucb1'?" in said.words) == (USAGE, True)


def test_a_comparison_of_which_a_part_failed_has_the_status_of_a_failure(jmeta, tmp_path, monkeypatch):
    """The report is written; a second call runs what had failed, and succeeds."""
    file, out = tmp_path / "spec.toml", tmp_path / "out"
    file.write_text(SPEC.partition("[algorithms.rl2]")[0] + '[algorithms.random]\nalgorithm = "random"\n')

    def breaks(*args, **options):
        raise RuntimeError("no such kernel")

    with monkeypatch.context() as patched:
        patched.setattr(run, "train_cell", breaks)
        said = jmeta("compare", file, "--out", out)
    assert said.status == FAILURE
    assert "random on bandit failed: RuntimeError: no such kernel" in said.words
    assert said.out == (out / "table.md").read_text()
    assert "| random | failed |" in said.out
    assert jmeta("compare", file, "--out", out).status == 0


def test_an_interrupted_comparison_says_so(jmeta, tmp_path, monkeypatch):
    """What is finished is reported, and the exit status is that of the signal."""
    original = cli.compare

    def interrupted(*args, **options):
        return dataclasses.replace(original(*args, **options), interrupted_by="SIGTERM")

    monkeypatch.setattr(cli, "compare", interrupted)
    file = tmp_path / "spec.toml"
    file.write_text(SPEC.partition("[algorithms.rl2]")[0] + '[algorithms.random]\nalgorithm = "random"\n')
    said = jmeta("compare", file, "--out", tmp_path / "out")
    assert said.status == 143
    assert "stopped by SIGTERM; the same command goes on from here" in said.words
    assert "Ended early by SIGTERM." in said.out


def test_a_comparison_that_comes_with_jmeta_is_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_spec(Path("first")) == FIRST
    assert find_spec(Path("first.toml")) == Path("first.toml")  # a file of one's own, there or not
    (tmp_path / "first").write_text("")
    assert find_spec(Path("first")) == Path("first")
    with pytest.raises(FileNotFoundError, match="no comparison of that name comes with jmeta; did you mean 'ladder'"):
        find_spec(Path("lader"))
    assert (Path(__file__).parents[2] / "benchmarks" / "specs").resolve() == SPECS.resolve()  # one place
