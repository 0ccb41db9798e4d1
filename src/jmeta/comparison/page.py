"""The report of a comparison as one HTML file, with interactive figures that are drawn from numbers in the file.

The file loads nothing from the network, so it can be mailed and archived.
"""

import html
import importlib.resources
import json
from collections.abc import Sequence
from typing import Any

from jmeta.comparison.text import say_budget

SCRIPTS = ("elements.js", "figures.js", "page.js")


def page(summary: dict[str, Any], colours: Sequence[str], random_colour: str, definitions: str) -> str:
    """Returns the content of the file.

    Args:
      summary: what ``summarise`` returned.
      colours: colours of the algorithms, in order.
      random_colour: colour of the algorithm called random.
      definitions: what the columns mean, as a Markdown list with words in bold.
    """
    content = {"summary": summary, "colours": list(colours), "grey": random_colour, "budget": say_budget(summary)}
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    items = [item.replace("\n", " ").strip() for item in html.escape(definitions, quote=False).split("\n- ")]
    listed = "".join(f"<li>{_bold(item.removeprefix('- '))}</li>" for item in items)
    parts = {
        "TITLE": html.escape(summary["name"]),
        "DEFINITIONS": listed,
        "STYLE": _asset("page.css"),
        "SCRIPT": "\n".join(map(_asset, SCRIPTS)),
        "DATA": data,
    }
    made = _asset("page.html")
    for name, value in parts.items():
        made = made.replace(f"<!--{name}-->", value)
    return made


def _bold(text: str) -> str:
    pieces = text.split("**")
    return "".join(f"<b>{piece}</b>" if index % 2 else piece for index, piece in enumerate(pieces))


def _asset(name: str) -> str:
    return (importlib.resources.files("jmeta") / "comparison" / "assets" / name).read_text("utf-8")
