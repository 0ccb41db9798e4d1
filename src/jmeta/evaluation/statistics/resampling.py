"""Resampling of seeds and tasks, independently of each other (Owen 2007)."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

RESAMPLES_AT_ONCE = 50  # bounds memory


def resamples(
    scores: Sequence[np.ndarray], same_tasks: bool, num_resamples: int, seed: int
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Yields the (seeds [S], tasks [N]) that each resample draws for each of the arrays."""
    rng = np.random.default_rng(seed)

    def draw(number: int) -> np.ndarray:
        return rng.integers(number, size=number)

    for _ in range(num_resamples):
        tasks = draw(scores[0].shape[1])
        yield [(draw(x.shape[0]), tasks if same_tasks else draw(x.shape[1])) for x in scores]


def resampled_means(scores: Sequence[np.ndarray], same_tasks: bool, num_resamples: int, seed: int) -> tuple[np.ndarray, ...]:
    """For each array [S, N, ...], the mean in each resample [R, ...]: scores weighted by how often they were drawn."""
    drawn_indices = resamples(scores, same_tasks, num_resamples, seed)
    flat = [np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) for x in scores]  # [S ..., N]
    drawn: list[list[np.ndarray]] = [[] for _ in scores]
    while batch := list(itertools.islice(drawn_indices, RESAMPLES_AT_ONCE)):
        for x, rows, means, indices in zip(scores, flat, drawn, zip(*batch, strict=True), strict=True):
            of_seeds, of_tasks = (
                np.stack([np.bincount(i, minlength=number) for i in column]).astype(float)
                for column, number in zip(zip(*indices, strict=True), x.shape[:2], strict=True)
            )
            per_seed = (of_tasks @ rows.T).reshape(len(batch), len(x), *x.shape[2:])
            means.append(np.einsum("rs,rs...->r...", of_seeds, per_seed) / (x.shape[0] * x.shape[1]))
    return tuple(np.concatenate(means) for means in drawn)
