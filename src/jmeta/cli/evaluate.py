"""``jmeta evaluate``."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from jmeta.agent import Agent
from jmeta.cli.arguments import RunArgument, SplitOption, TrustOption, evaluation_key, given
from jmeta.cli.command import tyro_command
from jmeta.cli.evaluation_table import print_evaluation
from jmeta.evaluation import Evaluation, evaluate
from jmeta.interop.gymnasium import MakeEnv, varied
from jmeta.interop.gymnasium import evaluate as evaluate_in_gymnasium
from jmeta.references import Random
from jmeta.runs import load
from jmeta.training import RunDirectory
from jmeta.training.provenance import device, git_commit, versions
from jmeta.types import Protocol


@tyro_command("evaluate", "Evaluate a trained agent on held-out tasks: jmeta evaluate DIR.")
def evaluate_command(
    run: RunArgument,
    num_tasks: int = 1000,
    split: SplitOption = "held-out",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    seed: int = 0,
    num_segments: int | None = None,
    segment_length: int | None = None,
    num_streams: int | None = None,
    greedy: bool = False,
    step: int | None = None,
    progress: bool = True,
    gymnasium: str | None = None,
    vary: tuple[str, ...] = (),
    trust: TrustOption = False,
) -> int:
    """Evaluates a checkpoint of a run, the newest intact one by default.

    With --gymnasium the agent acts and adapts in Gymnasium's own environment, which need not be written in JAX.

    Args:
      num_tasks: number of tasks to evaluate on, one lifetime in each.
      json_file: also write the result to this JSON file.
      seed: seed of the tasks and of all that happens in them.
      num_segments: segments of a lifetime, with an adaptation between two segments; as in training by default.
      segment_length: environment steps of a segment, in each stream; as in training by default.
      num_streams: environments that run in parallel in each task; as in training by default.
      greedy: take the most likely action at every step, instead of a sampled one.
      step: outer step of the checkpoint; the newest intact one by default.
      progress: show progress on standard error.
      gymnasium: the name of a Gymnasium environment to evaluate in, such as CartPole-v1, instead of the tasks of the run.
      vary: what differs between tasks in that environment, as NAME=LOW:HIGH, such as length=0.3:1.5.
    """
    opened = load(run, step=step, trust=trust)
    if gymnasium is not None:
        if given(segment_length=segment_length, num_streams=num_streams):
            raise ValueError("--gymnasium: segments are as long, and streams as many, as in training; leave these options out")
        return _in_gymnasium(
            opened.agent(num_tasks=num_tasks, greedy=greedy, num_segments=num_segments),
            varied(gymnasium, dict(map(_range, vary)), seed=seed),
            seed,
            opened.step,
            progress=progress,
        )
    if vary:
        raise ValueError(f"--vary {vary[0]}: it belongs to --gymnasium ENVIRONMENT; the tasks of the run vary by themselves")
    changes = given(num_segments=num_segments, segment_length=segment_length, num_streams=num_streams)
    protocol = opened.protocol._replace(**changes)
    tasks = opened.tasks.on_split(split)
    if json_file is not None and not json_file.parent.is_dir():
        raise ValueError(f"--json {json_file}: there is no directory {json_file.parent}")
    living = partial(evaluate, key=evaluation_key(seed), num_tasks=num_tasks, progress=progress)
    result = living(opened.inner, tasks, opened.theta, protocol=protocol, greedy=greedy)
    at_random = Random(tasks.observation_size, tasks.action_space)
    random = living(at_random, tasks, (), protocol=Protocol(1, tasks.horizon, protocol.num_streams))
    print_evaluation(result, random, tasks, opened.step)
    reference = tasks.reference_return(protocol.num_segments * protocol.segment_length)
    directory = RunDirectory(run).path
    summary = result.summary() | {
        "random": {"episode_return": random.mean_return, "standard_error": random.summary()["standard_error"]},
        "run": str(directory),
        "outer_step": opened.step,
        "seed": seed,
        "versions": versions(),
        "device": device(),
        "git_commit": git_commit(),
        "reference": None if reference is None else reference._asdict(),
    }
    lifetime = "x".join(map(str, protocol))
    name = f"{split}-step{opened.step}-seed{seed}-{num_tasks}tasks-{lifetime}{'-greedy' if greedy else ''}"
    _write(result, summary, directory / "evaluations", name, json_file)
    return 0


def _in_gymnasium(agent: Agent, make_env: MakeEnv, seed: int, step: int, *, progress: bool) -> int:
    """Evaluates an agent in Gymnasium's environments, and prints the return of each episode."""
    result = evaluate_in_gymnasium(agent, make_env, seed=seed, progress=progress)
    summary = result.summary()
    print(f"outer step {step}, {result.num_tasks} tasks in Gymnasium")
    for number, (mean, error) in enumerate(
        zip(summary["episode_returns"], summary["episode_standard_errors"], strict=True), start=1
    ):
        print(f"episode {number}: {mean:.4f}" + ("" if error is None else f" ± {error:.4f} (s.e.)"))
    print(f"mean of all episodes that end: {result.trajectory_returns.mean():.4f}")
    return 0


def _range(text: str) -> tuple[str, tuple[float, float]]:
    """Returns the name and the range of NAME=LOW:HIGH."""
    try:
        name, between = text.split("=")
        low, high = map(float, between.split(":"))
    except ValueError:
        raise ValueError(f"--vary {text}: give NAME=LOW:HIGH, such as length=0.3:1.5") from None
    return name, (low, high)


def _write(result: Evaluation, summary: dict[str, Any], folder: Path, name: str, json_file: Path | None) -> None:
    """Writes the summary as JSON, also to ``json_file``, and the arrays of every task as npz."""
    folder.mkdir(exist_ok=True)
    for file in [folder / f"{name}.json", *([json_file] if json_file else [])]:
        file.write_text(json.dumps(summary, indent=2) + "\n")
    result.save(folder / f"{name}.npz")
