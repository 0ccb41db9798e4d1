"""``jmeta evaluate``."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium

from jmeta.agent import Agent
from jmeta.cli.arguments import evaluation_key, given
from jmeta.cli.evaluate_options import EvaluateOptions
from jmeta.cli.evaluation_table import print_evaluation
from jmeta.cli.other_tasks import TaskFamily, family_of, task_command, tasks_of
from jmeta.evaluation import Evaluation, evaluate
from jmeta.interop.gymnasium import MakeEnv, varied
from jmeta.interop.gymnasium import evaluate as evaluate_in_gymnasium
from jmeta.references import Random
from jmeta.runs import load
from jmeta.training import RunDirectory
from jmeta.training.files import replace_file
from jmeta.training.provenance import device, git_commit, versions
from jmeta.types import Protocol
from jmeta.zoo import is_zoo_name

TRANSFER = "transfer"  # folder of the evaluations in other task families


@task_command("evaluate", "Evaluate a trained agent on held-out tasks: jmeta evaluate DIR.", EvaluateOptions)
def evaluate_command(options: EvaluateOptions, chosen: TaskFamily | None) -> int:
    """Evaluates a checkpoint of a run in its task family, in another one that is named, or in a Gymnasium environment."""
    run, num_tasks, seed, greedy = options.run, options.num_tasks, options.seed, options.greedy
    if options.gymnasium is not None and chosen is not None:
        raise ValueError(f"--gymnasium {options.gymnasium} and --task {chosen.name}: give one of them")
    opened = load(run, step=options.step, trust=options.trust)
    lengths = given(segment_length=options.segment_length, num_streams=options.num_streams)
    if options.gymnasium is not None:
        if lengths:
            raise ValueError("--gymnasium: segments are as long, and streams as many, as in training; leave these options out")
        make_env = varied(options.gymnasium, dict(map(_range, options.vary)), seed=seed)
        agent = opened.agent(num_tasks=num_tasks, greedy=greedy, num_segments=options.num_segments)
        print(f"outer step {opened.step}, {num_tasks} tasks in Gymnasium{_truncation(agent, options.gymnasium)}")
        return _in_gymnasium(agent, make_env, seed, progress=options.progress)
    if options.vary:
        raise ValueError(
            f"--vary {options.vary[0]}: it belongs to --gymnasium ENVIRONMENT; the tasks of the run vary by themselves"
        )
    protocol = opened.protocol._replace(**given(num_segments=options.num_segments), **lengths)
    family, is_other = tasks_of(opened, chosen)
    tasks = family.tasks.on_split(options.split)
    json_file = options.json_file
    if json_file is not None and not json_file.parent.is_dir():
        raise ValueError(f"--json {json_file}: there is no directory {json_file.parent}")
    living = partial(evaluate, key=evaluation_key(seed), num_tasks=num_tasks, progress=options.progress)
    result = living(opened.inner, tasks, opened.theta, protocol=protocol, greedy=greedy)
    at_random = Random(tasks.observation_size, tasks.action_space)
    random = living(at_random, tasks, (), protocol=Protocol(1, tasks.horizon, protocol.num_streams))
    print_evaluation(result, random, tasks, opened.step, trained_on=opened.tasks if is_other else None)
    reference = tasks.reference_return(protocol.num_segments * protocol.segment_length)
    directory = None if is_zoo_name(run) else RunDirectory(run).path
    summary = result.summary() | {
        "tasks": family.described,
        "trained_on": family_of(opened).described,
        "random": {
            "episode_return": random.summary()["episode_returns"][0],  # not of all episodes within the horizon
            "standard_error": random.summary()["episode_standard_errors"][0],
        },
        "run": str(directory or run),
        "outer_step": opened.step,
        "seed": seed,
        "versions": versions(),
        "device": device(),
        "git_commit": git_commit(),
        "reference": None if reference is None else reference._asdict(),
    }
    lifetime = "x".join(map(str, protocol))
    name = f"{options.split}-step{opened.step}-seed{seed}-{num_tasks}tasks-{lifetime}{'-greedy' if greedy else ''}"
    folder = directory and directory / "evaluations"
    if is_other:  # apart, since the newest one in the folder is the score of the run
        folder, name = folder and folder / TRANSFER, f"{family.label}-{name}"
    _write(result, summary, folder, name, json_file)
    return 0


def _truncation(agent: Agent, env_id: str) -> str:
    """Returns a remark if the agent's episodes are shorter than an environment of Gymnasium allows."""
    limit, horizon = gymnasium.spec(env_id).max_episode_steps, agent.about["horizon"]
    if limit is None or limit <= horizon:
        return ""
    return f"; episodes are truncated after {horizon} steps, as in training, and {env_id} allows {limit}"


def _in_gymnasium(agent: Agent, make_env: MakeEnv, seed: int, *, progress: bool) -> int:
    """Evaluates an agent in Gymnasium's environments, and prints the return of each episode."""
    result = evaluate_in_gymnasium(agent, make_env, seed=seed, progress=progress)
    summary = result.summary()
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


def _write(result: Evaluation, summary: dict[str, Any], folder: Path | None, name: str, json_file: Path | None) -> None:
    """Writes the summary as JSON, also to ``json_file``, and the arrays as npz; an agent of the zoo has no folder."""
    content = json.dumps(summary, indent=2) + "\n"
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        result.save(folder / f"{name}.npz")
        replace_file(folder / f"{name}.json", content.encode())
    if json_file is not None:
        json_file.write_text(content)
