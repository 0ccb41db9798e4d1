"""``@algorithm``: gives an algorithm its settings as keyword arguments, its signature and docstring, and normalisation."""

import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import docstring_parser

from jmeta import struct
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_tasks
from jmeta.outer.normalised import Normalising
from jmeta.tasks.base import TaskDistribution

RENAMED = {
    "moves": "adapted_parts",
    "num_collected": "num_tasks",
    "num_recent": "num_contexts",
    "slow_rate": "target_update_rate",
    "trace": "gae_lambda",
}
"""Present names of settings that had others."""

Arguments = ParamSpec("Arguments")
SettingsOf = TypeVar("SettingsOf", bound="AlgorithmSettings")
OuterOf = TypeVar("OuterOf", bound=OuterLearner)


@struct.settings
class AlgorithmSettings:
    """Settings of every algorithm.

    Attributes:
      normalize_observations: whether to normalise each feature of the observations by its running mean and standard deviation,
        clipped to [-10, 10]; for observations far from unit scale.
      normalize_rewards: whether to divide the rewards that the agent observes and learns from by the running root mean square of
        the discounted return, clipped to [-10, 10]; reported returns are sums of the original rewards.
    """

    normalize_observations: bool = False
    normalize_rewards: bool = False


def algorithm(
    settings: Callable[Arguments, SettingsOf],
) -> Callable[[Callable[[TaskDistribution, SettingsOf], OuterOf]], Callable[Concatenate[TaskDistribution, Arguments], OuterOf]]:
    """Makes an algorithm of a function of tasks and settings: it takes the tasks, and each setting as a keyword argument.

    The settings are the fields of the class ``settings``, which also gives their types, defaults and descriptions. With
    ``normalize_observations`` or ``normalize_rewards``, the algorithm returns the function's learner as the ``learner`` of a
    ``jmeta.outer.normalised.Normalising``.

    Args:
      settings: a subclass of ``AlgorithmSettings``, decorated by ``jmeta.struct.settings``.

    Raises:
      TypeError: if the class of settings is not decorated.

    Example:
      >>> import jmeta
      >>> from jmeta.algorithms.rl2 import RL2Settings, recurrent_learner
      >>> @jmeta.struct.settings
      ... class SmallSettings(RL2Settings):
      ...     hidden_size: int = 8
      >>> @algorithm(SmallSettings)
      ... def small(tasks, settings):
      ...     "RL2 with a small network."
      ...     return recurrent_learner(tasks, settings)
      >>> small(jmeta.tasks.BernoulliBandit(), learning_rte=1e-3)
      Traceback (most recent call last):
      TypeError: small() has no setting 'learning_rte'; did you mean 'learning_rate'?
    """
    kind: Any = settings
    if "__dataclass_fields__" not in vars(kind):
        if not isinstance(kind, type):
            raise TypeError(f"@algorithm needs the class of the settings of {kind.__name__}: write @algorithm(MySettings)")
        raise TypeError(f"the fields of {kind.__name__} are no settings yet: decorate it with @jmeta.struct.settings")
    types = struct.annotations_of(kind)
    parameters = {name: each.replace(annotation=types[name]) for name, each in inspect.signature(kind).parameters.items()}

    def mark(
        function: Callable[[TaskDistribution, SettingsOf], OuterOf],
    ) -> Callable[Concatenate[TaskDistribution, Arguments], OuterOf]:
        @functools.wraps(function)
        def build(tasks: TaskDistribution, *args: Arguments.args, **given: Arguments.kwargs) -> OuterOf:
            check_tasks(tasks)
            if args:
                first = _in_order(kind, parameters)[0].name
                raise TypeError(f"{function.__name__}(tasks, {args[0]!r}): give settings by name, such as {first}=...")
            struct.check_names(f"{function.__name__}()", "setting", given, parameters, RENAMED)
            chosen = settings(*args, **given)
            learner = function(tasks, chosen)
            if not (chosen.normalize_observations or chosen.normalize_rewards):
                return learner
            normalising: Any = Normalising(learner, observations=chosen.normalize_observations, rewards=chosen.normalize_rewards)
            return normalising

        tasks = inspect.Parameter("tasks", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=TaskDistribution)
        returns = inspect.signature(function).return_annotation
        described: Any = build
        described.__signature__ = inspect.Signature([tasks, *_in_order(kind, parameters)], return_annotation=returns)
        described.__doc__ = _with_settings(inspect.getdoc(function) or "", texts_of(kind), described.__signature__)
        described.settings = kind
        described.__annotations__ = {name: each.annotation for name, each in described.__signature__.parameters.items()}
        described.__annotations__["return"] = returns
        del described.__wrapped__  # its signature is that of the function
        return build

    return mark


def _in_order(settings: type, parameters: Any) -> list[inspect.Parameter]:
    """Returns the parameters of a class of settings, those of the class itself first and those of its last base last."""
    names = dict.fromkeys(name for base in settings.__mro__ for name in inspect.get_annotations(base))
    return [parameters[name] for name in names if name in parameters]


@functools.cache
def _described(kind: type) -> dict[str, str]:
    """Returns the descriptions of the settings that a class documents itself."""
    documented = docstring_parser.parse(inspect.cleandoc(kind.__doc__ or ""), docstring_parser.DocstringStyle.GOOGLE)
    return {each.arg_name: " ".join((each.description or "").split()) for each in documented.params}


def texts_of(settings: type) -> dict[str, str]:
    """Returns the description of each setting of a class of settings, from the first class that documents it."""
    texts: dict[str, str] = {}
    for base in settings.__mro__[:-1]:
        texts = _described(base) | texts
    return texts


def _with_settings(described: str, texts: dict[str, str], signature: inspect.Signature) -> str:
    """Returns a docstring with the arguments before its first section."""
    lines = ["  tasks: the distribution to train on."]
    for name in list(signature.parameters)[1:]:
        lines.append(textwrap.fill(f"{name}: {texts.get(name, '')}", 120, initial_indent="  ", subsequent_indent="    "))
    body, section, rest = described.partition("\n\nRaises:\n")
    if not section:
        body, section, rest = described.partition("\n\nExample:\n")
    return (
        f"{body}\n\nArgs:\n"
        + "\n".join(lines)
        + "\n\nReturns:\n  The outer learner; its ``inner`` is the agent."
        + section
        + rest
    )
