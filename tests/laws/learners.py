"""Every learner there is, small: the laws are tested on all of them.

``LEARNERS`` has at least one case for every algorithm of ``jmeta.algorithms.ALGORITHMS``, which a test holds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, get_args

from jmeta.algorithms import ALGORITHMS
from jmeta.networks import CoreName, EncoderName
from jmeta.outer.base import OuterLearner
from jmeta.outer.off_policy import OffPolicy
from jmeta.tasks import BernoulliBandit, GridNavi, PointNavigation, SparsePointNavigation
from tests.tasks.spaced_families import Shown

ARMS = BernoulliBandit(num_arms=3, num_pulls=6)
POINT = PointNavigation(horizon=6)
CIRCLE = SparsePointNavigation(horizon=4, episodes=2)
ONE_EPISODE = SparsePointNavigation(horizon=4)
GRID = GridNavi(size=3, horizon=4)
CHOICES = Shown(observation="dict", action="multi-discrete")

SMALL: dict[str, Any] = {"widths": (8,), "num_streams": 6, "num_tasks": 4}
RECURRENT: dict[str, Any] = {"hidden_size": 8, "num_tasks": 8}
BATCHED: dict[str, Any] = {"num_tasks": 8, "num_epochs": 2, "num_minibatches": 2}
BELIEVING: dict[str, Any] = {"hidden_size": 8, "num_tasks": 8, "num_minibatches": 2, "belief_batch_size": 4}
LEARNED_FROM: dict[str, Any] = {"num_passes": 2, "batch_size": 8, "capacity": 60}
REPLAYED: dict[str, Any] = {"widths": (8, 8), "num_training_tasks": 4, "num_minibatches": 2} | LEARNED_FROM
FINE_TUNED: dict[str, Any] = {
    "sequence_length": 4,
    "burn_in": 1,
    "adapt_capacity": 12,
    "num_shipped": 8,
    "num_own_updates": 2,
    "num_old_updates": 2,
}
EVOLVED: dict[str, Any] = {"widths": (8,), "num_streams": 6, "num_tasks": 2, "population_size": 8}

Case = tuple[Any, dict[str, Any]]
"""Tasks and settings."""

LEARNERS: dict[str, dict[str, Case]] = {
    "anil": {"": (POINT, SMALL)},
    "average": {"": (CIRCLE, {"widths": (8,)} | BATCHED)},
    "cavia": {"": (POINT, SMALL)},
    "dqn": {"": (GRID, {"epsilon": 0.5} | REPLAYED)},
    "e-maml": {"": (POINT, SMALL)},
    "es-maml": {
        "": (POINT, EVOLVED | {"num_inner_steps": 2}),
        "hill-climbing": (POINT, EVOLVED | {"adaptation": "hill-climbing"}),
    },
    "fomaml": {"": (POINT, SMALL)},
    "hypernetwork": {"": (ARMS, RECURRENT | {"policy_widths": (5,), "num_streams": 2})},
    "imaml": {"": (POINT, SMALL | {"strength": 5.0})},
    "maml": {
        "continuous": (POINT, SMALL | {"widths": (8, 8), "num_inner_steps": 2}),
        "discrete": (ARMS, SMALL),
        "several-choices": (CHOICES, SMALL),
        "first-order": (POINT, SMALL | {"first_order": True}),
        "critic": (POINT, SMALL | {"baseline": "critic"}),
    },
    "maml-dqn": {"": (GRID, {"epsilon": 0.5, "inner_rate": 0.5} | REPLAYED)},
    "maml-plus-plus": {"": (POINT, SMALL | {"num_inner_steps": 2})},
    "maml-trpo": {"": (POINT, SMALL | {"num_cg_steps": 3})},
    "mann": {"": (CIRCLE, RECURRENT)},
    "meta-lstm": {"": (POINT, SMALL | {"hidden_size": 3})},
    "meta-sgd": {"": (POINT, SMALL)},
    "mql": {
        "": (
            CIRCLE,
            REPLAYED | FINE_TUNED | {"hidden_size": 4, "adapt_rate": 0.01},
        )
    },
    "oracle": {"": (CIRCLE, {"widths": (8,)} | BATCHED)},
    "pearl": {
        encoder: (
            CIRCLE,
            REPLAYED | {"encoder": encoder, "encoder_widths": (8,), "context_size": 6, "sees_clock": True},
        )
        for encoder in get_args(EncoderName)
    },
    "promp": {"": (POINT, SMALL | {"num_epochs": 2})},
    "recurrent-hypernetwork": {"": (CIRCLE, RECURRENT | {"head_widths": (5,)})},
    "reptile": {"": (POINT, SMALL)},
    "rl2": {"discrete": (ARMS, {"hidden_size": 8} | BATCHED), "continuous": (CIRCLE, {"hidden_size": 8} | BATCHED)}
    | {core: (CIRCLE, RECURRENT | {"core": core}) for core in get_args(CoreName) if core != "gru"}
    | {
        "several-choices": (CHOICES, RECURRENT),
        "forgets-episodes": (
            CIRCLE,
            RECURRENT
            | {
                "core": "transformer",
                "memory_span": "episode",
                "chunk_length": 2,
                "encoder_widths": (6,),
                "head_widths": (5,),
            },
        ),
    },
    "rl2-cma-es": {
        covariance: (ARMS, {"hidden_size": 2, "num_tasks": 8, "population_size": 8, "covariance": covariance})
        for covariance in ("full", "diagonal")
    },
    "rl2-es": {"": (ARMS, {"hidden_size": 8, "num_tasks": 8, "population_size": 8})},
    "sac": {"": (ONE_EPISODE, REPLAYED), "discrete": (ARMS, {"segment_length": 6} | REPLAYED)},
    "snail": {"": (CIRCLE, RECURRENT)},
    "task-inference": {"": (ARMS, BELIEVING)},
    "td3": {"": (ONE_EPISODE, REPLAYED)},
    "varibad": {
        "": (CIRCLE, BELIEVING),
        "hypernetwork": (CIRCLE, BELIEVING | {"policy_widths": (6,), "hypernetwork": True}),
    },
}


def exploring(outer: OffPolicy) -> OffPolicy:
    """With an agent that always gathers experience: what is shipped may do the same at every step, whatever the key."""
    return outer.replace(inner=outer.inner.behaviour_policy(1.0))


def build(algorithm: str, variant: str) -> OuterLearner:
    tasks, settings = LEARNERS[algorithm][variant]
    outer = ALGORITHMS[algorithm](tasks, **settings)
    return exploring(outer) if (algorithm, variant) == ("sac", "discrete") else outer


OUTER_LEARNERS: dict[str, Callable[[], OuterLearner]] = {
    f"{algorithm}-{variant}".rstrip("-"): partial(build, algorithm, variant)
    for algorithm, variants in LEARNERS.items()
    for variant in variants
}

FIRST: frozenset[str] = frozenset(f"{algorithm}-{next(iter(variants))}".rstrip("-") for algorithm, variants in LEARNERS.items())
"""One case of every algorithm."""

COMMON = frozenset(("rl2-continuous", "maml-continuous", "average"))
"""The laws are tested on these by default; on all others by slow tests."""
