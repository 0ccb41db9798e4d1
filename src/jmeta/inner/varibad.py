"""VariBAD: a belief over a latent task, trained to predict rewards and transitions (Zintgraf et al. 2020, arXiv 1910.08348)."""

import dataclasses

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.inner.belief import BeliefAgent, Record, choose, pick
from jmeta.networks import Network
from jmeta.networks.beliefs import Belief
from jmeta.objectives import gaussian_kl
from jmeta.ranges import Count, Finite, NonNegative
from jmeta.types import Metrics, Parts


@struct.settings
class PosteriorSettings:
    """Settings of VariBAD's variational bound.

    Attributes:
      reward_values: all possible rewards, if they are few, such as (-0.1, 1.0). The decoder then predicts their probabilities;
        otherwise it predicts the mean reward, with a variance of 1.
      kl_weight: weight of the KL divergence between successive beliefs; 1 gives the evidence lower bound.
      num_beliefs: number of beliefs of a lifetime, drawn at random, that an update uses; all by default.
      num_decoded: number of steps of a lifetime, drawn at random, that each of these beliefs predicts; all by default.
    """

    reward_values: tuple[Finite, ...] = struct.field(pytree_node=False, default=())
    kl_weight: jax.Array | NonNegative = 0.1
    num_beliefs: Count | None = struct.field(pytree_node=False, default=None)
    num_decoded: Count | None = struct.field(pytree_node=False, default=None)


@struct.dataclass
class VariBAD(BeliefAgent, PosteriorSettings):
    """The belief is an approximate posterior q(m | trajectory so far) over a latent task m, trained by a variational bound.

        maximise
        mean_t  E_{q_t(m)} [ sum_i log p(r_i | s_i, a_i, s_i+1, m) + log p(s_i+1 | s_i, a_i, m) ] - kl_weight KL(q_t || q_{t-1})

    where i runs over *all* steps 1, ..., T of the lifetime, past and future, and t over the posteriors before each step and after
    the last, 0, ..., T. The prior of each posterior is the previous posterior; the first prior is a standard normal. Since the
    posterior must predict future steps, it represents uncertainty about them.

    Attributes:
      decoder: a ``Decoder`` as pure functions, from (latents, steps) to rewards and next observations.
      transition_weight: weight of the log-likelihood of transitions.
      one_hot_states: whether the decoder needs one-hot observations of the state, as ``OneStateReward`` does.

    References:
      Zintgraf et al. 2020, arXiv 1910.08348.
    """

    decoder: Network = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    transition_weight: jax.Array | NonNegative = 1.0
    one_hot_states: bool = struct.field(pytree_node=False, default=False)

    def check_normalisable(self, observations: bool, rewards: bool) -> None:
        if rewards and self.reward_values:
            raise ValueError(
                f"normalize_rewards=True with reward_values={self.reward_values}: normalised rewards do not match these values; "
                "leave out one of the two"
            )
        if observations and self.one_hot_states:
            raise ValueError(
                "normalize_observations=True with reward_decoder='one-state': its states must be observed one-hot; leave out "
                "normalize_observations, which one-hot observations do not need"
            )

    def init(self, key: jax.Array) -> Parts:
        agent_key, decoder_key = jax.random.split(key)
        return super().init(agent_key) | {"decoder": self.decoder.init(decoder_key)}

    def belief_loss(self, theta: Parts, record: Record, key: jax.Array) -> tuple[jax.Array, Metrics]:
        belief_key, step_key, latent_key = jax.random.split(key, 3)
        length = len(record.reward)
        posterior = self.beliefs(theta, record.timesteps)
        at_birth = jax.tree.map(lambda x: jnp.zeros_like(x[:1]), posterior)  # mean 0 and log-variance 0
        prior = jax.tree.map(lambda first, x: jnp.concatenate([first, x[:-1]]), at_birth, posterior)
        kl = jax.vmap(gaussian_kl)(*posterior, *prior)

        belief = pick(posterior, choose(belief_key, length + 1, self.num_beliefs))
        latents = belief.sample(latent_key)
        decoded = (record.timestep.observation, record.action, record.next_observation, record.reward)
        before, action, after, reward = pick(decoded, choose(step_key, length, self.num_decoded))
        rewards, following = self.decoder.apply(theta["decoder"], latents, before, action, after)
        likelihood = self.reward_log_likelihood(rewards, reward).mean() * length
        metrics = {"belief/kl": kl.mean(), "belief/reward": -likelihood / length}
        loss = self.kl_weight * kl.mean() - likelihood
        if following is not None:
            error = 0.5 * jnp.square(following - after[None]).sum(-1).mean()
            metrics["belief/transition"] = error
            loss = loss + self.transition_weight * error * length
        return loss / length, metrics | {"belief/loss": loss / length}

    def reward_log_likelihood(self, decoded: jax.Array, reward: jax.Array) -> jax.Array:
        """Returns log-likelihoods [M, L] of rewards [L] under decoded rewards [M, L, num_rewards], up to a constant."""
        if not self.reward_values:
            return -0.5 * jnp.square(decoded[..., 0] - reward[None])
        values = jnp.asarray(self.reward_values, jnp.float32)
        which = jnp.argmin(jnp.abs(reward[:, None] - values[None]), axis=-1)
        mask = jnp.arange(len(self.reward_values)) == which[:, None]
        return jnp.where(mask, jax.nn.log_softmax(decoded), 0.0).sum(-1)

    def predicted_rewards(
        self, theta: Parts, belief: Belief, observation: jax.Array, action: jax.Array, next_observation: jax.Array, key: jax.Array
    ) -> jax.Array:
        """Returns the rewards that a belief predicts for steps.

        Args:
          theta: meta-parameters.
          belief: one belief, [D].
          observation: [L, observation_size].
          action: [L, encoding_size].
          next_observation: [L, observation_size].
          key: consumed; 100 latents are drawn.

        Returns:
          [L, num_rewards] probabilities of ``reward_values``, or [L, 1] means, averaged over the latents.
        """
        decoded, _ = self.decoder.apply(theta["decoder"], belief.sample(key, (100,)), observation, action, next_observation)
        return (jax.nn.softmax(decoded) if self.reward_values else decoded).mean(0)
