"""Seeds and infos of a vector environment.

Infos are laid out as Gymnasium's: for every name there are the values [N], and under ``_name`` booleans, where they are there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding


def numbers_of_seeds(seed: int | Sequence[int | None] | None, num_envs: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers [N] uint32 that the seeds of sub-environments give them, and booleans [N], which of them have a seed.

    Raises:
      ValueError: if a list of seeds has another length.
    """
    if seed is None or isinstance(seed, int | np.integer):
        seeds: list[int | None] = [None if seed is None else int(seed) + row for row in range(num_envs)]
    else:
        seeds = list(seed)
    if len(seeds) != num_envs:
        raise ValueError(f"seed: {len(seeds)} seeds for {num_envs} environments; give one for each, or a single number")
    numbers = [0 if each is None else first_number(seeding.np_random(each)[0]) for each in seeds]
    return np.array(numbers, np.uint32), np.array([each is not None for each in seeds])


def first_number(random: np.random.Generator) -> np.uint32:
    """Returns the number from which an environment draws everything, from its ``np_random``."""
    return random.integers(2**32, dtype=np.uint32)


def batched(values: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """Returns values [N, ...] by name with their masks; where ``mask`` [N] is false they are zero."""
    infos: dict[str, Any] = {}
    if not mask.any():
        return infos
    for name, value in values.items():
        if isinstance(value, dict):
            infos[name] = batched(value, mask)
        else:
            array = np.array(value)
            array[~mask] = 0
            infos[name] = array
        infos[f"_{name}"] = mask.copy()
    return infos


def last_ones(observations: np.ndarray, infos: dict[str, Any], ended: np.ndarray) -> dict[str, Any]:
    """Returns the infos of episodes that ended in a step that began others: ``final_obs`` and ``final_info``."""
    if not ended.any():
        return {}
    final = np.full(len(ended), None, dtype=object)
    for row in np.flatnonzero(ended):
        final[row] = observations[row]
    return {"final_obs": final, "_final_obs": ended.copy(), "final_info": infos, "_final_info": ended.copy()}
