"""The notebooks are committed with their outputs, of a run in which nothing failed; `make notebooks` makes them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
MACHINE_PATH = re.compile(r"/(home|root|tmp|work|Users|var)/")


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(notebook.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_computes(notebook: Path) -> None:
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))  # in order, in a fresh kernel
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert notebook.stat().st_size < 1_000_000


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_no_path_of_the_machine_that_ran_it(notebook: Path) -> None:
    assert not MACHINE_PATH.search(notebook.read_text("utf-8"))


def test_tables_are_shown_as_tables() -> None:
    """Markdown that is printed is read as text."""
    (notebook,) = [path for path in NOTEBOOKS if path.stem.startswith("03")]
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert any("text/markdown" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "stream" and "| --- |" in "".join(output["text"])]
