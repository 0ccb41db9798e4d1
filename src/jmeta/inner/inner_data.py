"""The data of a recorded segment that an inner loss needs."""

from typing import NamedTuple

import jax

from jmeta.types import Segment


class InnerData(NamedTuple):
    """The parts of a segment that the inner loss uses, and the advantages of its decisions.

    It is no ``Experience``, since a meta-gradient stores its leaves for the backward pass and the loss needs three of nine.
    """

    observation: jax.Array  # [T, B, observation_size]
    action: jax.Array  # [T, B, ...]
    first: jax.Array  # [T, B]
    advantage: jax.Array  # [T, B]
    weight: jax.Array  # [T, B], 0 where a decision does not count
    behaviour: jax.Array  # [T, B] log-probabilities of the actions when they were taken


def behaviour_of(segment: Segment) -> jax.Array:
    """Log-probabilities [T, B] of a segment's actions when they were taken."""
    return jax.vmap(jax.vmap(lambda decision, action: decision.distribution.log_prob(action)))(segment.decision, segment.action)
