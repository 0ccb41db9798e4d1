"""The documentation is complete: pages of algorithms, task families and public names, and links that lead somewhere."""

import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import jmeta
from jmeta.algorithms import ALGORITHMS
from jmeta.tasks import TASKS

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
WRITTEN = sorted([*DOCS.glob("*.md"), *(DOCS / "how-to").glob("*.md")])
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """Returns the module that writes the generated pages."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return importlib.import_module("pages")
    finally:
        sys.path.remove(str(DOCS / "_ext"))


@pytest.fixture(scope="module")
def written(pages: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Returns the generated pages by name, without what has to be compiled."""
    out = tmp_path_factory.mktemp("docs")
    names = pages.write(out, facts=lambda kind: [("name", kind.name)], parts=lambda name: [], draw=False)
    return {str(name): (out / name).read_text("utf-8") for name in names if name.suffix in (".rst", ".md", ".ipynb")}


def test_every_algorithm_has_a_page_with_all_its_settings(written: dict[str, str]) -> None:
    for name, function in ALGORITHMS.items():
        page = written[f"algorithms/{name}.rst"]
        assert f".. autofunction:: jmeta.algorithms.{function.__name__}" in page
        for setting in list(inspect.signature(function).parameters)[1:]:
            assert f"``--{setting.replace('_', '-')}``" in page, (name, setting)
        assert f"\n   {name}\n" in written["algorithms/index.rst"]


def test_every_algorithm_says_when_to_use_it(written: dict[str, str]) -> None:
    uses = tomllib.loads((DOCS / "when-to-use.toml").read_text("utf-8"))
    assert uses.keys() == ALGORITHMS.keys()
    assert uses["rl2"].strip() in written["algorithms/rl2.rst"]


def test_every_task_family_has_a_page_with_all_its_settings(written: dict[str, str]) -> None:
    for name, kind in TASKS.items():
        page = written[f"tasks/{name}.rst"]
        assert f".. autoclass:: jmeta.tasks.{kind.__name__}" in page
        for setting in set(inspect.signature(kind).parameters) - {"split", "environment"}:
            assert f"``--task.{setting.replace('_', '-')}``" in page, (name, setting)
        assert f"\n   {name}\n" in written["tasks/index.rst"]


def test_a_task_family_is_described_by_its_optimum(pages: ModuleType) -> None:
    facts = dict(pages.facts_of(TASKS["bernoulli-bandit"]))
    assert facts["optimum"] == "6.66 per lifetime (Bayes optimum)"
    assert facts["splits"] == "training, validation, held-out"


def test_an_algorithm_is_described_by_its_parts(pages: ModuleType) -> None:
    assert [kind.__name__ for kind in pages.parts_of("maml")] == ["MAML", "GradientDescent", "PPO", "EpisodeBaseline"]


def test_measured_scores_are_on_the_pages(written: dict[str, str]) -> None:
    assert "6.659 (one seed)" in written["algorithms/rl2.rst"]
    assert "7.533 [7.363, 7.691]" in written["algorithms/pearl.rst"]
    assert "7.533 [7.363, 7.691]" in written["tasks/sparse-point-navigation.rst"]
    assert "78.641 ± 0.051" in written["tasks/bernoulli-bandit.rst"]


def test_results_of_the_bench_are_on_the_pages_of_algorithms_and_tasks(
    pages: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"score": {"value": 0.5, "low": 0.25, "high": 0.75}, "normalised": {"value": 0.125}, "env_steps": 1000}
    results = {"steps": {"bandit": {"rows": {"imaml": row, "rl2": {"failed": "no"}}}}, "clock": {}}
    monkeypatch.setattr(pages, "_bench", lambda: ({"bandit": "bernoulli-bandit"}, {"results": results}))
    link = ":doc:`bandit </benchmarks/bench/bandit>`"
    assert list(pages.bench_rows("imaml")) == [[link, "steps", "0.5 [0.25, 0.75]", "0.12", "1,000"]]
    assert list(pages.bench_rows("rl2")) == []
    assert "No learning results" not in "".join(pages._results_of_algorithm("imaml"))
    assert "</benchmarks/bench/bandit>" in "".join(pages._scores_of_task("bernoulli-bandit"))
    assert "</benchmarks/bench" not in "".join(pages._scores_of_task("reacher"))


