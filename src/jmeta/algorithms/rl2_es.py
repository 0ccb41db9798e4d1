"""RL² trained by evolution strategies (Salimans et al. 2017, arXiv 1703.03864)."""

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.rl2 import recurrent_agent
from jmeta.algorithms.variants import takes_tasks
from jmeta.networks import CoreName
from jmeta.outer.evolution import OpenAIES
from jmeta.ranges import Count, NonNegative, Positive, checked
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@normalisable
@takes_tasks
@checked
def rl2_es(
    tasks: TaskDistribution,
    *,
    core: CoreName = "gru",
    hidden_size: Count = 32,
    lifetime_length: Count | None = None,
    num_tasks: Count = 1024,
    population_size: Count = 128,
    members_at_once: Count | None = None,
    sigma: Positive = 0.1,
    learning_rate: Positive = 3e-2,
    weight_decay: NonNegative = 0.0,
    anneal_steps: Count | None = None,
) -> OpenAIES:
    """A recurrent policy whose hidden state is the learning algorithm, trained by perturbing its weights.

    The agent is that of ``rl2``. There is no backpropagation through time: the fitness is the return of a lifetime, so long
    lifetimes need no credit assignment, and memory does not grow with their length.

    Args:
      tasks: the distribution to meta-train on.
      core: recurrent core, as for ``rl2``.
      hidden_size: hidden units of the core.
      lifetime_length: environment steps of a lifetime, a whole number of episodes; ``tasks.lifetime_length`` by default.
      num_tasks: tasks on which each member of the population is evaluated, the same tasks for all members.
      population_size: members of the population, in pairs of opposite perturbations; even.
      members_at_once: pairs of members (single members in ``rl2_cma_es``) that one device evaluates at once, which bounds memory;
        all by default.
      sigma: standard deviation of the perturbations; the initial one in ``rl2_cma_es``, which adapts it.
      learning_rate: learning rate of Adam.
      weight_decay: weight decay; theta times it is subtracted from the gradient before Adam; 0.005 in the authors' code.
      anneal_steps: outer steps over which the learning rate falls linearly to zero; constant by default.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for an odd population, or a lifetime that is not a whole number of episodes.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.rl2_es(jmeta.tasks.BernoulliBandit(num_arms=2), hidden_size=4, num_tasks=4, population_size=8)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Duan et al. 2016, arXiv 1611.02779; Salimans et al. 2017, arXiv 1703.03864.

    Deviations from the papers:
      Duan et al. train by TRPO. As in Salimans et al. there are mirrored perturbations, centred ranks and Adam, but no weight
      decay by default and no virtual batch normalisation.
    """
    length = tasks.lifetime_length if lifetime_length is None else lifetime_length
    return OpenAIES(
        inner=recurrent_agent(tasks, length, core=core, hidden_size=hidden_size),
        tasks=tasks,
        protocol=Protocol(num_segments=1, segment_length=length, num_streams=1),
        segment_weights=(1.0,),
        num_tasks=num_tasks,
        population_size=population_size,
        members_at_once=members_at_once,
        sigma=sigma,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        anneal_steps=anneal_steps,
    )
