"""Every learner there is, small: the laws are tested on all of them."""

from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import jmeta
from jmeta.networks import CoreName, EncoderName
from jmeta.outer.base import OuterLearner
from jmeta.outer.off_policy import OffPolicy
from jmeta.tasks import BernoulliBandit, GridNavi, PointNavigation, SparsePointNavigation

SMALL: dict[str, Any] = {"widths": (8,), "num_streams": 6, "num_tasks": 4}
REPLAYED: dict[str, Any] = {
    "widths": (8, 8),
    "num_tasks": 4,
    "num_minibatches": 2,
    "num_passes": 2,
    "batch_size": 8,
    "capacity": 60,
}
EVOLVED: dict[str, Any] = {"widths": (8,), "num_streams": 6, "num_tasks": 2, "population_size": 8}


def exploring(outer: OffPolicy) -> OffPolicy:
    """With an agent that always gathers experience: what is shipped may do the same at every step, whatever the key."""
    return outer.replace(inner=outer.inner.explorer(1.0))


OUTER_LEARNERS: dict[str, Callable[[], OuterLearner]] = (
    {
        "rl2-discrete": lambda: jmeta.algorithms.rl2(
            BernoulliBandit(num_arms=3, num_pulls=6), hidden_size=8, num_tasks=8, num_epochs=2, num_minibatches=2
        ),
        "rl2-continuous": lambda: jmeta.algorithms.rl2(
            SparsePointNavigation(horizon=4, episodes=2), hidden_size=8, num_tasks=8, num_epochs=2, num_minibatches=2
        ),
        "maml-continuous": lambda: jmeta.algorithms.maml(
            PointNavigation(horizon=6), widths=(8, 8), num_streams=6, num_tasks=4, num_inner_steps=2
        ),
        "maml-discrete": lambda: jmeta.algorithms.maml(
            BernoulliBandit(num_arms=3, num_pulls=6), widths=(8,), num_streams=6, num_tasks=4
        ),
        "maml-first-order": lambda: jmeta.algorithms.maml(
            PointNavigation(horizon=6), widths=(8,), num_streams=6, num_tasks=4, first_order=True
        ),
        "average": lambda: jmeta.algorithms.average(
            SparsePointNavigation(horizon=4, episodes=2), widths=(8,), num_tasks=8, num_epochs=2, num_minibatches=2
        ),
    }
    | {
        name: partial(jmeta.algorithms.ALGORITHMS[name], PointNavigation(horizon=6), **settings)
        for name, settings in {
            "anil": SMALL,
            "cavia": SMALL,
            "e-maml": SMALL,
            "imaml": SMALL | {"strength": 5.0},
            "maml-plus-plus": SMALL | {"num_inner_steps": 2},
            "maml-trpo": SMALL | {"num_cg_steps": 3},
            "meta-lstm": SMALL | {"hidden_size": 3},
            "meta-sgd": SMALL,
            "promp": SMALL | {"num_epochs": 2},
            "reptile": SMALL,
            "es-maml": EVOLVED | {"num_inner_steps": 2},
        }.items()
    }
    | {
        f"rl2-{core}": partial(
            jmeta.algorithms.rl2, SparsePointNavigation(horizon=4, episodes=2), core=core, hidden_size=8, num_tasks=8
        )
        for core in get_args(CoreName)
        if core != "gru"
    }
    | {
        f"pearl-{encoder}": partial(
            jmeta.algorithms.pearl,
            SparsePointNavigation(horizon=4, episodes=2),
            encoder=encoder,
            encoder_widths=(8,),
            context_size=6,
            sees_clock=True,
            **REPLAYED,
        )
        for encoder in get_args(EncoderName)
    }
    | {
        "rl2-forgets-episodes": lambda: jmeta.algorithms.rl2(
            SparsePointNavigation(horizon=4, episodes=2),
            core="transformer",
            hidden_size=8,
            num_tasks=8,
            memory_span="episode",
            chunk_length=2,
            encoder_widths=(6,),
            head_widths=(5,),
        ),
        "varibad": lambda: jmeta.algorithms.varibad(
            SparsePointNavigation(horizon=4, episodes=2), hidden_size=8, num_tasks=8, num_minibatches=2, belief_batch_size=4
        ),
        "task-inference": lambda: jmeta.algorithms.task_inference(
            BernoulliBandit(num_arms=3, num_pulls=6), hidden_size=8, num_tasks=8, num_minibatches=2, belief_batch_size=4
        ),
        "varibad-hypernetwork": lambda: jmeta.algorithms.varibad(
            SparsePointNavigation(horizon=4, episodes=2),
            hidden_size=8,
            policy_widths=(6,),
            hypernetwork=True,
            num_tasks=8,
            num_minibatches=2,
            belief_batch_size=4,
        ),
        "recurrent-hypernetwork": lambda: jmeta.algorithms.recurrent_hypernetwork(
            SparsePointNavigation(horizon=4, episodes=2), hidden_size=8, head_widths=(5,), num_tasks=8
        ),
        "hypernetwork": lambda: jmeta.algorithms.hypernetwork(
            BernoulliBandit(num_arms=3, num_pulls=6), hidden_size=8, policy_widths=(5,), num_streams=2, num_tasks=8
        ),
        "es-maml-hill-climbing": lambda: jmeta.algorithms.es_maml(
            PointNavigation(horizon=6), adaptation="hill-climbing", **EVOLVED
        ),
        "maml-critic": lambda: jmeta.algorithms.maml(PointNavigation(horizon=6), baseline="critic", **SMALL),
        "sac": lambda: jmeta.algorithms.sac(SparsePointNavigation(horizon=4), **REPLAYED),
        "sac-discrete": lambda: exploring(
            jmeta.algorithms.sac(BernoulliBandit(num_arms=3, num_pulls=6), segment_length=6, **REPLAYED)
        ),
        "td3": lambda: jmeta.algorithms.td3(SparsePointNavigation(horizon=4), **REPLAYED),
        "mql": lambda: jmeta.algorithms.mql(
            SparsePointNavigation(horizon=4, episodes=2),
            hidden_size=4,
            sequence_length=4,
            burn_in=1,
            adapt_capacity=12,
            num_shipped=8,
            num_own_updates=2,
            num_old_updates=2,
            adapt_rate=0.01,
            **REPLAYED,
        ),
        "maml-dqn": lambda: jmeta.algorithms.maml_dqn(GridNavi(size=3, horizon=4), epsilon=0.5, inner_rate=0.5, **REPLAYED),
        "dqn": lambda: jmeta.algorithms.dqn(GridNavi(size=3, horizon=4), epsilon=0.5, **REPLAYED),
        "rl2-es": lambda: jmeta.algorithms.rl2_es(
            BernoulliBandit(num_arms=3, num_pulls=6), hidden_size=8, num_tasks=8, population_size=8
        ),
    }
)

COMMON = ("rl2-discrete", "rl2-continuous", "maml-continuous", "maml-discrete", "maml-first-order", "average")
"""Every other is a slow test."""
