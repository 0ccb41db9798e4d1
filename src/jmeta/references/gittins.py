"""The finite-horizon Gittins index (Gittins 1979): the value of an arm including the value of learning about it."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from jmeta import struct
from jmeta.references.bandits import Arms, BanditLearner
from jmeta.references.classical import uniform_over_best
from jmeta.references.gittins_cache import cache_directory, read_table, replacing
from jmeta.references.gittins_recursion import RATES_AT_ONCE, compute_table
from jmeta.types import ActionSpace

VERSION = 1  # version of the tables on disk: raise it when their content or layout changes
MAX_PULLS = 500  # time grows with the third power and memory with the second: minutes and 2 GB at 500
NOT_CACHED = 60  # tables up to this number of pulls are not cached, since they take a second


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
        return compute_table(num_pulls, num_rates)
    path = cache_directory() / f"gittins-v{VERSION}-{num_pulls}-pulls-{num_rates}-rates.npz"
    if path.exists():
        return read_table(path, num_pulls * (num_pulls + 1) * (num_pulls + 2) // 6)
    with replacing(path) as file:  # opened first: better to fail now than after the computation
        table = compute_table(num_pulls, num_rates)
        np.savez_compressed(file, table=table)
    return table
