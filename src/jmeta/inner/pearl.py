"""PEARL: a posterior over a latent task, and a policy that is conditioned on a sample (Rakelly et al. 2019, 1903.08254)."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.axes import merge_axis
from jmeta.inner.base import for_streams
from jmeta.inner.encoding_agent import EncodingAgent, EncodingTheta
from jmeta.inner.latent_settings import LatentSettings
from jmeta.inner.off_policy import ReplayStep, mean_loss, observed_steps
from jmeta.inner.q_learner import QLearner
from jmeta.networks import Network
from jmeta.objectives import gaussian_kl
from jmeta.ranges import Count
from jmeta.types import ActionSpace, Decision, Experience, Metrics, PyTree, Segment, Timestep


class PEARLPhi(NamedTuple):
    """Task parameters."""

    evidence: PyTree  # the encoder's summary of all steps so far
    z: jax.Array  # [D] posterior sample that the policy uses until the segment ends


@struct.dataclass
class PEARL(EncodingAgent[EncodingTheta, PEARLPhi, jax.Array], LatentSettings):
    """Infers a posterior over a latent task z; the policy is conditioned on one sample of z for a whole segment.

    phi holds the posterior and the sample. A lifetime begins with a sample of the prior, a standard normal. After each segment
    the posterior is updated with its steps, and a new z is drawn. A segment is usually one episode, and exploration is posterior
    sampling. With q(z | c) the posterior given a context c,

        minimise  E_z~q [critics' loss given z] + kl_weight KL(q(z | c) || N(0, 1)),   and the policy's loss given z,

    where the encoder is trained by the critics' loss and the divergence, and the policy's loss does not differentiate z. By
    default, training contexts are the first segments of a lifetime. Their number is random, from none to all but the last. The
    memory of a stream is the number of steps since the segment began.

    Attributes:
      encoder: a ``jmeta.networks.ContextEncoder`` as pure functions: no_evidence, add and posterior.
      q_learner: policy and critics, whose features are observation and z.
      segment_length: if given, policy and critics also see a clock, the share of the segment that has passed, and values end with
        the segment, as z does. A policy that does not observe time can't follow an ordered search. Critics that bootstrap beyond
        a time limit do so from states in which no action was ever taken.

    References:
      Rakelly et al. 2019, arXiv 1903.08254. Clocks: Pardo et al. 2018, arXiv 1712.00378.
    """

    least_segments: ClassVar[int] = 2  # with one segment the context is always empty, and the encoder is not trained

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    q_learner: QLearner
    encoder: Network = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    segment_length: Count | None = struct.field(pytree_node=False, default=None)

    def init(self, key: jax.Array) -> EncodingTheta:
        encoder_key, learner_key = jax.random.split(key)
        return {"encoder": self.encoder.init(encoder_key), "q_learner": self.q_learner.init(learner_key)}

    def begin(self, theta: EncodingTheta, num_streams: int, key: jax.Array) -> tuple[PEARLPhi, jax.Array]:
        phi = PEARLPhi(self._no_evidence(theta), jax.random.normal(key, (self.latent_size,), jnp.float32))
        return phi, for_streams(jnp.zeros((), jnp.int32), num_streams)

    def act(self, theta: EncodingTheta, phi: PEARLPhi, memory: jax.Array, timestep: Timestep) -> tuple[Decision, jax.Array]:
        seen = self._features(timestep.observation, jnp.where(timestep.first, 0.0, timestep.previous_reward), memory, phi.z)
        return self.q_learner.decide(theta["q_learner"], seen), memory + 1

    def adapt(
        self, theta: EncodingTheta, phi: PEARLPhi, memory: jax.Array, segment: Segment, key: jax.Array
    ) -> tuple[PEARLPhi, jax.Array]:
        evidence = self._add(theta, phi.evidence, segment)
        mean, variance = self.posterior(theta, evidence)
        return PEARLPhi(evidence, _sample(mean, variance, key)), jnp.zeros_like(memory)

    def posterior(self, theta: EncodingTheta, evidence: PyTree) -> tuple[jax.Array, jax.Array]:
        """Returns the posterior over z, (mean [D], variance [D]), given ``phi.evidence`` of any lifetime."""
        return self.encoder.apply(theta["encoder"], evidence, method="posterior")

    def loss(
        self, theta: EncodingTheta, target_parameters: PyTree, context: Experience, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        context_key, z_key, loss_key = jax.random.split(key, 3)
        mean, variance = self.posterior(theta, self.context(theta, context, context_key))
        z = _sample(mean, variance, z_key)
        before = jnp.where(batch.timestep.first, 0.0, batch.timestep.previous_reward)
        steps, time = observed_steps(batch, batch.worth), batch.time.ravel()
        if self.segment_length is not None:
            time = time % self.segment_length
            steps = steps._replace(terminated_t=steps.terminated_t | (time + 1 == self.segment_length))
        features = jax.vmap(self._features, in_axes=(0, 0, 0, None))
        steps = steps._replace(
            x_tm1=features(steps.x_tm1, before.ravel(), time, z), x_t=features(steps.x_t, batch.reward.ravel(), time + 1, z)
        )
        loss, metrics = mean_loss(self.q_learner, theta["q_learner"], target_parameters, steps, loss_key)
        kl = gaussian_kl(mean, jnp.log(variance), jnp.zeros_like(mean), jnp.zeros_like(mean))
        return loss + self.kl_weight * kl, metrics | {"posterior/kl": kl, "posterior/std": jnp.sqrt(variance).mean()}

    def context(self, theta: EncodingTheta, context: Experience, key: jax.Array) -> PyTree:
        """Returns the evidence of a context that is drawn from a lifetime [K, T, 1]."""
        if self.context_size is None:

            def take_in(evidence: PyTree, segment: Experience) -> tuple[PyTree, PyTree]:
                return self._add(theta, evidence, segment), evidence

            _, before = jax.lax.scan(take_in, self._no_evidence(theta), context)
            number = jax.random.randint(key, (), 0, len(context.reward))
            return jax.tree.map(lambda x: x[number], before)
        steps = merge_axis(context, 0)  # [K T, 1]
        which = jnp.sort(jax.random.permutation(key, len(steps.reward))[: self.context_size])
        return self._add(theta, self._no_evidence(theta), jax.tree.map(lambda x: x[which], steps))

    def _features(self, observation: jax.Array, reward: jax.Array, time: jax.Array, z: jax.Array) -> jax.Array:
        clock = [] if self.segment_length is None else [jnp.minimum(time / self.segment_length, 1.0)[None]]
        return jnp.concatenate([observation, *([reward[None]] if self.sees_reward else []), *clock, z])

    def _no_evidence(self, theta: EncodingTheta) -> PyTree:
        return self.encoder.apply(theta["encoder"], method="no_evidence")

    def _add(self, theta: EncodingTheta, evidence: PyTree, segment: Experience) -> PyTree:
        """Adds a segment [T, B] to the evidence, one stream after the other."""
        encode = jax.vmap(jax.vmap(self.action_space.encode))
        seen = (segment.timestep.observation, encode(segment.action), segment.reward[..., None])
        steps = jnp.concatenate([jnp.swapaxes(x, 0, 1).reshape(-1, x.shape[-1]) for x in seen], axis=1)
        return self.encoder.apply(theta["encoder"], evidence, steps, method="add")


def _sample(mean: jax.Array, variance: jax.Array, key: jax.Array) -> jax.Array:
    return mean + jnp.sqrt(variance) * jax.random.normal(key, mean.shape, mean.dtype)
