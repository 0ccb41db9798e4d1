"""MAML (Finn et al. 2017, arXiv 1703.03400)."""

from typing import Any

from jmeta import struct
from jmeta.algorithms.base import AlgorithmSettings, algorithm
from jmeta.inner.gradient_agent import AdaptationSettings, BaselineSettings, GradientAgent, MixedModeSettings, SurrogateSettings
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import DescentSettings, GradientDescent, UpdateRule
from jmeta.outer.credit import CreditAssignment, EpisodeBaseline, EpisodeCritic
from jmeta.outer.on_policy import RematerialiseSettings
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.ranges import Count
from jmeta.settings import FirstOrderSettings, PolicySettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@struct.settings
class AdaptedSettings(AdaptationSettings, AlgorithmSettings):
    """Settings of algorithms that adapt by policy-gradient steps."""

    num_tasks: Count = 20


@struct.settings
class MetaGradientSettings(FirstOrderSettings, MixedModeSettings, RematerialiseSettings):
    """Settings of a meta-gradient through inner steps."""


@struct.settings
class MAMLSettings(AdaptedSettings, DescentSettings, BaselineSettings, SurrogateSettings, MetaGradientSettings, PPOSettings):
    """Settings of ``maml``."""


@algorithm(MAMLSettings)
def maml(tasks: TaskDistribution, settings: MAMLSettings) -> PPO:
    """Learns initial policy weights from which a few policy-gradient steps adapt to a new task.

    In each task, with theta the initial weights and D_0 trajectories rolled out under them,

        phi = theta - rate * grad L(theta; D_0),        maximise  E_task [return of phi]

    and likewise for further inner steps. The meta-gradient differentiates through the inner step:
    d phi / d theta = I - rate * hess L. L is minus the *low-variance curvature* surrogate of the advantages. Unlike that of
    ``log_prob * advantage``, its second derivative includes that the data depend on the weights. Advantages come from a linear
    feature baseline fitted to each segment.

    Raises:
      ValueError: for no inner step or rate, an unknown choice of a setting, or segments that are not whole episodes.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.maml(jmeta.tasks.PointNavigation(horizon=10), widths=(8,), num_streams=4, num_tasks=4)
      >>> state = agent.init(jax.random.key(0))
      >>> state, metrics = jax.jit(agent.step)(state, jax.random.key(1))

    References:
      Finn et al. 2017, arXiv 1703.03400. Surrogate: Rothfuss et al. 2019, arXiv 1810.06784. Baseline: Duan et al. 2016,
      arXiv 1604.06778.

    Deviations from the paper:
      The outer optimiser is PPO with Adam; with one epoch, the default, it is plain policy gradient. ``maml_trpo`` has the
      paper's trust region. The default surrogate is as above; the authors' is ``naive``.
    """
    return adapting_learner(tasks, settings, GradientDescent.create(settings))


def adapting_learner(
    tasks: TaskDistribution, settings: AdaptedSettings, rule: UpdateRule, kind: type[GradientAgent] = MAML, **fields: Any
) -> PPO:
    """Returns PPO's learner of an agent ``kind.create(..., settings, rule, **fields)`` that adapts by policy-gradient steps."""
    return PPO(
        inner=kind.create(tasks.observation_size, tasks.action_space, settings, rule, **fields),
        credit=credit_of(settings),
        **adapting(tasks, settings),
        **fields_for(PPO, settings),
    )


def credit_of(settings: AdaptedSettings) -> CreditAssignment:
    """Returns the credit assignment with the baseline of the settings, a linear one unless they say otherwise."""
    learned = isinstance(settings, BaselineSettings) and settings.baseline == "critic"
    return EpisodeCritic(discount=settings.discount) if learned else EpisodeBaseline(discount=settings.discount)


def protocol_of(tasks: TaskDistribution, settings: PolicySettings) -> Protocol:
    """Returns lifetimes of ``num_inner_steps`` segments to adapt to, and one that follows."""
    length = tasks.lifetime_length if settings.segment_length is None else settings.segment_length
    return Protocol(settings.num_inner_steps + 1, length, settings.num_streams)


def adapting(tasks: TaskDistribution, settings: PolicySettings) -> dict[str, Any]:
    """Returns the fields of an outer learner in whose objective only the last segment counts."""
    protocol = protocol_of(tasks, settings)
    return {"tasks": tasks, "protocol": protocol, "segment_weights": (*(0.0 for _ in range(settings.num_inner_steps)), 1.0)}