def test_every_public_name_is_on_a_page_of_the_reference(pages: ModuleType, written: dict[str, str]) -> None:
    everything = "\n".join(written.values())
    homes = pages.homes()
    for module_name in pages.MODULES:
        module = importlib.import_module(module_name)
        names = pages.public_names(module)
        assert set(getattr(module, "__all__", ())) <= set(names)
        for name in names:
            home = homes[f"{module_name}.{name}"]
            assert (
                f"`{name} <{home}>`" in written[f"api/{module_name}.rst"]
                or f":mod:`~{home}`" in written[f"api/{module_name}.rst"]
            )
            owner, _, short = home.rpartition(".")
            described = rf":: {re.escape(home)}$|^.. py:data:: {short}\n   :module: {re.escape(owner)}$"
            assert re.search(described, everything, re.MULTILINE), home


def test_every_package_with_public_names_is_in_the_reference(pages: ModuleType) -> None:
    packages = [each.name for each in pkgutil.walk_packages(jmeta.__path__, "jmeta.") if each.ispkg]
    for name in packages:
        if name != "jmeta.cli" and hasattr(importlib.import_module(name), "__all__"):
            assert name in pages.MODULES


def test_notebooks_and_reports_have_pages(written: dict[str, str]) -> None:
    for path in (REPOSITORY / "notebooks").glob("*.ipynb"):
        assert f"notebooks/{path.name}" in written
        assert path.stem in written["notebooks/index.rst"]
    for path in (REPOSITORY / "benchmarks" / "reports").iterdir():
        assert f"benchmarks/{path.name}.md" in written
        assert f"]({path.name}.md)" in written["benchmarks/index.md"]
    assert "](reports/" not in written["benchmarks/index.md"]


def test_pages_that_are_no_longer_made_are_removed(pages: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "algorithms").mkdir()
    (tmp_path / "algorithms" / "former.rst").touch()
    (tmp_path / "own.md").touch()
    pages.write(tmp_path, facts=lambda kind: [], parts=lambda name: [], draw=False)
    assert not (tmp_path / "algorithms" / "former.rst").exists()
    assert (tmp_path / "own.md").exists()


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(DOCS)))
def test_links_lead_somewhere(path: Path, written: dict[str, str]) -> None:
    text = path.read_text("utf-8")
    for target in LINK.findall(text):
        if not target.startswith(("http", "#")):
            file, _, anchor = target.partition("#")
            assert (path.parent / file).exists(), target
            assert not anchor or anchor in _anchors((path.parent / file).read_text("utf-8")), target
    for target in re.findall(r"\{doc\}`([^`]+)`", text):
        place = DOCS / target[1:] if target.startswith("/") else path.parent / target
        name = str(place.resolve().relative_to(DOCS))
        made = any(f"{name}{suffix}" in written for suffix in (".rst", ".md", ".ipynb"))
        assert made or place.with_suffix(".md").exists(), target


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(DOCS)))
def test_included_texts_exist(path: Path) -> None:
    """A page that includes a part of the README is empty if the README's headings change."""
    for file, options in re.findall(r"```\{include\} (\S+)\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
        text = (path.parent / file).read_text("utf-8")
        for mark in re.findall(r':(?:start-after|end-before): "(.+)"', options):
            assert text.count(mark) == 1, (file, mark)


def test_docstrings_become_restructured_text(pages: ModuleType) -> None:
    lines = ["With ``x|y`` and |x|,", "", "    phi = ``theta`` * |g|", "", "and more."]
    assert pages.literal_blocks(lines) == [
        *("With ``x|y`` and \\|x\\|,", "", ".. code-block:: text", "    :class: equation", ""),
        *("    phi = theta * |g|", "", "and more."),
    ]
    lines = ["First.", "", "Args:", "  x: one.", "", "Deviations from the paper:", "  None."]
    assert [title for title, _ in pages.sections(lines)] == ["", "Args", "Deviations from the paper"]


def test_the_quick_start_is_that_of_the_readme() -> None:
    """``tests/test_readme.py`` runs it."""
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    for page in ("index.md", "first-steps.md"):
        (block,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
        setup, _, prints = block.rpartition("print(")
        assert re.sub(r"  +#.*", "", readme).count(setup) == 1
        assert prints.rstrip(")\n") in readme


def test_the_example_of_a_comparison_is_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (DOCS / "how-to" / "compare.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "my.toml").write_text(text)
    comparison = jmeta.comparison.read_spec(tmp_path / "my.toml")
    assert {cell.algorithm for cell in comparison.cells} == {"rl2", "maml", "average", "random"}
