"""Composition shared by algorithms that learn from replay."""

from jmeta.inner.off_policy import OffPolicyAgent
from jmeta.outer.off_policy import OffPolicy
from jmeta.ranges import Count, CountOrZero, Limit, Positive, PositiveShare, checked
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@checked
def off_policy_learner(
    tasks: TaskDistribution,
    inner: OffPolicyAgent,
    *,
    num_segments: Count | None = None,
    segment_length: Count | None = None,
    num_tasks: Count = 16,
    num_collected: Count | None = None,
    num_passes: Count = 64,
    num_minibatches: Count = 1,
    batch_size: Count = 16,
    microbatch_size: Count | None = None,
    capacity: Count = 20_000,
    num_contexts: Count = 1,
    shaped: bool = False,
    random_steps: CountOrZero = 0,
    explore_steps: Count | None = None,
    learning_rate: Positive = 3e-4,
    anneal_steps: Count | None = None,
    target_update_rate: PositiveShare = 0.005,
    max_gradient_norm: Limit = 10.0,
) -> OffPolicy:
    """Training tasks that are drawn once, each with replay of its own.

    Args:
      tasks: the distribution to meta-train on.
      inner: the agent.
      num_segments: segments of a lifetime; by default as many as a lifetime of the tasks has, and at least 2 if the agent adapts
        between segments.
      segment_length: environment steps of a segment, whole episodes; one episode by default.
      num_tasks: training tasks, drawn once.
      num_collected: tasks in which a lifetime is lived at each outer step, in turn; all by default.
      num_passes: over all tasks, in an outer step.
      num_minibatches: groups of tasks in a pass, with a gradient step for each; divides num_tasks.
      batch_size: rows of a task's replay in a gradient step.
      microbatch_size: tasks that a device learns from at once, which bounds memory; what is fastest by default.
      capacity: environment steps that each task's replay keeps.
      num_contexts: newest lifetimes of a task from which contexts are drawn.
      shaped: learn from the tasks' shaped reward, a privilege of training; what agents see and adapt to is the reward itself.
        Refused for agents that fine-tune their values on that reward.
      random_steps: outer steps at first in which all actions are uniformly random, as TD3's authors begin; none by default.
      explore_steps: outer steps over which exploration falls to its least; no fall by default.
      learning_rate: learning rate of Adam.
      anneal_steps: outer steps over which it falls linearly to zero; constant by default.
      target_update_rate: update rate of the target networks, in (0, 1].
      max_gradient_norm: the norm of the gradient of each part is clipped here: of the policy, of the critics, of the temperature,
        of the encoder.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a segment that is no whole number of episodes, one segment for an agent that adapts between segments,
        numbers that do not divide num_tasks, or too little replay.
    """
    return OffPolicy(
        inner=inner,
        tasks=tasks,
        protocol=protocol_of(tasks, num_segments, segment_length, inner.least_segments),
        num_tasks=num_tasks,
        num_collected=num_tasks if num_collected is None else num_collected,
        num_passes=num_passes,
        num_minibatches=num_minibatches,
        batch_size=batch_size,
        microbatch_size=microbatch_size,
        capacity=capacity,
        num_contexts=num_contexts,
        shaped=shaped,
        random_steps=random_steps,
        explore_steps=explore_steps,
        learning_rate=learning_rate,
        anneal_steps=anneal_steps,
        target_update_rate=target_update_rate,
        max_gradient_norm=max_gradient_norm,
    )


def protocol_of(
    tasks: TaskDistribution, num_segments: int | None, segment_length: int | None, least_segments: int = 1
) -> Protocol:
    """One stream; segments of an episode, as many as a lifetime of the tasks has and at least so many, unless told otherwise."""
    length = tasks.horizon if segment_length is None else segment_length
    number = max(least_segments, tasks.lifetime_length // max(1, length)) if num_segments is None else num_segments
    return Protocol(number, length, 1)


def check_layers(widths: tuple[int, ...]) -> None:
    """Raises ValueError unless there is a hidden layer."""
    if not widths:
        raise ValueError("widths=(): give at least one hidden layer")
