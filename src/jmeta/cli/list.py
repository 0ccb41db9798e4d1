"""``jmeta list``."""

import inspect
import shutil
import textwrap
from collections.abc import Callable
from typing import Any

from tyro.conf import Positional

from jmeta import recipes, zoo
from jmeta.algorithms import ALGORITHMS
from jmeta.cli.command import tyro_command
from jmeta.cli.help import about, by_heading, default_text, headline, setting_texts
from jmeta.cli.plain import TASK_PREFIX, flag
from jmeta.cli.recipes import recipe_details, recipe_table
from jmeta.cli.zoo import zoo_details, zoo_table
from jmeta.comparison import SPECS
from jmeta.registry import find_either, nearest, settings
from jmeta.tasks import TASKS
from jmeta.zoo import is_zoo_name

KINDS: dict[str, dict[str, Any]] = {"algorithms": dict(ALGORITHMS), "tasks": dict(TASKS)}
LISTS = ("all", *KINDS, "recipes", "zoo", "specs")
PREFIXES = {"algorithms": "--", "tasks": TASK_PREFIX}


@tyro_command("list", "List all algorithms, tasks, recipes and trained agents, or the settings of one: jmeta list [NAME].")
def list_command(what: Positional[str] = "all") -> int:
    """Lists algorithms and tasks, or describes one of them and lists its settings.

    Args:
      what: "all", "algorithms", "tasks", "recipes" (settings that reached a score, for jmeta train --recipe), "zoo"
        (trained agents), "specs" (comparisons that come with jmeta), or the name of an algorithm, a task, a recipe or an agent
        of the zoo. An algorithm or a task of your own
        is module:function or module:Class.
    """
    width = shutil.get_terminal_size((100, 24)).columns
    print(overview(what, width) if what in LISTS else details(what, min(width, 100)))
    return 0


def overview(what: str, width: int) -> str:
    """Returns a line for each algorithm and task family, and what else comes with jmeta; or one kind only."""
    if what == "recipes":
        return recipe_table(width)
    if what == "zoo":
        return zoo_table(width)
    lines: list[str] = []
    for kind, members in KINDS.items():
        if what in ("all", kind):
            indent = max(map(len, members)) + 4
            lines += ["", f"{kind}:"] if lines else [f"{kind}:"]
            for name, thing in sorted(members.items()):
                lines.append(
                    textwrap.shorten(headline(thing, PREFIXES[kind]), width - indent, placeholder=" ...", break_on_hyphens=False)
                )
                lines[-1] = f"  {name:<{indent - 2}}{lines[-1]}"
    if what == "all":
        lines += ["", f"recipes, for jmeta train --recipe: {len(recipes.names())}, with scores in `jmeta list recipes`"]
        lines += [f"trained agents: {len(zoo.names())}, with scores in `jmeta list zoo`"]
    if what in ("all", "specs"):
        names = ", ".join(sorted(file.stem for file in SPECS.glob("*.toml")))
        title = ["", "specs, for jmeta compare:"] if lines else ["specs, for jmeta compare:"]
        lines += [*title, *textwrap.wrap(names, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)]
    return "\n".join([*lines, "", "jmeta list NAME describes one and lists its settings; your own is module:name."])


def details(name: str, width: int) -> str:
    """Returns the description of an algorithm, a task family or a recipe, and its settings.

    Raises:
      ValueError: if there is none of that name; the message names the nearest one.
    """
    if is_zoo_name(name):
        return zoo_details(name, width)
    if ":" in name or any(name in members for members in KINDS.values()):
        return _described(name, find_either(name), width)
    if "/" in name:
        return recipe_details(name, width)
    if (spec := SPECS / f"{name}.toml").is_file():
        above = spec.read_text("utf-8").split("\n\n")[0].splitlines()
        says = "\n".join(line.removeprefix("#").strip() for line in above if line.startswith("#"))
        return f"{name}, a comparison\n\n{says}\n\nIts file: {spec}"
    names = [*LISTS, *(name for members in KINDS.values() for name in members)]
    raise ValueError(f"nothing is called {name!r}; {nearest(name, names)}; or one of your own as module:name")


def _described(name: str, thing: Callable[..., Any], width: int) -> str:
    """Returns the description of an algorithm or a task family, and its settings under the headings that ``train`` has."""
    is_task = inspect.isclass(thing)
    prefix = PREFIXES["tasks" if is_task else "algorithms"]
    texts, parameters = setting_texts(thing, prefix), settings(thing)
    body = [name, *(_filled(paragraph, width) for paragraph in about(thing, prefix).split("\n\n"))]
    if texts:
        body.append(f"settings, as options of `jmeta train {'ALGORITHM --task ' if is_task else ''}{name}`:")
    for heading, names in by_heading(thing).items():
        body.append(f"{heading} options")
        for setting in names:
            option = f"  {flag(setting, prefix)}  ({_default(parameters[setting].default)})\n"
            body.append(option + textwrap.indent(_filled(texts[setting], width - 6), " " * 6))
    return "\n\n".join(body)


def _default(value: Any) -> str:
    text = default_text(value)
    return text if text in ("required", "optional") else f"default: {text}"


def _filled(paragraph: str, width: int) -> str:
    return paragraph if paragraph.startswith(" ") else textwrap.fill(paragraph, width, break_on_hyphens=False)
