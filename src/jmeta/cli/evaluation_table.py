"""An evaluation as text: a table of its episodes, and sentences below."""

from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

from jmeta.evaluation import Evaluation, standard_error
from jmeta.tasks import TaskDistribution


def print_evaluation(
    result: Evaluation,
    random: Evaluation,
    tasks: TaskDistribution,
    step: int,
    *,
    trained_on: TaskDistribution | None = None,
) -> None:
    """Prints the returns of an agent and of random actions, and the reference return of the tasks, if there is one.

    Args:
      result: evaluation of the agent.
      random: evaluation of random actions.
      tasks: tasks of the evaluation.
      step: outer step of the agent.
      trained_on: tasks that the agent was trained on, if these are others.
    """
    protocol = result.protocol
    say = partial(Console().print, highlight=False, soft_wrap=True)
    say(
        f"outer step {step}, {result.num_tasks} {result.split} tasks of {type(tasks).__name__}, a lifetime = "
        f"{protocol.num_segments} segment(s) x {protocol.segment_length} steps x {protocol.num_streams} stream(s)"
        f"{', most likely actions' if result.greedy else ''}"
    )
    if trained_on is not None:
        say(f"trained on {trained_on.train}, evaluated in {tasks}")
        lived = protocol.num_segments * protocol.segment_length
        if lived != tasks.lifetime_length:
            say(
                f"the lifetime is that of the training, {lived} steps a stream; a lifetime of {type(tasks).__name__} usually has "
                f"{tasks.lifetime_length} (--num-segments, --segment-length)"
            )
    table = Table("episode", "after env steps", "return", "± s.e.", *result.infos)
    means = [values.mean(0) for values in result.infos.values()]
    rows = zip(result.episode_env_steps, result.episode_returns.T, *means, strict=True)
    for index, (env_steps, returns, *infos) in enumerate(rows):
        numbers = (f"{x:.4f}" for x in (returns.mean(), standard_error(returns), *infos))
        table.add_row(str(index + 1), f"{env_steps:.0f}", *numbers)
    Console().print(table)
    say(f"return of a lifetime: {result.mean_return:.4f} ± {result.standard_error:.4f} (s.e.)")
    listed = result.episode_returns.sum(1).mean()
    if not np.isclose(listed, result.mean_return, rtol=1e-4):
        say(
            f"  (the episodes listed add up to {listed:.4f}: episodes may end early, and only the first "
            f"{protocol.segment_length // tasks.horizon} of a segment, which every stream completes, are listed; the return of "
            "the lifetime includes all episodes)"
        )
    first = result.episode_returns[:, 0].mean()
    say(f"first episode: {first:.4f}, acting at random: {random.episode_returns[:, 0].mean():.4f} per episode")
    reference = tasks.reference_return(protocol.num_segments * protocol.segment_length)
    if reference is not None:
        say(f"{reference.label}: {reference.value:.4f} per {reference.per}")
