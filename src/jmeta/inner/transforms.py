"""Optax transformations that can be pickled, for the steps of ``GradientDescent``."""

from collections.abc import Callable
from functools import partial
from typing import Any

import optax


class MadeTransform(optax.GradientTransformation):
    """A transformation that stores its constructor and so can be pickled, unlike optax's closures; a copy is the same object."""

    make: Callable[[], optax.GradientTransformation]

    def __reduce__(self) -> tuple[Any, ...]:
        return transform, (self.make,)

    def __copy__(self) -> "MadeTransform":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "MadeTransform":
        return self


def transform(make: Callable[[], optax.GradientTransformation]) -> MadeTransform:
    """Calls an optax constructor such that the transformation can be pickled: ``transform(partial(optax.trace, 0.9))``."""
    made = MadeTransform(*make())
    made.make = make
    return made


TRANSFORMS = {
    "sgd": transform(optax.identity),
    "momentum": transform(partial(optax.trace, 0.9)),
    "adam": transform(partial(optax.scale_by_adam, eps_root=1e-8)),
}
