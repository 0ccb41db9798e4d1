"""ES-MAML (Song et al. 2020, arXiv 1910.01215)."""

from typing import Literal

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import takes_tasks
from jmeta.inner.zero_order import EvolutionGradient, HillClimbing
from jmeta.outer.checks import check_choice
from jmeta.outer.evolution import OpenAIES
from jmeta.ranges import Count, Positive, checked
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@normalisable
@takes_tasks
@checked
def es_maml(
    tasks: TaskDistribution,
    *,
    adaptation: Literal["gradient", "hill-climbing"] = "gradient",
    widths: tuple[Count, ...] = (32, 32),
    initial_std: Positive = 1.0,
    num_inner_steps: Count = 1,
    inner_rate: Positive = 0.05,
    inner_sigma: Positive = 0.1,
    num_streams: Count = 20,
    segment_length: Count | None = None,
    num_tasks: Count = 20,
    population_size: Count = 32,
    members_at_once: Count | None = None,
    sigma: Positive = 0.1,
    learning_rate: Positive = 1e-2,
    anneal_steps: Count | None = None,
) -> OpenAIES:
    """MAML without derivatives: evolution strategies update the initial weights, and tasks adapt by trying perturbed weights.

    Args:
      tasks: the distribution to meta-train on.
      adaptation: ``gradient`` takes a step along the evolution-strategies gradient; ``hill-climbing`` moves to the best trial.
      widths: sizes of the policy's hidden layers.
      initial_std: initial standard deviation of a continuous policy, in units of half the action range.
      num_inner_steps: adaptations in training and evaluation, at least 1; after the last one, weights are no longer perturbed.
      inner_rate: learning rate of adaptation by ``gradient``.
      inner_sigma: standard deviation of the perturbations within a task.
      num_streams: trajectories of each inner step, each with its own perturbation; at least 2, since returns are compared.
      segment_length: environment steps of each trajectory, a whole number of episodes; ``tasks.lifetime_length`` by default.
      num_tasks: tasks on which each member of the population is evaluated, the same tasks for all members.
      population_size: members of the population, in pairs of opposite perturbations; even.
      members_at_once: pairs of members that one device evaluates at once, which bounds memory; all by default.
      sigma: standard deviation of the population's perturbations of the initial weights.
      learning_rate: learning rate of Adam, the outer optimiser.
      anneal_steps: outer steps over which the learning rate falls linearly to zero; constant by default.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for no inner step, a single stream, an odd population, or segments that are not a whole number of episodes.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.PointNavigation(horizon=10)
      >>> agent = jmeta.algorithms.es_maml(tasks, widths=(8,), num_streams=4, num_tasks=4, population_size=4)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Song et al. 2020, arXiv 1910.01215.

    Deviations from the paper:
      Policies are stochastic, as elsewhere here. Returns are standardised before an inner gradient step. Hill climbing moves to
      the best trial of one batch, where the paper moves from one trial to the next.
    """
    check_choice("adaptation", adaptation, ("gradient", "hill-climbing"))
    if num_streams < 2:
        raise ValueError(f"num_streams={num_streams}: adaptation compares the returns of several streams; use 2 or more")
    kind, rate = (EvolutionGradient, {"rate": inner_rate}) if adaptation == "gradient" else (HillClimbing, {})
    inner = kind.create(
        tasks.observation_size,
        tasks.action_space,
        widths,
        initial_std=initial_std,
        num_inner_steps=num_inner_steps,
        sigma=inner_sigma,
        **rate,
    )
    length = tasks.lifetime_length if segment_length is None else segment_length
    return OpenAIES(
        inner=inner,
        tasks=tasks,
        protocol=Protocol(num_segments=num_inner_steps + 1, segment_length=length, num_streams=num_streams),
        segment_weights=(*(0.0 for _ in range(num_inner_steps)), 1.0),
        num_tasks=num_tasks,
        population_size=population_size,
        members_at_once=members_at_once,
        sigma=sigma,
        learning_rate=learning_rate,
        anneal_steps=anneal_steps,
    )
