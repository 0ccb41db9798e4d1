"""jmeta: meta-reinforcement learning in JAX.

An *inner learner* turns experience in one task into behaviour in that task; an *outer learner* improves it over a distribution
of tasks. Start with ``jmeta.algorithms``, ``jmeta.tasks``, ``jmeta.train`` and ``jmeta.evaluate``.

Importing jmeta configures JAX's CPU runtime, see ``jmeta._runtime``. Submodules are imported when they are first used, and
gymnax with the tasks.
"""

import importlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

_is_command = (
    os.path.basename(next(iter(sys.argv), "")) in ("-m", "jmeta") and threading.current_thread() is threading.main_thread()
)
if _is_command:  # Ctrl-C while JAX is imported, which takes a second, ends a command without a traceback
    _before = signal.signal(signal.SIGINT, signal.SIG_DFL)
from jmeta._runtime import configure  # noqa: E402

configure()
if _is_command:
    signal.signal(signal.SIGINT, _before)

if TYPE_CHECKING:
    from jmeta import (
        agent,
        algorithms,
        comparison,
        diagnostics,
        evaluation,
        inner,
        interop,
        networks,
        objectives,
        outer,
        recipes,
        references,
        registry,
        struct,
        tasks,
        testing,
        training,
        zoo,
    )
    from jmeta.agent import Agent, load_agent
    from jmeta.evaluation.evaluate import evaluate
    from jmeta.inner import InContextLearner, InnerLearner
    from jmeta.keys import as_key
    from jmeta.lifetime import live, replay
    from jmeta.outer import OuterLearner
    from jmeta.runs import load
    from jmeta.tasks import TaskDistribution
    from jmeta.training import restore, train
    from jmeta.types import Protocol

__version__ = "0.1.0"

_MEMBERS = {
    "Agent": "jmeta.agent",
    "InContextLearner": "jmeta.inner",
    "InnerLearner": "jmeta.inner",
    "OuterLearner": "jmeta.outer",
    "Protocol": "jmeta.types",
    "TaskDistribution": "jmeta.tasks",
    "as_key": "jmeta.keys",
    "evaluate": "jmeta.evaluation",
    "live": "jmeta.lifetime",
    "load": "jmeta.runs",
    "load_agent": "jmeta.agent",
    "replay": "jmeta.lifetime",
    "restore": "jmeta.training",
    "train": "jmeta.training",
}

__all__ = [
    "Agent",
    "InContextLearner",
    "InnerLearner",
    "OuterLearner",
    "Protocol",
    "TaskDistribution",
    "agent",
    "algorithms",
    "as_key",
    "comparison",
    "diagnostics",
    "evaluate",
    "evaluation",
    "inner",
    "interop",
    "live",
    "load",
    "load_agent",
    "networks",
    "objectives",
    "outer",
    "recipes",
    "references",
    "registry",
    "replay",
    "restore",
    "struct",
    "tasks",
    "testing",
    "train",
    "training",
    "zoo",
]
_MODULES = frozenset(__all__) - frozenset(_MEMBERS)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"jmeta.{name}")
    if name in _MEMBERS:
        return getattr(importlib.import_module(_MEMBERS[name]), name)
    raise AttributeError(f"module 'jmeta' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
