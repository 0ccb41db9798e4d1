"""Variants of a learner, which differ in numbers only, so that they train in one program."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.training.provenance import describe


@dataclasses.dataclass(frozen=True)
class Variants:
    """V learners of one structure; numbers in which they differ are arrays, so that a ``vmap`` may run over them.

    Attributes:
      structure: tree structure of each learner.
      leaves: leaves of the first learner.
      varying: index of a leaf -> its values [V].
    """

    structure: Any
    leaves: list[Any]
    varying: dict[int, jax.Array]

    @classmethod
    def of(cls, learners: dict[str, Any]) -> "Variants":
        """Returns the variants of learners by label.

        Raises:
          ValueError: if they differ in anything but numeric leaves, or do not differ.
        """
        (first_label, first), *others = learners.items()
        leaves, structure = jax.tree.flatten(first)
        rows = [leaves]
        for label, learner in others:
            row = jax.tree.leaves(learner)
            alike = len(row) == len(leaves) and all(np.shape(a) == np.shape(b) for a, b in zip(row, leaves, strict=True))
            if not alike or describe(jax.tree.unflatten(structure, row)) != describe(learner):
                raise ValueError(
                    f"{label!r} and {first_label!r} differ in more than numbers, so they can't share one program: "
                    "give each a table of its own"
                )
            if any(all(np.array_equal(a, b) for a, b in zip(row, other, strict=True)) for other in rows):
                raise ValueError(
                    f"{label!r} makes no number of the learner differ: that setting changes the program, or has a value twice; "
                    "give each value a table of its own"
                )
            rows.append(row)
        columns = [np.stack([np.asarray(leaf) for leaf in column]) for column in zip(*rows, strict=True)]
        varying = {i: jnp.asarray(column) for i, column in enumerate(columns) if (column != column[0]).any()}
        return cls(structure, leaves, varying)

    def learner(self, values: dict[int, jax.Array]) -> Any:
        """Returns the learner with these values of the leaves that vary."""
        return jax.tree.unflatten(self.structure, [values.get(index, leaf) for index, leaf in enumerate(self.leaves)])
