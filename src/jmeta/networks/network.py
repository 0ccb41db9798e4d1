"""The boundary between Flax NNX modules and pure functions.

Modules are written in NNX and converted to pure functions once. Parameters are then plain nested dictionaries, which can be
interpolated, perturbed, generated or stacked per task, with ``jax.*`` transforms only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from flax import nnx

from jmeta.types import PyTree


class Network(NamedTuple):
    """A module as two pure functions.

    Attributes:
      init: ``init(key) -> parameters``, a nested dictionary of arrays.
      apply: ``apply(parameters, *args, method="__call__")``, calls the module's method.
    """

    init: Callable[[jax.Array], PyTree]
    apply: Callable[..., Any]


class BuiltNetwork(Network):
    """A ``Network`` that stores its constructor, so that it can be pickled if the constructor can; a copy is the same object."""

    build: Callable[..., nnx.Module]

    def __reduce__(self) -> tuple[Any, ...]:
        return from_nnx, (self.build,)

    def __copy__(self) -> "BuiltNetwork":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "BuiltNetwork":
        return self


def from_nnx(build: Callable[..., nnx.Module]) -> Network:
    """Turns a module constructor into a ``Network``.

    Args:
      build: makes the module, called as ``build(rngs=rngs)``, such as ``partial(MyModule, ...)``. With a lambda, the network and
        all objects that contain it can't be pickled. All variables of the module must be ``nnx.Param``.

    Raises:
      ValueError: if the module has variables of another kind, such as batch statistics or dropout's random state.

    Example:
      >>> import jax
      >>> network = from_nnx(lambda rngs: nnx.Linear(3, 2, rngs=rngs))
      >>> parameters = network.init(jax.random.key(0))
      >>> jax.tree.map(lambda x: x.shape, parameters)
      {'bias': (2,), 'kernel': (3, 2)}
      >>> network.apply(parameters, jax.numpy.ones(3)).shape
      (2,)
    """
    graphdef, template, others = nnx.split(nnx.eval_shape(lambda: build(rngs=nnx.Rngs(0))), nnx.Param, ...)
    if jax.tree.leaves(others):
        raise ValueError(
            f"the module has variables that are not nnx.Param: {nnx.to_pure_dict(others)}; everything that changes must be a "
            "parameter or go through arguments and results"
        )

    @jax.jit
    def init(key: jax.Array) -> PyTree:
        return nnx.to_pure_dict(nnx.state(build(rngs=nnx.Rngs(key)), nnx.Param))

    def apply(parameters: PyTree, *args: Any, method: str = "__call__") -> Any:
        state = jax.tree.unflatten(jax.tree.structure(template), jax.tree.leaves(parameters))
        return getattr(nnx.merge(graphdef, state), method)(*args)

    network = BuiltNetwork(init, apply)
    network.build = build
    return network
