"""Statistics of adaptation: the return of each episode of a lifetime, from the first to the last."""

import math

import numpy as np

LAST = 0.25  # the share of a lifetime's episodes that counts as its end


def zero_shot(episode_returns: np.ndarray) -> np.ndarray:
    """Returns the return of the first episode [...] of [..., E], before anything about the task was learned."""
    return episode_returns[..., 0]


def final_performance(episode_returns: np.ndarray) -> np.ndarray:
    """Returns the mean return [...] of the last quarter, rounded up, of the episodes [..., E] of a lifetime.

    Example:
      >>> float(final_performance(np.array([0.0, 0.0, 0.0, 1.0, 2.0])))  # 5 / 4 episodes, so 2
      1.5
    """
    last = math.ceil(LAST * episode_returns.shape[-1])
    return episode_returns[..., -last:].mean(-1)


def adaptation_length(
    curve: np.ndarray,
    env_steps: np.ndarray,
    *,
    tolerance: float = 0.05,
    scale: float | None = None,
    noise: np.ndarray | float = 0.0,
) -> float:
    """Returns the environment steps after which an adaptation curve stays at its asymptote.

    With y_e the mean return of episode e, n_e the steps spent in the task before it, and a = ``final_performance(y)``,

        min { n_e : |y_f - a| <= tolerance * scale + noise_f for all f >= e }.

    So it is 0 for an agent that is at its asymptote in the first episode, whether it knows the task or learns nothing.

    Args:
      curve: y [E].
      env_steps: n [E], not decreasing.
      tolerance: at least 0.
      scale: scale of the tolerance; |a| by default. Give optimum minus random score where both are known, since |a| depends on
        the zero of the returns.
      noise: half the width of the curve's interval, [E] or one number, if the curve is a mean over tasks. Without it, a curve
        whose noise is above the tolerance would never seem to settle.

    Returns:
      Environment steps, or NaN if the curve has not settled, that is, if its last episode is outside the tolerance.

    Example:
      >>> adaptation_length(np.array([0.0, 0.5, 0.98, 1.0]), np.array([0.0, 10.0, 20.0, 30.0]))
      20.0
    """
    asymptote = float(final_performance(curve))
    width = tolerance * (abs(asymptote) if scale is None else scale)
    outside = np.flatnonzero(np.abs(curve - asymptote) > width + noise)
    first = outside[-1] + 1 if outside.size else 0
    return float(env_steps[first]) if first < len(curve) else math.nan
