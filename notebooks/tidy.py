"""Removes from executed notebooks what differs between machines: warnings, progress bars and times. See ``make notebooks``."""

import sys
from pathlib import Path

import nbformat


def says_something(output: nbformat.NotebookNode) -> bool:
    """Returns whether an output is no warning, no empty end of a progress bar and no address of an object."""
    if output.get("name") == "stderr":
        return False
    text = output.get("data", {}).get("text/plain")
    return text is None or (text.strip() != "" and "Warning:" not in text and " at 0x" not in text)


def tidy(file: Path) -> None:
    """Rewrites a notebook without warnings, progress bars and execution times."""
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if says_something(output)]
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, file)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        tidy(Path(name))
