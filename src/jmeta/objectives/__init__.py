"""Equations: pure functions of one stream or one decision, one topic per file."""

from jmeta.objectives.baselines import critic_features, fit_linear_baseline, linear_features
from jmeta.objectives.gaussians import gaussian_kl, gaussian_log_density
from jmeta.objectives.meta_gradients import mixed_mode_grad
from jmeta.objectives.returns import (
    discounted_returns,
    episode_index,
    finished_later,
    generalized_advantages,
    returns_by_episode,
    steps_since_first,
)
from jmeta.objectives.surrogates import (
    clipped_surrogate,
    dice,
    likelihood_ratio,
    loaded_dice,
    low_variance_curvature,
    naive,
)

__all__ = [
    "clipped_surrogate",
    "critic_features",
    "dice",
    "discounted_returns",
    "episode_index",
    "finished_later",
    "fit_linear_baseline",
    "gaussian_kl",
    "gaussian_log_density",
    "generalized_advantages",
    "likelihood_ratio",
    "linear_features",
    "loaded_dice",
    "low_variance_curvature",
    "mixed_mode_grad",
    "naive",
    "returns_by_episode",
    "steps_since_first",
]
