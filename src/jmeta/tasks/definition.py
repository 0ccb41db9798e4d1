"""Checks of how a task family is defined: what its class must have, and what its settings may be."""

import abc
import dataclasses
import inspect
from typing import Any

from jmeta.ranges import check_type
from jmeta.struct import check_names
from jmeta.tasks.environment import can_be_called

NEEDED = "`environment`, an instance of a gymnax environment, and `sample(self, key)`, which draws its parameters"


class CheckedDefinition(abc.ABCMeta):
    """Checks a distribution when it is made, independently of the ``__post_init__`` of its class.

    Raises:
      ValueError: if the class or a setting is not as a distribution needs it.
      TypeError: for a setting that does not exist; the message names the nearest.
    """

    @property
    def __signature__(cls) -> inspect.Signature:
        """Signature of ``__init__``, in place of that of ``__call__`` below."""
        initialise: Any = cls.__init__  # type: ignore[misc]
        try:
            signature = inspect.signature(initialise, eval_str=True)
        except NameError:  # an annotation that can't be evaluated
            signature = inspect.signature(initialise)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        missing = sorted(cls.__abstractmethods__)
        if missing:
            raise ValueError(f"{cls.__name__} does not define {' and '.join(missing)}: a task distribution needs both {NEEDED}")
        owner = next(kind for kind in cls.__mro__ if "__init__" in vars(kind))
        if "__dataclass_fields__" not in vars(owner):
            raise ValueError(
                f"{cls.__name__} has an __init__ of its own, so its settings could be neither copied nor compared: make it a "
                "@dataclasses.dataclass(frozen=True) with a field for each setting, and do what is left to do in __post_init__"
            )
        if kwargs:
            check_names(cls.__name__, "setting", kwargs, [field.name for field in dataclasses.fields(cls) if field.init])  # type: ignore[arg-type]
        signature = cls.__signature__
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:  # which __init__ says better
            given = {}
        for name, value in given.items():
            check_type(name, value, signature.parameters[name].annotation)
        made = super().__call__(*args, **kwargs)
        if not can_be_called(made.sample, ("key",)):
            raise ValueError(
                f"sample of {cls.__name__} can't be called with (key): write sample(self, key), which returns one task"
            )
        for field in dataclasses.fields(made):
            value = getattr(made, field.name)
            try:
                hash(value)
            except TypeError:
                raise ValueError(
                    f"the field {field.name!r} of {cls.__name__} is a {type(value).__name__}, which can't be hashed, and "
                    "distributions are compared by their fields: give it as a number, a string or a tuple of those, and make the "
                    "array in sample or in the environment"
                ) from None
        return made


def check_at_least(tasks: object, **least: int) -> None:
    """Raises ValueError if a setting of a distribution is below its least value, given by name."""
    for setting, lowest in least.items():
        if getattr(tasks, setting) < lowest:
            raise ValueError(f"{setting}={getattr(tasks, setting)}: give at least {lowest}")
