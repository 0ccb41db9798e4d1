"""Topologies: chips that may not be here, on which the task axis is laid out."""

import dataclasses
import importlib.util
import math
import os
import re
from typing import Any

import jax
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from jmeta.parallel import TASK_AXIS, task_mesh
from jmeta.planning.chips import CHIPS, Chip
from jmeta.planning.gpu_targets import GPU_OPTIONS, GPU_PLUGINS, GPU_TARGETS

CPU = "cpu"
NO_TPU_HOST = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
"""Environment of libtpu. It would else ask the network what kind of TPU host this is, and let one process use it at a time."""
SHAPE = re.compile(r"[1-9]\d*(x[1-9]\d*)*")


@dataclasses.dataclass(frozen=True)
class Topology:
    """Devices that a training is planned for.

    Attributes:
      name: as given, such as "v5e:4x4".
      chip: the chip; None for the CPU of this machine.
      num_devices: number of chips.
    """

    name: str
    chip: Chip | None
    num_devices: int

    @classmethod
    def parse(cls, name: str) -> "Topology":
        """Returns the topology of a name: ``v5e:4x4`` (TPUs in a grid), ``h200:8`` (GPUs), ``cpu`` or ``cpu:2`` (this machine).

        Raises:
          ValueError: for an unknown chip, or a shape that is not whole numbers joined by x.
        """
        kind, _, shape = name.partition(":")
        known = ", ".join([*CHIPS, CPU])
        if kind != CPU and kind not in CHIPS:
            raise ValueError(f"topology={name!r}: no chip is called {kind!r}; choose from {known}, such as v5e:4x4 or h200:8")
        if kind == CPU and not shape:
            return cls(name, None, len(jax.local_devices()))
        if not SHAPE.fullmatch(shape):
            raise ValueError(f"topology={name!r}: say how many chips there are after a colon, such as {kind}:4 or {kind}:2x2")
        number = math.prod(map(int, shape.split("x")))
        if kind in CHIPS and CHIPS[kind].platform == "tpu" and "x" not in shape:
            raise ValueError(f"topology={name!r}: give the shape of the grid of chips, such as {kind}:2x2")
        return cls(name, CHIPS.get(kind), number)

    @property
    def compiles(self) -> bool:
        """Whether programs can be compiled for the devices on this machine: for GPUs that needs JAX's CUDA plugin."""
        return self.chip is None or self.chip.platform != "cuda" or any(map(importlib.util.find_spec, GPU_PLUGINS))

    @property
    def options(self) -> dict[str, Any]:
        """Options of the compilation."""
        return GPU_OPTIONS if self.chip is not None and self.chip.platform == "cuda" else {}

    def mesh(self) -> Mesh:
        """Returns a mesh of the devices, for which programs are compiled; programs on chips that are not here can't be run.

        Raises:
          ValueError: if JAX's plugin does not know the topology, or fewer CPU devices are here.
          ModuleNotFoundError: if the plugin that compiles for these chips is not installed.
        """
        if self.chip is None:
            return task_mesh(self.num_devices)
        if self.chip.platform == "cuda":
            if not self.compiles:
                raise ModuleNotFoundError(
                    f"topology={self.name!r}: JAX's CUDA plugin compiles for GPUs; pip install 'jmeta[cuda]'"
                )
            target = GPU_TARGETS[self.chip.name].config(self.chip.name, self.chip.memory, self.chip.bandwidth)
            options: dict[str, Any] = {"platform": "cuda", "target_config": target, "topology": f"1x1x{self.num_devices}"}
        else:
            if importlib.util.find_spec("libtpu") is None:
                raise ModuleNotFoundError(f"topology={self.name!r}: libtpu compiles for TPUs; pip install 'jmeta[tpu]'")
            for name, value in NO_TPU_HOST.items():
                os.environ.setdefault(name, value)
            options = {"platform": "tpu"} | ({"chips_per_host_bounds": (1, 1, 1)} if self.num_devices == 1 else {})
        try:
            devices = topologies.get_topology_desc(topology_name=self.name, **options).devices
        except Exception as error:  # the plugins raise several kinds
            raise ValueError(f"topology={self.name!r}: JAX's plugin refuses it: {str(error).splitlines()[0]}") from None
        return Mesh(devices, (TASK_AXIS,), axis_types=(AxisType.Auto,))
