"""Files of the zoo: meta-parameters as safetensors, with the settings of the training and the card as JSON metadata.

The tensors are ``theta/0``, ``theta/1``, ..., the arrays of the deployed meta-parameters in the order of their tree. A large
agent has its matrices in eight bits: whole numbers from -127 to 127, and for each column a factor, ``theta/0/factor``. The score
on the card is that of the stored agent.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jmeta.agent.programs import hash_arrays
from jmeta.outer.base import OuterLearner
from jmeta.types import PyTree
from jmeta.zoo.card import Card

FORMAT = 1
LARGEST = 127
"""Largest whole number of a matrix in eight bits."""


@dataclasses.dataclass(frozen=True)
class ZooAgent:
    """A trained agent.

    Attributes:
      arrays: arrays of the deployed meta-parameters, in the order of their tree.
      config: settings of learner and tasks, and versions, as in the config.json of a run.
      card: what it scores and how it was trained.
      num_bytes: size of its file.
    """

    arrays: tuple[np.ndarray, ...]
    config: dict[str, Any]
    card: Card
    num_bytes: int

    def theta_of(self, outer: OuterLearner) -> PyTree:
        """Returns the meta-parameters as the tree that a learner deploys.

        Raises:
          ValueError: if they are not those of the learner, which another version of jmeta may build otherwise.
        """
        expected = jax.eval_shape(lambda key: outer.deploy(outer.init(key)), jax.random.key(0))
        leaves, structure = jax.tree.flatten(expected)
        found = [(array.shape, array.dtype) for array in self.arrays]
        if found != [(leaf.shape, leaf.dtype) for leaf in leaves]:
            raise ValueError(
                f"the zoo's {self.card.recipe} was trained by jmeta {self.config['versions'].get('jmeta')}, whose learner has "
                f"other parameters: train it again by `{self.card.command}`"
            )
        return jax.tree.unflatten(structure, self.arrays)


def pack(theta: PyTree, *, eight_bits: bool = False) -> dict[str, np.ndarray]:
    """Returns the tensors of deployed meta-parameters by name; ``eight_bits`` stores matrices in a quarter of their size."""
    tensors: dict[str, np.ndarray] = {}
    for number, leaf in enumerate(jax.tree.leaves(theta)):
        array = np.array(leaf, order="C")
        if eight_bits and array.ndim > 1 and array.dtype == np.float32:
            array, tensors[f"theta/{number}/factor"] = _in_eight_bits(array)
        tensors[f"theta/{number}"] = array
    return tensors


def unpack(tensors: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Returns the arrays of the meta-parameters, in the order of their tree."""
    count = sum(name.count("/") == 1 for name in tensors)
    return tuple(_whole(tensors[f"theta/{number}"], tensors.get(f"theta/{number}/factor")) for number in range(count))


def write_agent(file: Path, tensors: dict[str, np.ndarray], config: dict[str, Any], card: Card) -> None:
    """Writes a file of the zoo: what ``pack`` returned, recipe and versions of the run's config.json, and the card."""
    from safetensors.numpy import save

    about = {"format": FORMAT, "config": config, "card": card.as_json(), "checksum": hash_arrays(tensors).hexdigest()}
    file.write_bytes(save(tensors, metadata={"jmeta-zoo": json.dumps(about)}))


def read_agent(file: Path) -> ZooAgent:
    """Reads a file of the zoo.

    Raises:
      ValueError: if it is damaged, or of a newer version of jmeta.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            about = json.loads(opened.metadata()["jmeta-zoo"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if about["format"] > FORMAT:
            raise ValueError(f"{file} has format {about['format']}, and this jmeta reads up to {FORMAT}: install a newer jmeta")
        if about["checksum"] != hash_arrays(tensors).hexdigest():
            raise KeyError("checksum")
        return ZooAgent(unpack(tensors), about["config"], Card.from_json(about["card"]), file.stat().st_size)
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} is damaged ({error!r}): install jmeta again") from error


def _in_eight_bits(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns whole numbers of the shape of an array, and a factor [columns] for its last axis."""
    largest = np.abs(array).reshape(-1, array.shape[-1]).max(0)
    factor = (np.where(largest > 0, largest, 1.0) / LARGEST).astype(np.float32)
    return np.rint(array / factor).astype(np.int8), factor


def _whole(array: np.ndarray, factor: np.ndarray | None) -> np.ndarray:
    return array if factor is None else array.astype(np.float32) * factor
