"""A linear recurrence, which computes a whole sequence in parallel (Orvieto et al. 2023, arXiv 2303.06349)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks.core import Core
from jmeta.networks.linear import Linear, for_features


class LRU(Core):
    """Layers of a diagonal linear recurrence, each in a residual block; memory is a complex state [num_layers, size].

        u = norm(x),   h_t = lambda * h_{t-1} + gamma * (B u_t),   y_t = Re(C h_t) + D * u_t,
        x + linear(gelu(y)) * sigmoid(gate(gelu(y)))

    |lambda| < 1 by construction, lambda = exp(-exp(nu) + i exp(theta)). Its initial modulus is in [0.9, 0.999], and its initial
    phase in [0, pi / 10]. gamma is initialised such that the state has the scale of its input.

    Since the recurrence is linear, an unroll is an associative scan, whose depth is the logarithm of the length. Everything else
    is matrix products over all steps at once.

    Args:
      num_inputs: length of x.
      size: size of the state, and of the output.
      num_layers: number of blocks.
      dtype: dtype of matrix products; parameters and the state are always in single precision.

    References:
      Orvieto et al. 2023, arXiv 2303.06349. Resets inside the scan: Lu et al. 2023, arXiv 2303.03982.
    """

    def __init__(self, num_inputs: int, size: int, *, num_layers: int = 1, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        self.output_size = size
        self.inputs = Linear(num_inputs, size, dtype=dtype, rngs=rngs)
        self.layers = nnx.List([_Layer(size, dtype=dtype, rngs=rngs) for _ in range(num_layers)])
        self.norm = nnx.LayerNorm(size, rngs=rngs)

    def initial_memory(self) -> jax.Array:
        return jnp.zeros((len(self.layers), self.output_size), jnp.complex64)

    def __call__(self, memory: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = self.inputs(x).astype(jnp.float32)
        states = []
        for layer, state in zip(self.layers, memory, strict=True):
            drive, direct = layer.before(x)
            state = layer.eigenvalues() * state + drive
            states.append(state)
            x = x + layer.after(state, direct)
        return jnp.stack(states), self.norm(x)

    def unroll(self, memory: jax.Array, xs: jax.Array, resets: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        x = self.inputs(xs).astype(jnp.float32)
        states = []
        for layer, state in zip(self.layers, memory, strict=True):
            drive, direct = layer.before(x)
            decay = jnp.broadcast_to(layer.eigenvalues(), drive.shape)
            if resets is not None:
                decay = jnp.where(resets[:, None], 0.0, decay)
            drive = drive.at[0].add(decay[0] * state)
            _, course = jax.lax.associative_scan(_compose, (decay, drive))
            states.append(course[-1])
            x = x + layer.after(course, direct)
        return jnp.stack(states), self.norm(x)


def _compose(earlier: tuple[jax.Array, jax.Array], later: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Returns the composition of two maps h -> a h + b."""
    (a, b), (c, d) = earlier, later
    return c * a, c * b + d


class _Layer(nnx.Module):
    """One block without its recurrence: the input of the state, and the output from the state."""

    def __init__(self, size: int, *, dtype: DTypeLike, rngs: nnx.Rngs, smallest: float = 0.9, largest: float = 0.999):
        uniform = lambda: jax.random.uniform(rngs.params(), (size,), jnp.float32)  # noqa: E731
        # With this distribution of the modulus, eigenvalues are uniform on the ring.
        modulus = jnp.sqrt(uniform() * (largest**2 - smallest**2) + smallest**2)
        self.log_decay = nnx.Param(jnp.log(-jnp.log(modulus)))
        self.log_phase = nnx.Param(jnp.log(jnp.pi / 10 * uniform() + 1e-4))
        self.log_scale = nnx.Param(0.5 * jnp.log(1.0 - modulus**2))
        self.norm = nnx.LayerNorm(size, rngs=rngs)
        self.drive = Linear(size, 2 * size, use_bias=False, dtype=dtype, rngs=rngs)
        self.read = Linear(2 * size, size, use_bias=False, dtype=dtype, rngs=rngs)
        self.direct = nnx.Param(jax.random.normal(rngs.params(), (size,), jnp.float32))
        self.gate = Linear(size, 2 * size, dtype=dtype, rngs=rngs)

    def eigenvalues(self) -> jax.Array:
        return jnp.exp(jax.lax.complex(-jnp.exp(self.log_decay[...]), jnp.exp(self.log_phase[...])))

    def before(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Maps inputs [..., size] to the complex input of the state, and to the skip connection D * u."""
        u = self.norm(x)
        real, imaginary = jnp.split(self.drive(u).astype(jnp.float32), 2, axis=-1)
        scale, direct = (for_features(parameter[...], u) for parameter in (self.log_scale, self.direct))
        return jnp.exp(scale) * jax.lax.complex(real, imaginary), direct * u

    def after(self, state: jax.Array, direct: jax.Array) -> jax.Array:
        """Maps the state [..., size] and the skip connection to the residual of the block."""
        y = self.read(jnp.concatenate([state.real, state.imag], axis=-1)).astype(jnp.float32) + direct
        value, gate = jnp.split(self.gate(jax.nn.gelu(y)).astype(jnp.float32), 2, axis=-1)
        return value * jax.nn.sigmoid(gate)
