"""The card of an agent of the zoo: what it scores, how it was trained, and where it stops working."""

import dataclasses
from typing import Any

from jmeta.types import Protocol


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known of an agent.

    Attributes:
      recipe: name of the recipe that it was trained by.
      seed: seed of its training.
      command: command that trained it.
      outer_steps: outer steps of its training.
      env_steps: environment steps of its training.
      score: mean score over test tasks.
      standard_error: standard error of the score over test tasks.
      of: what the score is the mean of, a key of ``jmeta.recipes.SCORES``.
      num_tasks: number of test tasks.
      split: split of the test tasks.
      protocol: the experience of a lifetime in the evaluation.
      episode_returns: mean return of each episode, in order.
      random: mean score of random actions in such tasks, over the episodes of a lifetime.
      optimum: the best possible score, where it is known.
      optimum_label: which optimum it is.
      versions: versions of Python, jmeta and JAX that trained it.
      limits: what it was not trained for.
    """

    recipe: str
    seed: int
    command: str
    outer_steps: int
    env_steps: int
    score: float
    standard_error: float
    of: str
    num_tasks: int
    split: str
    protocol: Protocol
    episode_returns: tuple[float, ...]
    random: float
    versions: dict[str, str]
    limits: str
    optimum: float | None = None
    optimum_label: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns the fields as JSON objects."""
        return dataclasses.asdict(self) | {"protocol": list(self.protocol), "episode_returns": list(self.episode_returns)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Card":
        """Returns the card that ``as_json`` wrote."""
        return cls(**fields | {"protocol": Protocol(*fields["protocol"]), "episode_returns": tuple(fields["episode_returns"])})
