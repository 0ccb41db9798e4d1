"""The base of hand-written learners, which are inner learners without meta-parameters, and a random agent.

They implement the interface of inner learners with an empty theta, so the same evaluator scores them and the learned agents.
The base of bandit learners is in ``bandits.py``, that of learners of tabular Markov decision processes in ``tabular.py``.
"""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jmeta import struct
from jmeta.inner.base import InContextLearner
from jmeta.networks import MultiCategorical
from jmeta.types import ActionSpace, Decision, Discrete, Empty, Memory, MultiDiscrete, Timestep

NEVER = -1e9  # the logit of an action that is not chosen: finite, so that entropies and divergences stay numbers


class HandWritten(InContextLearner[Empty, Memory]):
    """Base of hand-written learners; theta is empty."""

    def init(self, key: jax.Array) -> Empty:
        return ()


@struct.dataclass
class Random(HandWritten[Empty]):
    """Acts uniformly at random: over the actions, or over the box [-1, 1]^size.

    Its score is that of an agent without knowledge or learning. On a Bernoulli bandit it is half the number of pulls.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)

    def initial_memory(self, theta: Empty) -> Empty:
        return ()

    def act(self, theta: Empty, phi: Empty, memory: Empty, timestep: Timestep) -> tuple[Decision, Empty]:
        size = self.action_space.encoding_size
        if isinstance(self.action_space, Discrete):
            distribution: dist.Distribution = uniform_over_best(jnp.zeros(size, jnp.float32))
        elif isinstance(self.action_space, MultiDiscrete):
            distribution = MultiCategorical(jnp.zeros(size, jnp.float32), self.action_space.counts)
        else:
            box = jnp.ones(size, jnp.float32)
            distribution = dist.Uniform(-box, box).to_event(1)
        return Decision(distribution, jnp.zeros((), jnp.float32)), memory


def uniform_over_best(scores: jax.Array) -> dist.Distribution:
    """Returns a uniform distribution over the highest of scores [num_arms], to 1e-6, since compilers round differently."""
    best = scores >= scores.max() - 1e-6
    return dist.CategoricalLogits(jax.nn.log_softmax(jnp.where(best, jnp.float32(0.0), NEVER)))
