"""The transformations of inner steps by name, against arithmetic by hand; and copies of them."""

import copy
import pickle
from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jmeta.inner.transforms import TRANSFORMS, transform


def directions(made: optax.GradientTransformation, *gradients: float) -> list[float]:
    state, found = made.init(jnp.zeros(())), []
    for gradient in gradients:
        update, state = made.update(jnp.float32(gradient), state)
        found.append(float(update))
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sgd", [2.0, -1.0]),
        ("momentum", [2.0, 0.8]),  # 2, then 0.9 * 2 - 1
        # Means 0.2 and 0.08, squares 0.004 and 0.004996; without bias 0.2 / 0.1 = 2 and 0.08 / 0.19, 4 and 0.004996 / 0.001999:
        # 2 / 2 = 1, then 0.421053 / sqrt(2.499250) = 0.266338.
        ("adam", [1.0, 0.266338]),
    ],
)
def test_transformations_by_hand(name: str, expected: list[float]) -> None:
    np.testing.assert_allclose(directions(TRANSFORMS[name], 2.0, -1.0), expected, rtol=1e-4)
    assert set(TRANSFORMS) == {"sgd", "momentum", "adam"}


def test_a_transformation_is_pickled_and_a_copy_is_the_same_object() -> None:
    """What optax makes are closures, which can't be pickled."""
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(optax.trace(0.5))
    made = transform(partial(optax.trace, 0.5))
    again = pickle.loads(pickle.dumps(made))
    assert directions(again, 2.0, -1.0) == directions(made, 2.0, -1.0) == [2.0, 0.0]  # 0.5 * 2 - 1
    assert copy.copy(made) is copy.deepcopy(made) is made
