"""Report of a comparison: a Markdown table, plots, and a self-contained HTML page."""

import json
from pathlib import Path

from jmeta.comparison.figures import COLOURS, RANDOM_COLOUR, draw
from jmeta.comparison.page import page
from jmeta.comparison.store import Outcome
from jmeta.comparison.summary import summarise
from jmeta.comparison.table import DEFINITIONS, markdown


def write_report(outcome: Outcome, out: str | Path) -> Path:
    """Writes results.json, table.md, report.html, curves.png, learning.png, profile.png and normalised.png.

    Args:
      outcome: what ``compare`` returned.
      out: its results directory.

    Returns:
      The path of table.md.
    """
    out = Path(out)
    summary = summarise(outcome)
    content = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    (out / "results.json").write_text(content, "utf-8")
    table = out / "table.md"
    table.write_text(markdown(summary), "utf-8")
    (out / "report.html").write_text(page(summary, COLOURS, RANDOM_COLOUR, DEFINITIONS), "utf-8")
    draw(summary, out)
    return table
