"""MAML (Finn et al. 2017, arXiv 1703.03400)."""

from functools import partial
from typing import Literal

import jax.numpy as jnp
import optax

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import takes_tasks
from jmeta.inner.maml import MAML
from jmeta.inner.update_rules import GradientDescent, transform
from jmeta.objectives import critic_features, linear_features, loaded_dice, low_variance_curvature, naive
from jmeta.outer.checks import check_choice
from jmeta.outer.credit import EpisodeBaseline, EpisodeCritic
from jmeta.outer.ppo import PPO
from jmeta.ranges import Count, Limit, NonNegative, Positive, Share, checked
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol

FEATURES = {"linear": linear_features, "critic": critic_features}
TRANSFORMS = {
    "sgd": transform(optax.identity),
    "momentum": transform(partial(optax.trace, 0.9)),
    "adam": transform(partial(optax.scale_by_adam, eps_root=1e-8)),
}
SURROGATES = {"low-variance-curvature": low_variance_curvature, "loaded-dice": loaded_dice, "naive": naive}


@normalisable
@takes_tasks
@checked
def maml(
    tasks: TaskDistribution,
    *,
    widths: tuple[Count, ...] = (100, 100),
    initial_std: Positive = 1.0,
    num_inner_steps: Count = 1,
    inner_rates: tuple[NonNegative, ...] = (0.5, 0.25),
    baseline: Literal["linear", "critic"] = "linear",
    inner_optimizer: Literal["sgd", "momentum", "adam"] = "sgd",
    surrogate: Literal["low-variance-curvature", "loaded-dice", "naive"] = "low-variance-curvature",
    first_order: bool = False,
    mixed_mode: bool = True,
    stream_chunks: Count = 1,
    rematerialise: bool = False,
    microbatch_size: Count | None = None,
    compute_dtype: Literal["float32", "bfloat16"] = "float32",
    num_streams: Count = 20,
    segment_length: Count | None = None,
    num_tasks: Count = 20,
    num_epochs: Count = 1,
    learning_rate: Positive = 1e-3,
    anneal_steps: Count | None = None,
    discount: Share = 0.99,
    clip_epsilon: Positive = 0.2,
    entropy_coefficient: NonNegative = 0.0,
    max_gradient_norm: Limit = 0.5,
) -> PPO:
    """Learns initial policy weights from which a few policy-gradient steps adapt to a new task.

    In each task, with theta the initial weights and D_0 trajectories rolled out under them,

        phi = theta - rate * grad L(theta; D_0),        maximise  E_task [return of phi]

    and likewise for further inner steps. The meta-gradient differentiates through the inner step:
    d phi / d theta = I - rate * hess L. L is minus the *low-variance curvature* surrogate of the advantages. Unlike that of
    ``log_prob * advantage``, its second derivative includes that the data depend on the weights. Advantages come from a linear
    feature baseline fitted to each segment.

    Args:
      tasks: the distribution to meta-train on.
      widths: sizes of the policy's hidden layers.
      initial_std: initial standard deviation of a continuous policy, in units of half the action range.
      num_inner_steps: gradient steps on each task in training, at least 1. Evaluation may take more.
      inner_rates: learning rate of the first, second, ... inner step; the last one is used for all later steps.
      baseline: baseline of the advantages. ``linear`` is linear in state and time and fitted to each segment of each task;
        ``critic`` is a meta-learned value network, fitted to each segment by scale and offset for the inner step.
      inner_optimizer: optimiser of the inner steps: gradient descent (``sgd``), ``momentum`` of 0.9, or ``adam``.
      surrogate: objective of the inner steps. All choices have the same gradient. The second derivative of ``naive``, which the
        authors' code uses, ignores that the data depend on the weights: the meta-gradient is biased and less noisy.
      first_order: whether to leave out the second derivatives (FOMAML).
      mixed_mode: whether to differentiate inner gradients forward-over-reverse, which needs less memory and time; the
        gradient is the same.
      stream_chunks: number of groups of streams whose gradients are computed one after the other, which bounds memory; must
        divide num_streams.
      rematerialise: whether to recompute inner steps in the backward pass, which needs less memory and more time.
      microbatch_size: tasks that one device differentiates at once, which bounds memory; by default chosen for speed.
      compute_dtype: precision of the hidden layers; weights, gradients and the policy itself are float32 in any case.
      num_streams: trajectories rolled out in parallel for each inner step.
      segment_length: environment steps of each trajectory, a whole number of episodes; ``tasks.lifetime_length`` by default.
      num_tasks: tasks in each outer step (the meta-batch size).
      num_epochs: gradient steps on the same data in an outer step.
      learning_rate: learning rate of Adam, the outer optimiser.
      anneal_steps: outer steps over which the learning rate falls linearly to zero, and the entropy coefficient in half as many;
        constant by default.
      discount: discount factor per environment step, in [0, 1], of inner and outer returns.
      clip_epsilon: PPO's clip range, the half-width of the interval around 1 to which likelihood ratios are clipped; it has no
        effect with one epoch.
      entropy_coefficient: weight of the adapted policy's entropy.
      max_gradient_norm: the meta-gradient is clipped to this global norm.

    Returns:
      The outer learner; its ``inner`` is the agent.

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
    check_choice("baseline", baseline, FEATURES)
    check_choice("inner_optimizer", inner_optimizer, TRANSFORMS)
    check_choice("surrogate", surrogate, SURROGATES)
    if not inner_rates:
        raise ValueError("inner_rates is empty: give the rate of the first inner step, for example (0.5,)")
    length = tasks.lifetime_length if segment_length is None else segment_length
    return PPO(
        inner=MAML.create(
            tasks.observation_size,
            tasks.action_space,
            widths,
            initial_std=initial_std,
            dtype=compute_dtype,
            rule=GradientDescent(jnp.asarray(inner_rates, jnp.float32), TRANSFORMS[inner_optimizer]),
            discount=discount,
            with_critic=baseline == "critic",
            features=FEATURES[baseline],
            surrogate=SURROGATES[surrogate],
            first_order=first_order,
            mixed_mode=mixed_mode,
            stream_chunks=stream_chunks,
        ),
        tasks=tasks,
        credit=EpisodeBaseline(discount=discount) if baseline == "linear" else EpisodeCritic(discount=discount),
        protocol=Protocol(num_segments=num_inner_steps + 1, segment_length=length, num_streams=num_streams),
        segment_weights=(*(0.0 for _ in range(num_inner_steps)), 1.0),
        num_tasks=num_tasks,
        microbatch_size=microbatch_size,
        rematerialise=rematerialise,
        stream_chunks=stream_chunks,
        num_epochs=num_epochs,
        learning_rate=learning_rate,
        anneal_steps=anneal_steps,
        max_gradient_norm=max_gradient_norm,
        clip_epsilon=clip_epsilon,
        entropy_coefficient=entropy_coefficient,
    )
