"""``jmeta train --recipe`` and ``jmeta list recipes``."""

import re
import shlex

import pytest

import jmeta as package
from jmeta import recipes
from jmeta.algorithms import ALGORITHMS
from jmeta.cli import training
from jmeta.cli.recipes import recipe_details, recipe_table
from jmeta.registry import build, recipe_of
from jmeta.tasks import TASKS
from jmeta.training import RunDirectory, TrainResult
from jmeta.training.provenance import describe

USAGE = 2
PAIRS = [f"{algorithm}/{task}" for algorithm in ALGORITHMS for task in TASKS if f"{algorithm}/{task}" in recipes.names()]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What ``train`` was asked for, and nothing is trained."""
    calls = []

    def train(outer, key, num_steps, **options):
        calls.append({"outer": outer, "num_steps": num_steps} | options)
        return TrainResult(None, None, num_steps, {}, None, 0.0)

    monkeypatch.setattr(training, "train", train)
    return calls


# train


@pytest.mark.parametrize("name", ["varibad/grid-navi", "pearl/pendulum", "sac/gymnax-pendulum-v1"])  # env_id is required
def test_the_settings_and_outer_steps_are_those_of_the_recipe(jmeta, asked, tmp_path, name):
    assert jmeta("train", "--recipe", name, "--out", tmp_path / "run").status == 0
    (call,) = asked
    named = recipes.get(name)
    assert describe(call["outer"]) == describe(named.build()) == describe(build(call["recipe"]))
    assert call["num_steps"] == call["options"]["num_steps"] == named.num_steps
    assert call["options"]["seed"] == 0


def test_options_replace_settings_of_the_recipe(jmeta, asked, tmp_path):
    said = jmeta(
        *("train", "--out", tmp_path / "run", "--recipe=rl2/bernoulli-bandit", "--discount", 0.9, "--task.num-arms", 3),
        *("--seed", 4, "--num-steps", 7),
    )
    assert said.status == 0
    (call,) = asked
    recipe = recipes.get("rl2/bernoulli-bandit").recipe
    assert recipe.algorithm_fields == {"discount": 1.0, "anneal_steps": 1000, "entropy_coefficient": 0.05}
    changed = package.algorithms.rl2(
        package.tasks.BernoulliBandit(num_arms=3, num_pulls=10), discount=0.9, anneal_steps=1000, entropy_coefficient=0.05
    )
    assert describe(call["outer"]) == describe(changed)
    assert (call["num_steps"], call["options"]["seed"]) == (7, 4)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--recipe", "varibad/gridnavi"], "no recipe is called 'varibad/gridnavi'; did you mean 'varibad/grid-navi'?"),
        (["--recipe"], "which recipe? usage: jmeta train --recipe NAME"),
        (["--recipe="], "no recipe is called ''"),
        (
            ["rl2", "--recipe", "varibad/grid-navi"],
            "rl2 and --recipe varibad/grid-navi: the recipe names the algorithm, varibad; leave out rl2, or leave out --recipe "
            "and give --task",
        ),
        (
            ["--recipe", "varibad/grid-navi", "--task", "dark-room"],
            "--task and --recipe varibad/grid-navi: the recipe names the task, grid-navi; leave out --task, or leave out",
        ),
        (["--recipe", "varibad/grid-navi", "--task=dark-room"], "the recipe names the task, grid-navi; leave out --task"),
        (["--recipe", "varibad/grid-navi", "--hiden-size", "3"], "Perhaps you meant: --hidden-size"),
        (["--recipe", "varibad/grid-navi", "--discount", "2"], "discount=2.0: give a number from 0 to 1"),
        ([], "which algorithm? usage: jmeta train ALGORITHM --task TASK"),
        ([], "or jmeta train --recipe NAME"),
    ],
)
def test_mistakes_are_named_before_anything_is_trained(jmeta, asked, tmp_path, args, message):
    said = jmeta("train", *args, *(["--out", tmp_path / "run"] if args not in ([], ["--recipe"]) else []))
    assert said.status == USAGE
    assert message in said.words
    assert not asked
    assert not (tmp_path / "run").exists()


def test_help_shows_the_settings_of_the_recipe(jmeta):
    said = jmeta("train", "--recipe", "varibad/grid-navi", "--help")
    assert said.status == 0
    for words in ("The recipe varibad/grid-navi is varibad on grid-navi", "usage: jmeta train --recipe varibad/grid-navi"):
        assert words in said.words
    for option, default in (("--kl-weight FLOAT", "0.03"), ("--num-steps INT", "1000"), ("--task.sight", "one-hot")):
        _, _, help_text = said.words.partition(f" {option}")
        assert re.search(r"\(default: (.*?)\)", help_text)[1] == default


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_of_algorithm_and_task_begins_with_its_recipe(jmeta, asked, tmp_path, name):
    """Without an option of its own, ``jmeta train ALGORITHM --task TASK`` trains what was measured, for as many steps."""
    algorithm, task = name.split("/")
    said = jmeta("train", algorithm, "--task", task, "--out", tmp_path / "run")
    assert said.status == 0
    assert f"settings that are not given are those of the recipe {name}" in said.words
    (call,) = asked
    assert describe(call["outer"]) == describe(recipes.get(name).build())
    assert call["num_steps"] == recipes.get(name).num_steps


def test_an_algorithm_keeps_its_own_settings_where_told_to(jmeta, asked, tmp_path):
    chosen = ("--discount", 0.9, "--out", tmp_path / "run")
    for args in (["rl2", "--task", "bernoulli-bandit"], ["rl2", "--task", "bernoulli-bandit", "--recipe", "none"]):
        assert jmeta("train", *args, *chosen).status == 0
    assert jmeta("train", "--recipe", "none", "rl2", "--task", "bernoulli-bandit", *chosen).status == 0
    by_recipe, *own = [(call["outer"].anneal_steps, call["num_steps"], call["outer"].credit.discount) for call in asked]
    assert by_recipe == (1000, 1000, 0.9)
    assert own == [(None, 500, 0.9)] * 2
    assert jmeta("train", "rl2", "--task", "dark-key-to-door", "--help").words.count("The recipe rl2/dark-key-to-door") == 1
    assert "The recipe" not in jmeta("train", "rl2", "--task", "dark-key-to-door", "--recipe", "none", "--help").words


@pytest.mark.slow
def test_a_run_of_a_recipe_is_trained_resumed_loaded_and_evaluated(jmeta, tmp_path):
    run = tmp_path / "run"
    small = ("--hidden-size", 4, "--num-tasks", 8, "--num-minibatches", 2, "--num-steps", 2)
    said = jmeta("train", "--recipe", "rl2/bernoulli-bandit", *small, "--out", run, "--no-progress")
    assert said.status == 0
    config = RunDirectory(run).read_config()
    recipe = recipe_of(config, "")
    assert (recipe.algorithm_fields["entropy_coefficient"], recipe.algorithm_fields["hidden_size"]) == (0.05, 4)
    assert jmeta("resume", run, "--num-steps", 3, "--no-progress").status == 0
    opened = package.load(run)
    assert (opened.step, opened.tasks.num_pulls, opened.outer.entropy_coefficient) == (3, 10, 0.05)
    assert "outer step 3, 5 held-out tasks" in jmeta("evaluate", run, "--num-tasks", 5, "--no-progress").out


# list


def test_each_recipe_is_a_line_of_at_most_80_columns(jmeta):
    assert jmeta("list", "recipes").out == recipe_table(120) + "\n"
    table = recipe_table(80)
    assert max(map(len, table.splitlines())) <= 80
    found = [line.split()[0] for line in table.splitlines() if "/" in line.split(" ")[0]]
    assert sorted(found) == list(recipes.names())
    for words in (
        "rl2/grid-navi                   37.11 ± 0.03              37.21 6.8    49     1",
        "maml/bernoulli-bandit           0.6578 [0.6502, 0.6658]         0.7   2.0     3",
        "anil/point-navigation           -10.67 ± 0.13           -0.5061 1.4    24     3",
    ):
        assert words in table
    lifetime, episode, segment = (table.index(f"Score: {says[:40]}") for says in recipes.SCORES.values())
    assert lifetime < table.index("\nrl2/grid-navi ") < episode < table.index("\nmaml/grid-navi ") < segment


def test_one_recipe_is_described_with_its_settings_and_commands(jmeta):
    said = jmeta("list", "varibad/grid-navi")
    assert said.out == jmeta("help", "varibad/grid-navi").out
    for words in (
        "score: 36.90 ± 0.03 (standard error over test tasks), return of a lifetime; one seed, 100,000 training tasks",
        "optimum: 37.21 (Bayes optimum)",
        "1,000 outer steps, 61,440,000 environment steps, 82.2 minutes on two CPU cores or one",
        "--task.sight one-hot --reward-values -0.1 1.0",
        "--no-decodes-transitions",
        "jmeta evaluate runs/varibad-grid-navi --split train --num-tasks 100000",
        "jmeta compare grid-navi --only varibad",
    ):
        assert words in said.words
    assert "3 seeds, 500 held-out tasks" in (words := jmeta("list", "maml-trpo/point-navigation").words)
    assert "--num-tasks 500 --num-segments 4 --num-streams 40" in words
    words = jmeta("list", "pearl/sparse-point-navigation").words
    assert "Its minutes were measured on one core beside other work." in words


def test_the_settings_of_a_description_are_options_that_build_the_recipe(jmeta, asked, tmp_path):
    name = "rl2/bernoulli-bandit-100x5"
    body = recipe_details(name, 80).split("defaults:\n")[1].split("\n\n")[0]
    jmeta("train", "rl2", "--task", "bernoulli-bandit", *shlex.split(body), "--out", tmp_path / "run")
    (call,) = asked
    assert describe(call["outer"]) == describe(recipes.get(name).build())


def test_the_overview_mentions_recipes_and_a_misspelt_one_is_told_the_nearest(jmeta):
    assert f"--recipe: {len(recipes.names())}, with scores in `jmeta list recipes`" in jmeta("list").words
    said = jmeta("list", "rl2/gridnavi")
    assert (said.status, "did you mean 'rl2/grid-navi'?" in said.words) == (USAGE, True)
