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
    """Off-policy meta-learning on training tasks that are drawn once, each with its own replay buffer.

    Args:
      tasks: the distribution to meta-train on.
      inner: the agent.
      num_segments: segments of a lifetime; by default as many as ``tasks.lifetime_length`` holds, and at least 2 if the agent
        adapts between segments.
      segment_length: environment steps of a segment, a whole number of episodes; one episode by default.
      num_tasks: number of training tasks, which are drawn once.
      num_collected: tasks in which an outer step collects a lifetime each, in turn; all tasks by default.
      num_passes: training passes over all tasks in an outer step.
      num_minibatches: minibatches of tasks in a pass, with one gradient step each; must divide num_tasks.
      batch_size: sequences sampled from each task's replay buffer for a gradient step.
      microbatch_size: tasks that one device differentiates at once, which bounds memory; by default chosen for speed.
      capacity: capacity of each task's replay buffer, in environment steps.
      num_contexts: number of newest lifetimes of a task that contexts are drawn from.
      shaped: whether values are learned from the tasks' shaped reward, which is available in training only. Agents still observe
        and adapt to the original reward. It is an error for agents that fine-tune their values on that reward.
      random_steps: number of initial outer steps with uniformly random actions, as in the authors' TD3; none by default.
      explore_steps: outer steps over which exploration falls to its minimum; constant by default.
      learning_rate: learning rate of Adam.
      anneal_steps: outer steps over which the learning rate falls linearly to zero; constant by default.
      target_update_rate: update rate of the target networks, in (0, 1].
      max_gradient_norm: the gradients of the policy, the critics, the temperature and the encoder are each clipped to this norm.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a segment that is not a whole number of episodes, one segment for an agent that adapts between segments,
        numbers that do not divide num_tasks, or too small a replay buffer.
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
    """Returns a protocol of one stream.

    By default a segment is one episode, and there are as many segments as ``tasks.lifetime_length`` holds, but at least
    ``least_segments``.
    """
    length = tasks.horizon if segment_length is None else segment_length
    number = max(least_segments, tasks.lifetime_length // max(1, length)) if num_segments is None else num_segments
    return Protocol(number, length, 1)


def check_layers(widths: tuple[int, ...]) -> None:
    """Raises ValueError unless there is a hidden layer."""
    if not widths:
        raise ValueError("widths=(): give at least one hidden layer")
