"""Values that are computed outside of any trace, so that a distribution never keeps a tracer."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import jax


@contextlib.contextmanager
def outside_of_traces() -> Iterator[None]:
    """Evaluates JAX code eagerly within any trace, on the ambient mesh's devices and sharded over none of its axes."""
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), ())), jax.ensure_compile_time_eval():
        yield


class constant(functools.cached_property):
    """A cached property that is computed outside of any trace, so that it never keeps a tracer."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        with outside_of_traces():
            return super().__get__(instance, owner)
