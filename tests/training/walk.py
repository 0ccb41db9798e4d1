"""An outer learner that costs nothing: theta is a random walk, so that every step and every key shows in the result."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jmeta
from jmeta import struct
from jmeta.outer.base import OuterLearner
from jmeta.tasks import BernoulliBandit
from jmeta.training import RunDirectory, TrainResult, restore
from jmeta.training.arrays import to_arrays
from jmeta.types import MetaState, Metrics, Protocol

KEY = jax.random.key(5)


@struct.dataclass
class Walk(OuterLearner):
    """``return/after`` is where the walk is. It has as many kinds of leaves as a real meta-state: float, integer, key.

    Attributes:
      nan_at: the step whose metric ``sick`` is NaN.
      nan_in_theta: the step after which theta holds NaN, though no metric says so.
    """

    learning_rate: Any = 0.1
    num_tasks: int = struct.field(pytree_node=False, default=4)
    nan_at: int = struct.field(pytree_node=False, default=-1)
    nan_in_theta: int = struct.field(pytree_node=False, default=-1)
    inner: Any = struct.field(pytree_node=False, default=None)
    tasks: Any = struct.field(pytree_node=False, default=BernoulliBandit(num_pulls=5))  # nothing is lived in them
    protocol: Protocol = struct.field(pytree_node=False, default=Protocol(1, 5, 1))

    def init(self, key: jax.Array) -> MetaState:
        theta = {"position": jax.random.normal(key, (3,)), "other": jnp.zeros((2, 2), jnp.float32)}
        return MetaState(theta, (jnp.zeros((), jnp.int32),), jax.random.split(key))

    def step(self, state: MetaState, key: jax.Array) -> tuple[MetaState, Metrics]:
        number = state.opt_state[0] + 1
        theta = jax.tree.map(lambda x: x - self.learning_rate * x + jax.random.normal(key, x.shape), state.theta)
        theta["other"] = jnp.where(number == self.nan_in_theta, jnp.nan, theta["other"])
        metrics = {
            "return/before": state.theta["position"].sum(),
            "return/after": theta["position"].sum(),
            "sick": jnp.where(number == self.nan_at, jnp.nan, 0.5),
        }
        return MetaState(theta, (number,), state.extra), metrics

    def meta_gradient(self, state: MetaState, key: jax.Array) -> None:
        pass

    def check_devices(self, num_devices: int) -> None:
        if self.num_tasks % num_devices:
            raise ValueError(f"num_tasks={self.num_tasks} on {num_devices} devices")


def walk(
    out: Path | None = None, num_steps: int = 20, *, outer: OuterLearner | None = None, key: jax.Array = KEY, **options: Any
) -> TrainResult:
    """Trains quietly, with a checkpoint at every fifth step."""
    options = {"checkpoint_every": 5, "progress": False} | options
    return jmeta.train(outer or Walk(), key, num_steps, out=out, **options)


def steps(out: Path) -> list[int]:
    """Steps whose checkpoints are complete."""
    return sorted(int(path.name) for path in (out / "checkpoints").iterdir() if path.name.isdigit())


def assert_same_run(one: Path, other: Path, outer: OuterLearner) -> None:
    """The same metrics, to the letter, and the same newest checkpoint, to the bit."""
    lines = [RunDirectory(out).metrics_file.read_text().splitlines() for out in (one, other)]
    assert lines[0]
    assert lines[0] == lines[1]
    (step_one, state_one), (step_other, state_other) = (restore(outer, out) for out in (one, other))
    assert step_one == step_other == len(lines[0])
    arrays, others = to_arrays(state_one), to_arrays(state_other)
    assert arrays.keys() == others.keys()
    for path, array in arrays.items():
        assert array.dtype == others[path].dtype, path
        np.testing.assert_array_equal(array, others[path], err_msg=path)
