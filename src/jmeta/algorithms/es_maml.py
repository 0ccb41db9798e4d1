"""ES-MAML (Song et al. 2020, arXiv 1910.01215)."""

from typing import Literal

from jmeta import struct
from jmeta.algorithms.base import AlgorithmSettings, algorithm
from jmeta.algorithms.maml import adapting
from jmeta.inner.zero_order import EvolutionGradient, HillClimbing, ZeroOrder
from jmeta.outer.evolution import OpenAIES, OpenAIESSettings
from jmeta.ranges import Count, Positive
from jmeta.settings import PolicySettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class ESMAMLSettings(PolicySettings, AlgorithmSettings, OpenAIESSettings):
    """Settings of ``es_maml``.

    Attributes:
      adaptation: ``gradient`` takes a step along the evolution-strategies gradient; ``hill-climbing`` moves to the best trial.
      inner_rate: learning rate of adaptation by ``gradient``.
      inner_sigma: standard deviation of the perturbations within a task.
      num_inner_steps: adaptations in training and evaluation, at least 1; after the last one, weights are no longer perturbed.
      num_streams: trajectories of each inner step, each with its own perturbation; at least 2, since returns are compared.
    """

    adaptation: Literal["gradient", "hill-climbing"] = "gradient"
    widths: tuple[Count, ...] = (32, 32)
    inner_rate: Positive = 0.05
    inner_sigma: Positive = 0.1
    num_tasks: Count = 20
    population_size: Count = 32


@algorithm(ESMAMLSettings)
def es_maml(tasks: TaskDistribution, settings: ESMAMLSettings) -> OpenAIES:
    """MAML without derivatives: evolution strategies update the initial weights, and tasks adapt by trying perturbed weights.

    Raises:
      ValueError: for no inner step, a single stream, an odd population, or segments that are not a whole number of episodes.

    Example:
      >>> import jmeta
      >>> agent = jmeta.algorithms.es_maml(jmeta.tasks.PointNavigation(), adaptation="hill-climbing")

    References:
      Song et al. 2020, arXiv 1910.01215.

    Deviations from the paper:
      Policies are stochastic, as elsewhere here. Returns are standardised before an inner gradient step. Hill climbing moves to
      the best trial of one batch, where the paper moves from one trial to the next.
    """
    if settings.num_streams < 2:
        raise ValueError(f"num_streams={settings.num_streams}: adaptation compares the returns of several streams; use 2 or more")
    kind: type[ZeroOrder] = HillClimbing
    rate = {}
    if settings.adaptation == "gradient":
        kind, rate = EvolutionGradient, {"rate": settings.inner_rate}
    return OpenAIES(
        inner=kind.create(
            tasks.observation_size,
            tasks.action_space,
            settings.widths,
            initial_std=settings.initial_std,
            num_inner_steps=settings.num_inner_steps,
            sigma=settings.inner_sigma,
            **rate,
        ),
        **adapting(tasks, settings),
        **fields_for(OpenAIES, settings),
    )
