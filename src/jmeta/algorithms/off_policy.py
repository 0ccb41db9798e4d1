"""Settings and construction that the off-policy algorithms share."""

from jmeta import struct
from jmeta.algorithms.base import AlgorithmSettings
from jmeta.inner.off_policy import OffPolicyAgent
from jmeta.outer.off_policy import OffPolicy
from jmeta.outer.replay import ReplaySettings
from jmeta.ranges import Count
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import MultiDiscrete, Protocol


@struct.settings
class OffPolicySettings(AlgorithmSettings, ReplaySettings):
    """Settings of off-policy algorithms.

    Attributes:
      segment_length: environment steps of a segment, a whole number of episodes; one episode by default.
      num_tasks: how many of the training tasks an outer step collects a lifetime in; they take turns. Must divide
        num_training_tasks; all of them by default.
    """

    segment_length: Count | None = None
    num_tasks: Count | None = None
    num_training_tasks: Count = 16


@struct.settings
class ActorCriticSettings:
    """The networks of an actor-critic.

    Attributes:
      widths: sizes of the hidden layers of the policy and of each critic.
    """

    widths: tuple[Count, ...] = (256, 256)


@struct.settings
class SegmentSettings(OffPolicySettings):
    """Settings of off-policy algorithms that adapt between segments.

    Attributes:
      num_segments: segments of a lifetime, at least 2, since the agent adapts between segments; by default as many as a
        lifetime of the tasks has, or 2.
    """

    num_segments: Count | None = None


def off_policy_learner(
    tasks: TaskDistribution, inner: OffPolicyAgent, settings: OffPolicySettings, protocol: Protocol | None = None
) -> OffPolicy:
    """Returns the outer learner that trains an agent, by default in lifetimes of ``tasks.lifetime_length`` steps."""
    fields = fields_for(OffPolicy, settings)
    if settings.num_tasks is None:
        fields["num_tasks"] = settings.num_training_tasks
    if protocol is None:
        protocol = protocol_of(tasks, None, settings.segment_length)
    return OffPolicy(inner=inner, tasks=tasks, protocol=protocol, **fields)


def protocol_of(
    tasks: TaskDistribution, num_segments: int | None, segment_length: int | None, least_segments: int = 1
) -> Protocol:
    """Returns lifetimes of these segments of one stream."""
    length = tasks.horizon if segment_length is None else segment_length
    number = max(least_segments, tasks.lifetime_length // max(1, length)) if num_segments is None else num_segments
    return Protocol(number, length, 1)


def check_layers(widths: tuple[int, ...]) -> None:
    """Raises ValueError for a network without a hidden layer."""
    if not widths:
        raise ValueError("widths=(): give at least one hidden layer")


def check_one_choice(tasks: TaskDistribution) -> None:
    """Raises ValueError for actions of several choices, since there is a value, or a logit, for each action."""
    if isinstance(tasks.action_space, MultiDiscrete):
        raise ValueError(
            f"{type(tasks).__name__} takes {tasks.action_space}, several choices at a time, and this algorithm needs one: use "
            "jmeta.tasks.EnumeratedActions(tasks), which numbers the combinations, or an on-policy algorithm such as rl2"
        )
