"""The report on a task family that passed all checks."""

import dataclasses

from jmeta.types import ActionSpace


@dataclasses.dataclass(frozen=True)
class TaskReport:
    """Description of a task family that passed all checks.

    Attributes:
      name: its class.
      observation_size: length of the observation vector.
      action_space: what a policy must produce.
      horizon: longest episode, in environment steps.
      lifetime_length: environment steps of a lifetime.
      num_distinct: different tasks among 512 sampled ones of each split.
      observation_range: lowest and highest number observed under random actions.
      reward_range: lowest and highest reward under random actions.
      remarks: what is allowed, and worth knowing.
    """

    name: str
    observation_size: int
    action_space: ActionSpace
    horizon: int
    lifetime_length: int
    num_distinct: dict[str, int]
    observation_range: tuple[float, float]
    reward_range: tuple[float, float]
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            f"{self.name}: no mistake found",
            f"  observations    {self.observation_size} numbers, from {self.observation_range[0]:.3g} to "
            f"{self.observation_range[1]:.3g} under random actions",
            f"  actions         {self.action_space}",
            f"  rewards         from {self.reward_range[0]:.3g} to {self.reward_range[1]:.3g} under random actions",
            f"  episodes        at most {self.horizon} steps, lifetimes of {self.lifetime_length}",
            f"  different tasks {', '.join(f'{number} {split}' for split, number in self.num_distinct.items())} of 512 sampled",
        ]
        return "\n".join([*lines, *(f"  note: {remark}" for remark in self.remarks)])
