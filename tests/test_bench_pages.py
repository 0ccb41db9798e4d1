"""The figures and pages of the bench, of made-up cells and of no cell at all."""

import re
from pathlib import Path

import pytest
from matplotlib.colors import to_rgba

from benchmarks.bench import curves, figures, tables
from benchmarks.bench.groups import GROUPS, ORDER, group_of
from benchmarks.bench.pages import pages
from benchmarks.bench.ranks import mean_ranks
from benchmarks.bench.summary import read_tables, runs_in, summarise, write_summary
from tests.bench_cells import constant, failed, made_up, small_spec

KNOWN = {"one": {"value": 2.0, "label": "task known"}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made_up(tmp_path, "steps", "one", "random", constant(0.0, [0.0]))
    made_up(tmp_path, "steps", "one", "oracle", constant(3.0))
    made_up(tmp_path, "steps", "one", "rl2", constant(1.0), train_seconds=20.0)
    failed(tmp_path, "steps", "one", "maml", "XlaRuntimeError: no")
    made_up(tmp_path, "steps", "two", "rl2", constant(1.0))
    return tmp_path


def test_every_algorithm_is_in_one_group() -> None:
    assert sorted(ORDER) == sorted(read_tables().algorithms)
    assert len(set(ORDER)) == len(ORDER)
    assert group_of("td3") == "no adaptation"


def test_the_heat_map_tells_scores_failures_and_gaps_apart(data: Path) -> None:
    spec = small_spec()
    runs = {name: runs_in(spec, name) for name in spec.algorithms}
    results = summarise(data, spec, KNOWN)["results"]["steps"]
    (axes,) = figures.heat_map(results, runs, list(spec.tasks), "normalised").axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    families = [label.get_text() for label in axes.get_xticklabels()]
    found = {(names[round(t.get_position()[1])], families[round(t.get_position()[0])]): t.get_text() for t in axes.texts}
    assert found["rl2", "one"] == "0.50"  # (1 - 0) / (2 - 0)
    assert found["oracle", "one"] == "1.50"
    assert found["maml", "one"] == "failed"
    assert found["rl2", "two"] == "?"  # random has not been run
    assert found["rl2", "three"] == ""
    colours = {(names[round(p.get_y() + 0.5)], families[round(p.get_x() + 0.5)]): p.get_facecolor() for p in axes.patches}
    assert colours["rl2", "three"] == colours["dqn", "one"] == to_rgba("white")
    assert colours["dqn", "two"] == to_rgba(figures.ABSENT)
    assert "not above" not in tables.say_above_one(summarise(data, spec, KNOWN))
    assert "`oracle` (steps)" in tables.say_above_one(summarise(data, spec, KNOWN))


def test_numbers_of_the_heat_map_are_short() -> None:
    assert [figures.two_digits(value) for value in (0.514, -0.001, -12.3)] == ["0.51", "0.00", "-12"]


def test_curves_are_of_the_best_of_each_group() -> None:
    rows = {name: {"last": {"value": value}} for name, value in {"rl2": 1.0, "snail": 2.0, "maml": 0.0, "random": -1.0}.items()}
    rows["mann"] = {"failed": "no"}
    assert curves.chosen(rows) == {"snail": "memory", "maml": "gradient steps", "random": "references"}


def test_curves_are_drawn_with_names(data: Path) -> None:
    results = summarise(data, small_spec(), KNOWN)["results"]["steps"]
    (adapted,), (learned,) = (curves.of_family(results["one"]["rows"], kind).axes for kind in ("curve", "learning"))
    assert [line.get_label() for line in adapted.get_lines()] == ["rl2", "oracle", "random"]
    assert [line.get_label() for line in learned.get_lines()] == ["rl2", "oracle"]
    assert len(curves.overview(results, ["one", "two"], "curve").axes) == 2


def test_the_frontier_has_what_no_cheaper_algorithm_surpasses() -> None:
    points = {"rl2": (1.0, 0.0), "maml": (2.0, 1.0), "anil": (3.0, 0.5), "cavia": (4.0, 1.01), "promp": (5.0, 1.02)}
    assert figures.frontier({**points, "oracle": (0.5, 9.0)}) == ["rl2", "maml", "promp"]  # promp is the best


def test_costs_and_ranks_are_drawn(data: Path) -> None:
    spec = small_spec()
    runs = {name: runs_in(spec, name) for name in spec.algorithms}
    results = summarise(data, spec, KNOWN)["results"]["steps"]
    axes = figures.cost_figure(results, ["one"], "train_seconds", "seconds").axes[0]
    assert [text.get_text() for text in axes.texts] == ["rl2"]
    assert len(axes.get_lines()) == 2  # rl2 and oracle, which were trained
    ranks = mean_ranks(results, runs, list(spec.tasks))
    assert ranks is not None
    (axes,) = figures.ranks_figure(ranks).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["rl2", "random", "maml"]
    assert axes.get_xlabel() == "mean rank over 1 task family (1 is the best)"


def test_pages_of_a_part_show_it_and_say_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.bench.summary.known_scores", lambda spec: {"bandit": {"value": 2.0, "label": "task known"}})
    made_up(tmp_path, "steps", "bandit", "random", constant(0.0, [0.0]))
    reference = {"label": "Bayes optimum", "value": 3.0, "per": "lifetime"}  # of two episodes: 1.5 each
    made_up(tmp_path, "steps", "bandit", "rl2", constant(1.0), reference=reference)
    failed(tmp_path, "steps", "bandit", "maml", "XlaRuntimeError: no | `memory`")
    write_summary(tmp_path)
    made = pages(tmp_path, draw=False)
    index, bandit = made["benchmarks/bench/index.md"], made["benchmarks/bench/bandit.md"]
    assert isinstance(index, str)
    assert isinstance(bandit, str)
    assert "3 of 232 cells have been run, of which 1 failed" in index
    assert "0 of 232 cells" in index
    assert "| `rl2` | 0.50 [" in index
    assert "| `mql` | does not run |" in index
    assert "Not shown yet" in index  # ranks
    assert "scored on 2 test tasks" in index
    assert "| `rl2` | 1 [" in bandit
    assert "1.5 per episode, which is 0.75 on this scale" in bandit
    assert "- `maml` failed: `XlaRuntimeError: no | 'memory'`" in bandit
    assert "- Not run yet: `mann`, `snail`" in bandit
    assert "- Do not run here, since they need other actions: `mql`, `td3`." in bandit
    assert "Not run yet." in made["benchmarks/bench/reacher.md"]
    check_links(made)


def test_pages_are_made_without_data(tmp_path: Path) -> None:
    made = pages(tmp_path)
    assert set(made) == {f"benchmarks/bench/{name}.md" for name in ("index", *read_tables().tasks)}
    assert str(made["benchmarks/bench/index.md"]).count("0 of 232 cells have been run.") == 2
    assert "1,000,000 environment steps for each training" in str(made["benchmarks/bench/index.md"])
    check_links(made)


def check_links(made: dict[str, str | bytes]) -> None:
    """Every picture and page that a page names is made."""
    for text in made.values():
        if isinstance(text, str):
            for target in re.findall(r"\]\(([\w-]+\.(?:png|md))\)", text):
                assert f"benchmarks/bench/{target}" in made
            assert "\n\n\n" not in text


def test_groups_have_colours() -> None:
    assert set(GROUPS) == set(figures.GROUP_COLOURS)
