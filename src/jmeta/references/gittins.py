"""The finite-horizon Gittins index (Gittins 1979): the value of an arm including the value of learning about it."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from jmeta import struct
from jmeta.references.bandits import Arms, BanditLearner
from jmeta.references.classical import uniform_over_best
from jmeta.types import ActionSpace

VERSION = 1  # version of the tables on disk: raise it when their content or layout changes
MAX_PULLS = 500  # time grows with the third power and memory with the second: minutes and 2 GB at 500
NOT_CACHED = 60  # tables up to this number of pulls are not cached, since they take a second
RATES_AT_ONCE = 8  # rates computed at once; the working set then fits into a core's cache
LAYERS_AT_ONCE = 64  # layers computed between two reductions of the lattice to the size that is still needed


@struct.dataclass
class GittinsIndex(BanditLearner):
    """Pulls the arm with the largest finite-horizon Gittins index, for uniform priors and lifetimes of ``num_pulls`` pulls.

    Ties are broken at random. The index of an arm with s successes and f failures, when R pulls remain, is the rate lambda of a
    known arm that is equally good. At this rate, pulling the arm tau >= 1 times with an optimal stopping time tau, and then the
    known arm, gains nothing:

        lambda R = max_tau  E[r_1 + ... + r_tau + lambda (R - tau)].

    It exceeds the posterior mean by the value of learning about the arm, and equals it when R = 1. Over an infinite discounted
    lifetime the rule is Bayes-optimal (Gittins 1979). Over a finite one it is nearly optimal: in 10 pulls of 5 or of 10 arms it
    is Bayes-optimal to the last digit.

    Make it with ``create``. After ``num_pulls`` pulls it is greedy, as with one pull remaining.

    Attributes:
      table: [num_pulls (num_pulls + 1) (num_pulls + 2) / 6] indices, ``gittins_table(num_pulls)``.
      num_pulls: pulls in a lifetime.

    Example:
      >>> from jmeta.types import Discrete
      >>> inner = GittinsIndex.create(1, Discrete(5), num_pulls=10)
      >>> inner.table.shape
      (220,)

    References:
      Gittins 1979, Bandit Processes and Dynamic Allocation Indices.
      Kaufmann 2018, On Bayesian index policies for sequential resource allocation, arXiv 1601.01190.
      Duan et al. 2016, arXiv 1611.02779: the comparison "Gittins".
    """

    table: jax.Array
    num_pulls: int = struct.field(pytree_node=False)

    @classmethod
    def create(cls, observation_size: int, action_space: ActionSpace, num_pulls: int) -> "GittinsIndex":
        """Builds the learner with the table for ``num_pulls`` pulls, which takes seconds for 100 pulls and minutes for 500."""
        return cls(observation_size, action_space, jnp.asarray(gittins_table(num_pulls)), num_pulls)

    def choose(self, arms: Arms) -> dist.Distribution:
        elapsed = arms.pulls.sum().astype(jnp.int32)
        pulls, successes = arms.pulls.astype(jnp.int32), arms.rewards.astype(jnp.int32)
        index = jnp.take(self.table, table_position(elapsed, pulls, successes), mode="clip")
        mean = (1.0 + arms.rewards) / (2.0 + arms.pulls)
        return uniform_over_best(jnp.where(elapsed < self.num_pulls, index, mean))


def table_position(elapsed: jax.Array, pulls: jax.Array, successes: jax.Array) -> jax.Array:
    """Returns the position of an arm's index in a table, after ``elapsed`` pulls of all arms and ``pulls`` of this one.

    Tables are packed: each number of elapsed pulls t has a triangle of the states with pulls <= t, row by row.
    """
    return elapsed * (elapsed + 1) * (elapsed + 2) // 6 + pulls * (pulls + 1) // 2 + successes


def gittins_table(num_pulls: int, *, num_rates: int = 512) -> np.ndarray:
    """Returns the indices of all states in a lifetime of ``num_pulls`` pulls, under a Beta(1, 1) prior.

    The gain over switching at once to a known arm of rate lambda, after n pulls with s successes and with R pulls remaining, is

        G_R(n, s) = max(0, D_R(n, s)),  D_R(n, s) = p - lambda + p G_{R-1}(n + 1, s + 1) + (1 - p) G_{R-1}(n + 1, s),

    p = (1 + s) / (2 + n), G_0 = 0. D falls with lambda and is zero at the index. It is computed at ``num_rates`` + 1 rates,
    equally spaced in arcsin(sqrt(lambda)), and its zero is interpolated.

    Tables for more than 60 pulls are cached on disk, in ``$JMETA_CACHE`` or else ``$XDG_CACHE_HOME/jmeta`` or ``~/.cache/jmeta``.

    Args:
      num_pulls: pulls in a lifetime, from 1 to 500.
      num_rates: number of intervals of lambda, a multiple of 8. Errors at 100 pulls are 2e-5 in the mean and 3e-4 at most.

    Returns:
      The packed table, float32, read by ``table_position``.

    Raises:
      ValueError: if a setting is out of range, or a file in the cache is damaged.
      OSError: if the cache can't be written.
    """
    if not 1 <= num_pulls <= MAX_PULLS:
        raise ValueError(f"num_pulls={num_pulls}: a table takes num_pulls^3 / 6 numbers; give 1 to {MAX_PULLS}")
    if num_rates < RATES_AT_ONCE or num_rates % RATES_AT_ONCE:
        raise ValueError(f"num_rates={num_rates}: give a positive multiple of {RATES_AT_ONCE}")
    if num_pulls <= NOT_CACHED:
        return _compute(num_pulls, num_rates)
    path = cache_directory() / f"gittins-v{VERSION}-{num_pulls}-pulls-{num_rates}-rates.npz"
    if path.exists():
        return _read(path, num_pulls * (num_pulls + 1) * (num_pulls + 2) // 6)
    with _replacing(path) as file:  # opened first: better to fail now than after the computation
        table = _compute(num_pulls, num_rates)
        np.savez_compressed(file, table=table)
    return table


def cache_directory() -> Path:
    """Returns the directory where computed tables are kept between runs."""
    if chosen := os.environ.get("JMETA_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jmeta"


def _read(path: Path, size: int) -> np.ndarray:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            table = arrays["table"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} can't be read as a table of Gittins indices ({error}): delete it to have it computed anew"
        ) from error
    if table.shape != (size,) or table.dtype != np.float32:
        raise ValueError(
            f"{path} holds {table.dtype}{list(table.shape)} but should hold float32[{size}]: delete it to have it computed anew"
        )
    return table


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside ``path``, which replaces ``path`` on success and is deleted on failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise OSError(f"can't write to the cache at {path.parent} ({error}): set JMETA_CACHE to a directory of yours") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(name)
        raise


@jax.ensure_compile_time_eval()  # so that learners can be made inside a trace
def _compute(num_pulls: int, num_rates: int) -> np.ndarray:
    grid = np.sin(np.linspace(0.0, np.pi / 2.0, num_rates + 1)) ** 2
    blocks = np.arange(0, num_rates, RATES_AT_ONCE)[:, None] + np.arange(RATES_AT_ONCE + 1)  # neighbouring blocks share a rate
    rates = jnp.asarray(grid[blocks], jnp.float32)
    size = num_pulls  # the states of each layer depend on those with one pull more
    gains = jnp.zeros((*rates.shape, size + 1, size + 1), jnp.float32)
    table = np.empty(num_pulls * (num_pulls + 1) * (num_pulls + 2) // 6, np.float32)
    while size > 0:
        length = min(LAYERS_AT_ONCE, size)
        gains, layers = _solve(gains, rates, length=length)
        for layer in np.asarray(layers):
            start = (size - 1) * size * (size + 1) // 6
            table[start : start + size * (size + 1) // 2] = layer[np.tril_indices(size)]
            size -= 1
        gains = gains[..., : size + 1, : size + 1]
    return table


@partial(jax.jit, static_argnames="length")
def _solve(gains: jax.Array, rates: jax.Array, *, length: int) -> tuple[jax.Array, jax.Array]:
    """Goes back by ``length`` more pulls: returns gains [blocks, rates, n, s] and indices [length, n, s]."""
    size = gains.shape[-1]
    n, s = jnp.arange(size)[:, None], jnp.arange(size)
    p = (1.0 + s) / (2.0 + n)

    def block(indices: jax.Array, block: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        gains, rates = block
        widths = jnp.diff(rates)

        def pull(gains: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            later = jnp.pad(gains, ((0, 0), (0, 1), (0, 1)))
            net = p - rates[:, None, None] + p * later[:, 1:, 1:] + (1.0 - p) * later[:, 1:, :-1]
            here, next_rate = jnp.maximum(net[:-1], 0.0), net[1:]
            below_index = jnp.where(next_rate > 0.0, 1.0, here / jnp.maximum(here - next_rate, 1e-30))  # part of the interval
            return jnp.maximum(net, 0.0), jnp.tensordot(widths, below_index, 1)

        gains, part = jax.lax.scan(pull, gains, None, length=length)
        return indices + part, gains

    indices, gains = jax.lax.scan(block, jnp.zeros((length, size, size), jnp.float32), (gains, rates))
    return gains, indices
