"""The two settings that every algorithm has: running normalisation of observations and of rewards."""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any

from jmeta.outer.base import OuterLearner
from jmeta.outer.normalised import Normalising
from jmeta.tasks.base import TaskDistribution

SETTINGS = {
    "normalize_observations": (
        "whether to normalise each feature of the observations by its running mean and standard deviation, clipped to "
        "[-10, 10]; for observations far from unit scale."
    ),
    "normalize_rewards": (
        "whether to divide the rewards that the agent observes and learns from by the running root mean square of the "
        "discounted return, clipped to [-10, 10]; reported returns are sums of the original rewards."
    ),
}


def normalisable(build: Callable[..., OuterLearner]) -> Callable[..., Any]:
    """Gives an algorithm the settings ``normalize_observations`` and ``normalize_rewards``, both False by default.

    With either, the algorithm's outer learner is the ``learner`` of a ``jmeta.outer.normalised.Normalising``.
    """

    @functools.wraps(build)
    def algorithm(
        tasks: TaskDistribution, *, normalize_observations: bool = False, normalize_rewards: bool = False, **settings: Any
    ) -> OuterLearner:
        if unknown := sorted(settings.keys() - signature.parameters.keys()):
            near = difflib.get_close_matches(unknown[0], signature.parameters, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{build.__name__}() has no setting {unknown[0]!r}{hint}")
        learner = build(tasks, **settings)
        if not (normalize_observations or normalize_rewards):
            return learner
        return Normalising(learner, observations=normalize_observations, rewards=normalize_rewards)

    signature = inspect.signature(build, eval_str=True)
    own = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool) for name in SETTINGS]
    parameters = [*signature.parameters.values(), *own]
    algorithm.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    algorithm.__doc__ = _with_settings(inspect.getdoc(build) or "")
    return algorithm


def _with_settings(described: str) -> str:
    """A docstring with the two settings at the end of its ``Args``."""
    before, args, rest = described.partition("\nArgs:\n")
    own, blank, after = rest.partition("\n\n")
    lines = [f"  {name}: {text}" for name, text in SETTINGS.items()]
    return before + args + "\n".join([own, *lines]) + blank + after
