"""Equations: pure functions of one stream or one decision, one topic per file."""

from jmeta.objectives.baselines import critic_features, fit_linear_baseline, linear_features
from jmeta.objectives.conjugate_gradients import solve_where_positive
from jmeta.objectives.gaussians import gaussian_kl, gaussian_log_density, gaussian_product
from jmeta.objectives.meta_gradients import mixed_mode_grad
from jmeta.objectives.propensity import density_ratio, effective_sample_size, fit_propensity
from jmeta.objectives.returns import (
    discounted_returns,
    episode_begins,
    episode_index,
    episode_return,
    finished_later,
    generalized_advantages,
    returns_by_episode,
    steps_since_first,
)
from jmeta.objectives.roots import square_roots
from jmeta.objectives.surrogates import (
    clipped_surrogate,
    dice,
    likelihood_ratio,
    loaded_dice,
    low_variance_curvature,
    naive,
)
from jmeta.objectives.temporal_difference import double_q_value, one_step_return, soft_value, td_target

__all__ = [
    "clipped_surrogate",
    "critic_features",
    "density_ratio",
    "dice",
    "discounted_returns",
    "double_q_value",
    "effective_sample_size",
    "episode_begins",
    "episode_index",
    "episode_return",
    "finished_later",
    "fit_linear_baseline",
    "fit_propensity",
    "gaussian_kl",
    "gaussian_log_density",
    "gaussian_product",
    "generalized_advantages",
    "likelihood_ratio",
    "linear_features",
    "loaded_dice",
    "low_variance_curvature",
    "mixed_mode_grad",
    "naive",
    "one_step_return",
    "returns_by_episode",
    "soft_value",
    "solve_where_positive",
    "square_roots",
    "steps_since_first",
    "td_target",
]
