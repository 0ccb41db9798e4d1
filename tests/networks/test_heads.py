"""Heads: standard deviations that can be left and returned to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jmeta.networks import PolicyHead, TanhNormalHead
from jmeta.networks.beliefs import BeliefHead
from jmeta.networks.context_encoders import ProductOfGaussians
from jmeta.networks.soft_clip import inverse_soft_clip, soft_clip
from jmeta.types import Continuous


def test_soft_clip_by_hand() -> None:
    # inside: itself; -6: -5 - log 2; 5: 2 + log 4; slopes 1, 1 / 2, 1 / 4
    x = jnp.array([-5.0, -1.3, 2.0, -6.0, 5.0])
    np.testing.assert_array_equal(soft_clip(x, -5.0, 2.0)[:3], x[:3])
    np.testing.assert_allclose(soft_clip(x, -5.0, 2.0)[3:], [-5.0 - np.log(2.0), 2.0 + np.log(4.0)], rtol=1e-6)
    slope = jax.vmap(jax.grad(lambda x: soft_clip(x, -5.0, 2.0)))(x)
    np.testing.assert_allclose(slope, [1.0, 1.0, 1.0, 0.5, 0.25], rtol=1e-6)
    far = jnp.array([-9.0, -5.0, 0.3, 2.0, 4.0])
    np.testing.assert_allclose(soft_clip(inverse_soft_clip(far, -5.0, 2.0), -5.0, 2.0), far, rtol=1e-5)


@pytest.mark.parametrize("std", [0.006, 0.5, 20.0])
def test_a_policy_begins_at_its_initial_std_and_can_leave_it(std: float) -> None:
    head = PolicyHead(2, Continuous(3), initial_std=std, rngs=nnx.Rngs(0))

    def spread(head: PolicyHead) -> jax.Array:
        return head(jnp.ones(2)).base_dist.scale.sum()

    np.testing.assert_allclose(head(jnp.ones(2)).base_dist.scale, [std] * 3, rtol=1e-5)
    assert (jnp.abs(nnx.grad(spread)(head)["log_std"][...]) > 1e-4).all()


@pytest.mark.parametrize("outside", [-30.0, 30.0])
@pytest.mark.parametrize("kind", ["tanh", "belief", "context"])
def test_spreads_outside_their_range_have_a_gradient(kind: str, outside: float) -> None:
    rngs = nnx.Rngs(0)
    head, bias, spread = {
        "tanh": lambda: (h := TanhNormalHead(2, 3, rngs=rngs), h.log_std.bias, lambda h: h(jnp.ones(2)).log_std.sum()),
        "belief": lambda: (h := BeliefHead(2, 3, rngs=rngs), h.log_variance.bias, lambda h: h(jnp.ones(2)).log_variance.sum()),
        "context": lambda: (
            h := ProductOfGaussians(2, (4,), 3, rngs=rngs),
            h.log_variance.bias,
            lambda h: jnp.log(h.factors(jnp.ones((1, 2)))[1]).sum(),
        ),
    }[kind]()
    bias[...] = jnp.full(3, outside)
    gradient = nnx.grad(spread)(head)
    part = gradient["log_std" if kind == "tanh" else "log_variance"]["bias"][...]
    assert (part > 1e-3).all()
