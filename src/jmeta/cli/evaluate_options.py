"""Options of ``jmeta evaluate``."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from jmeta.cli.arguments import RunArgument, SplitOption, TaskOption, TrustOption


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Evaluates a checkpoint of a run, the newest intact one by default.

    With --task the agent is evaluated in another task family with the same observations and actions. With --gymnasium it acts
    and adapts in Gymnasium's own environment, which need not be written in JAX.
    """

    run: RunArgument
    num_tasks: int = 1000
    """number of tasks to evaluate on, one lifetime in each."""
    split: SplitOption = "held-out"
    task: TaskOption = None
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None
    """also write the result to this JSON file."""
    seed: int = 0
    """seed of the tasks and of all that happens in them."""
    num_segments: int | None = None
    """segments of a lifetime, with an adaptation between two segments; as in training by default."""
    segment_length: int | None = None
    """environment steps of a segment, in each stream; as in training by default."""
    num_streams: int | None = None
    """environments that run in parallel in each task; as in training by default."""
    greedy: bool = False
    """take the most likely action at every step, instead of a sampled one."""
    step: int | None = None
    """outer step of the checkpoint; the newest intact one by default."""
    progress: bool = True
    """show progress on standard error."""
    gymnasium: str | None = None
    """the name of a Gymnasium environment to evaluate in, such as CartPole-v1, instead of the tasks of the run."""
    vary: tuple[str, ...] = ()
    """what differs between tasks in that environment, as NAME=LOW:HIGH, such as length=0.3:1.5."""
    trust: TrustOption = False
