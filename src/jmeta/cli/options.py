"""Options on the command line for the settings of an algorithm or a task family."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any

import tyro

from jmeta.cli.help import setting_texts
from jmeta.cli.plain import flag
from jmeta.registry import OTHER_NAMES, settings


def as_dataclass(
    name: str,
    thing: Callable[..., Any],
    prefix: str = "--",
    names: Collection[str] | None = None,
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> type:
    """Returns keyword arguments of a function, or fields of a class, as a dataclass with the same help texts.

    With the prefix ``--``, options are not prefixed by the name of the group, so that ``agent.widths`` is ``--widths``. Fields of
    a setting that is itself a dataclass are prefixed by the name of the setting.

    Args:
      name: name of the group.
      thing: the function or the class.
      prefix: prefix of the options.
      names: the settings to include; all by default.
      defaults: values that replace the settings' own defaults.
    """
    described = setting_texts(thing, prefix)
    fields: list[Any] = []
    for setting, parameter in settings(thing).items():
        if names is not None and setting not in names:
            continue
        annotation: Any = Annotated[parameter.annotation, tyro.conf.arg(help=described[setting], prefix_name=prefix != "--")]
        default = defaults.get(setting, parameter.default)
        if default is inspect.Parameter.empty:
            fields.append((setting, annotation))
        else:  # a factory, since a dataclass takes no list as a default
            fields.append((setting, annotation, dataclasses.field(default_factory=partial(_itself, default))))
    return dataclasses.make_dataclass(name, fields, frozen=True, kw_only=True)


def _itself(value: Any) -> Any:
    return value


def check_known(args: list[str], algorithm_name: str, *kinds: tuple[str, Any]) -> None:
    """Raises ValueError for an unknown option that other libraries use, and names the option of jmeta.

    Args:
      args: words of the command line.
      algorithm_name: the algorithm, whose settings ``jmeta list`` lists.
      kinds: prefixes of options, each with the function or class whose settings have it.
    """
    known = {flag(name, prefix)[2:] for prefix, thing in kinds for name in settings(thing)}
    for arg in args:
        option = arg.partition("=")[0]
        name = re.sub(r"^(task\.)?no-", r"\1", option[2:])
        spelled = {option[2:], name, option[2:].replace("_", "-"), name.replace("_", "-")}
        if not option.startswith("--") or spelled & {*known, "help"}:
            continue
        called = OTHER_NAMES.get(option[2:].lower().replace("_", "-"), ())
        if meant := [f"--{each}" for each in called if each in known]:
            raise ValueError(
                f"no option is called {option!r}; did you mean {' or '.join(meant)}? "
                f"`jmeta list {algorithm_name}` lists the settings"
            )
