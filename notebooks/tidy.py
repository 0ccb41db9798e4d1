"""Removes warnings and execution times from executed notebooks, which differ from machine to machine: ``make notebooks``."""

import sys
from pathlib import Path

import nbformat


def tidy(file: Path) -> None:
    """Rewrites a notebook without its output on standard error and without execution times."""
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, file)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        tidy(Path(name))
