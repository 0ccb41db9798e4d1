"""Roofline estimates: the least time that an outer step takes on a chip."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Least seconds of an outer step by each limit. The roofline takes the longest of the first three and of the last.

    Attributes:
      compute: seconds of floating-point operations at the chip's peak.
      memory: seconds of reading and writing main memory.
      links: seconds of exchanges between chips.
      launches: seconds of starting kernels one after the other.
      env_steps: environment steps of the outer step.
    """

    compute: float
    memory: float
    links: float
    launches: float
    env_steps: int

    @property
    def seconds(self) -> float:
        """Least seconds of an outer step."""
        return max(self.compute, self.memory, self.launches) + self.links

    @property
    def limit(self) -> str:
        """What takes longest: compute, memory, links or launches."""
        return max(("compute", "memory", "links", "launches"), key=lambda name: getattr(self, name))

    @property
    def steps_per_second(self) -> float:
        """Environment steps in a second, over all devices."""
        return self.env_steps / self.seconds
