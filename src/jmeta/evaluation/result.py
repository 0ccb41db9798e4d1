"""Results of an evaluation."""

import dataclasses
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from jmeta.types import Protocol, Task


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Returns in every task, averaged over streams, together with the tasks.

    The listed episodes are the first ``segment_length // horizon`` of each segment, which every stream completes. Where episodes
    end early, an agent may complete more of them. These count in the returns of segments and lifetimes but not in
    ``episode_returns``, so the listed returns do not add up to that of the lifetime.

    Attributes:
      lifetime_returns: [N] sum of all rewards of a stream.
      episode_returns: [N, E] undiscounted return of each episode, in order.
      segment_returns: [N, K] sum of the rewards of each segment.
      trajectory_returns: [N, K] mean undiscounted return of *all* episodes that end within a segment, however many.
        Publications that average over a batch of experience report this; short episodes are more numerous in it.
      episode_env_steps: [E] environment steps spent in the task, all streams together, before each episode (mean over tasks).
      segment_env_steps: [K] the same before each segment; exact.
      protocol: the experience of a lifetime.
      split: the split of the tasks, or "given" if they were given.
      tasks: the tasks, leaves [N, ...].
      infos: values of the environment's ``info`` by name, [N, E]. A number, such as a cost, is summed over the episode. A
        boolean, such as success, gives the fraction of streams in which it was true at any step of the episode.
      greedy: whether the most likely actions were taken, rather than sampled ones.
    """

    lifetime_returns: np.ndarray
    episode_returns: np.ndarray
    segment_returns: np.ndarray
    trajectory_returns: np.ndarray
    episode_env_steps: np.ndarray
    segment_env_steps: np.ndarray
    protocol: Protocol
    split: str
    tasks: Task = None
    infos: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    greedy: bool = False

    @classmethod
    def of(cls, measures: dict[str, Any], protocol: Protocol, *, split: str, tasks: Task = None, greedy: bool = False) -> Self:
        """Returns the result of ``jmeta.evaluation.measures.measure`` in all tasks, leaves [N, ...]."""
        return cls(
            lifetime_returns=measures["lifetime"],
            episode_returns=measures["episode"],
            segment_returns=measures["segment"],
            trajectory_returns=measures["trajectory"],
            episode_env_steps=measures["begins"].mean(0),
            segment_env_steps=np.arange(protocol.num_segments) * protocol.segment_length * protocol.num_streams,
            protocol=protocol,
            split=split,
            tasks=tasks,
            infos=measures["infos"],
            greedy=greedy,
        )

    @property
    def num_tasks(self) -> int:
        """N."""
        return len(self.lifetime_returns)

    @property
    def mean_return(self) -> float:
        """Mean lifetime return over tasks."""
        return float(self.lifetime_returns.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of ``mean_return`` over tasks; infinite for a single task."""
        return standard_error(self.lifetime_returns)

    def summary(self) -> dict[str, Any]:
        """Means over tasks, as plain numbers and lists for JSON; standard errors are None for a single task."""
        known = self.num_tasks > 1
        return {
            "mean_return": self.mean_return,
            "standard_error": self.standard_error if known else None,
            "episode_returns": self.episode_returns.mean(0).tolist(),
            "episode_standard_errors": [standard_error(x) if known else None for x in self.episode_returns.T],
            "segment_returns": self.segment_returns.mean(0).tolist(),
            "segment_standard_errors": [standard_error(x) if known else None for x in self.segment_returns.T],
            "trajectory_returns": self.trajectory_returns.mean(0).tolist(),
            "infos": {name: values.mean(0).tolist() for name, values in self.infos.items()},
            "env_steps": self.episode_env_steps.tolist(),
            "segment_env_steps": self.segment_env_steps.tolist(),
            "num_tasks": self.num_tasks,
            "split": self.split,
            "greedy": self.greedy,
            "protocol": self.protocol._asdict(),
        }

    def save(self, file: str | Path) -> None:
        """Writes the arrays of every task as NumPy's npz: returns by their names here, "infos/NAME", and "tasks/LEAF"."""
        returns = ("lifetime_returns", "episode_returns", "segment_returns", "trajectory_returns")
        arrays = {name: getattr(self, name) for name in returns}
        arrays |= {f"infos/{name}": values for name, values in self.infos.items()}
        for path, leaf in jax.tree.leaves_with_path(self.tasks):
            arrays[f"tasks/{jax.tree_util.keystr(path, simple=True, separator='/')}"] = np.asarray(leaf)
        np.savez_compressed(file, **arrays)


def standard_error(sample: np.ndarray) -> float:
    """Standard error of the mean of independent values [N]."""
    return float(sample.std(ddof=1) / np.sqrt(len(sample))) if len(sample) > 1 else float("inf")
