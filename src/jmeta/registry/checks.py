"""Checks of settings that are given by name, in a specification or a recipe."""

from collections.abc import Iterable, Mapping
from typing import Any

from jmeta.registry.names import nearest
from jmeta.training.schema import fits, say_type


def check_setting(name: str, value: Any, annotations: Mapping[str, Any], others: Iterable[str] = ()) -> None:
    """Raises ValueError for a setting that does not exist, or whose value is of another type than its annotation.

    Args:
      name: name of the setting.
      value: its value.
      annotations: types of all settings, by name.
      others: names that may stand beside settings, and so may have been meant.
    """
    if name not in annotations:
        raise ValueError(f"no setting is called {name!r}; {nearest(name, [*annotations, *others])}")
    if not fits(value, annotations[name]):
        raise ValueError(f"{name}={value!r} is not {say_type(annotations[name])}")
