"""Random keys: what a caller may give as one, and the typed key that jmeta computes with."""

import operator
from typing import Any

import jax
import jax.numpy as jnp

NUM_SEEDS = 2**32
_REMEDY = "give jax.random.key(seed), jax.random.PRNGKey(seed), or a seed as a whole number"


def as_key(key: Any) -> jax.Array:
    """A single typed key, from whatever stands for one.

    Args:
      key: a typed key [] of ``jax.random.key``; a raw key of ``jax.random.PRNGKey``, uint32 [2] under JAX's default
        implementation; or a seed, a whole number from 0 to 2**32 - 1.

    Returns:
      A typed key []. A seed and a raw key give the keys ``jax.random.key`` and ``jax.random.wrap_key_data`` make of them.

    Raises:
      TypeError: if it is nothing of the kind.
      ValueError: for an array of several keys, a raw key of another length, or a seed out of range. (JAX takes the seed 2**32
        for 0 and -1 for 2**32 - 1, so that two experiments would share their numbers.)

    Example:
      >>> import jax
      >>> from jmeta.keys import as_key
      >>> as_key(3) == as_key(jax.random.PRNGKey(3)) == jax.random.key(3)
      Array(True, dtype=bool)
    """
    dtype = getattr(key, "dtype", None)
    if dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        if key.shape != ():
            raise ValueError(f"key is an array {list(key.shape)} of keys: give a single one, such as key[0]")
        return key
    if dtype is not None and key.shape != ():
        like = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0)))
        if dtype != jnp.uint32:
            raise TypeError(f"key is an array of {dtype}{list(key.shape)}: {_REMEDY}")
        if key.shape != like.shape:
            raise ValueError(f"a raw key is uint32{list(like.shape)} here, but this one is uint32{list(key.shape)}: {_REMEDY}")
        return jax.random.wrap_key_data(jnp.asarray(key))
    if isinstance(key, bool):
        raise TypeError(f"key={key!r} is no key: {_REMEDY}")
    try:
        seed = operator.index(key)
    except TypeError:
        raise TypeError(f"key={key!r} is no key: {_REMEDY}") from None
    if not 0 <= seed < NUM_SEEDS:
        raise ValueError(f"seed={seed}: give a whole number from 0 to {NUM_SEEDS - 1}")
    return jax.random.key(seed)
