"""Policies that are trained without adapting and adapt by gradient steps in evaluation: "pretrained" in Finn et al. 2017."""

import jax

from jmeta.inner.base import InnerLearner
from jmeta.inner.gradient_agent import GradientAgent, Initialisation
from jmeta.inner.normalised import Normalised, WithStatistics
from jmeta.outer.base import OuterLearner
from jmeta.types import PyTree


def pretrained(agent: InnerLearner, theta: PyTree) -> Initialisation:
    """Returns the theta with which a ``GradientAgent`` starts from the weights of a trained policy; its rule is a fresh one."""
    fresh = agent.init(jax.random.key(0))
    return fresh._replace(weights={name: theta[name] for name in fresh.weights})


def check_pretrained(learner: OuterLearner, adapter: OuterLearner) -> None:
    """Raises ValueError unless the agent of ``adapter`` can start from the weights that ``learner`` trains."""
    agent = adapter.inner
    if not isinstance(agent, GradientAgent):
        raise ValueError(
            f"adapted_by: {type(agent).__name__} does not adapt weights by gradient steps: give an algorithm that does, "
            "such as maml"
        )
    if isinstance(learner.inner, (Normalised, WithStatistics)):
        raise ValueError(
            "adapted_by: the weights of a policy that normalises do not fit an agent that does not: leave out "
            "normalize_observations and normalize_rewards"
        )
    theta = jax.eval_shape(lambda key: learner.deploy(learner.init(key)), jax.random.key(0))
    weights = jax.eval_shape(agent.init, jax.random.key(0)).weights
    if not isinstance(theta, dict) or not set(weights) <= set(theta):
        raise ValueError(
            f"adapted_by: {type(agent).__name__} adapts a policy with the parts {', '.join(sorted(weights))}, which "
            f"{type(learner.inner).__name__} does not have: train the policy by average"
        )
    trained = {name: theta[name] for name in weights}
    if _shapes(trained) != _shapes(weights):
        raise ValueError(
            f"adapted_by: {type(agent).__name__} adapts weights of the shapes {_shapes(weights)}, and the trained ones are "
            f"{_shapes(trained)}: give the widths that it has"
        )


def _shapes(weights: PyTree) -> dict[str, tuple[int, ...]]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(weights)
    }
