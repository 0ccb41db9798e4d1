"""Plans: what an outer step would need on devices that may not be here, from the program that is compiled for them."""

import dataclasses
import time
import warnings
from functools import partial
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding

from jmeta.outer.base import STATE_LAYOUT, OuterLearner
from jmeta.parallel import SHARED
from jmeta.planning.chips import CHIPS, Chip
from jmeta.planning.compiled_costs import CompiledCosts, compiled_costs
from jmeta.planning.hlo import read_hlo
from jmeta.planning.roofline import Estimate
from jmeta.planning.topology import Topology
from jmeta.planning.traced_costs import TracedCosts, traced_costs
from jmeta.training.memory import MemoryNeed, host_memory, needed_by
from jmeta.training.placement import shapes_on, shardings


@dataclasses.dataclass(frozen=True)
class Plan:
    """What an outer step needs on each device of a topology.

    Attributes:
      topology: the devices.
      num_tasks: meta-batch size, over all devices.
      env_steps: environment steps of an outer step, over all devices.
      traced: floating-point operations and serial steps.
      compiled: kernels, bytes and collectives; None if the program could not be compiled.
      memory: bytes; None if the program could not be compiled.
      compile_seconds: time of the compilation on this machine.
      refusal: what the compiler says of a program that does not fit; None if it fits, or if the compiler does not look.
    """

    topology: Topology
    num_tasks: int
    env_steps: int
    traced: TracedCosts
    compiled: CompiledCosts | None
    memory: MemoryNeed | None
    compile_seconds: float
    refusal: str | None = None

    @property
    def has_bytes(self) -> int:
        """Bytes of a device's memory; on a CPU those of this machine, shared by its devices."""
        chip = self.topology.chip
        return int(chip.memory) if chip else host_memory() // self.topology.num_devices

    @property
    def fits(self) -> bool | None:
        """Whether a device holds what an outer step needs; None if that is not known."""
        if self.refusal is not None:
            return False
        return None if self.memory is None else self.memory.total <= self.has_bytes

    @property
    def intensity(self) -> float | None:
        """Floating-point operations for each byte of main memory; None if the bytes are not known."""
        if self.compiled is None or not self.compiled.memory_bytes:
            return None
        return self.traced.flops / self.compiled.memory_bytes

    def estimates(self) -> dict[str, Estimate]:
        """Returns a roofline estimate for every chip, as many of them as the topology has devices."""
        return {chip.name: self.estimate(chip) for chip in CHIPS.values()}

    def estimate(self, chip: Chip) -> Estimate:
        """Returns a roofline estimate of an outer step on a chip.

        Kernels and bytes are those of the program that was compiled for the topology; another platform fuses differently.
        """
        compiled = self.compiled or CompiledCosts()
        return Estimate(
            compute=self.traced.flops / chip.float32_flops,
            memory=compiled.memory_bytes / chip.bandwidth,
            links=2.0 * compiled.collective_bytes / chip.link if self.topology.num_devices > 1 else 0.0,
            launches=max(compiled.kernels, self.traced.serial_steps) * chip.kernel_seconds,
            env_steps=self.env_steps,
        )


def plan(outer: OuterLearner, topology: Topology | str) -> Plan:
    """Compiles an outer step for a topology, and says what it would need there. Nothing is run.

    Args:
      outer: the learner.
      topology: devices, such as "v5e:4x4", "h200:8" or "cpu". TPUs need libtpu (``jmeta[tpu]``). GPUs need JAX's CUDA plugin
        (``jmeta[cuda]``); without it, only the costs of the program as it is written are known.

    Raises:
      ValueError: for an unknown topology, or one that the learner's batches don't divide over.

    Example:
      >>> import jmeta
      >>> outer = jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit(), hidden_size=8, num_tasks=8)
      >>> planned = plan(outer, "cpu:1")
      >>> planned.fits, planned.traced.serial_steps >= 20
      (True, True)
    """
    topology = Topology.parse(topology) if isinstance(topology, str) else topology
    outer.check_devices(topology.num_devices)
    if not topology.compiles:
        return _written(outer, topology)
    mesh = topology.mesh()
    started = time.perf_counter()
    traced, lowered = _lower(outer, mesh)
    of = partial(Plan, topology, outer.num_tasks, outer.num_env_steps, traced)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Error reading persistent compilation cache entry")  # a device's that is not here
            compiled = lowered.compile(compiler_options=topology.options)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return of(None, None, time.perf_counter() - started, str(error).splitlines()[0].removeprefix("RESOURCE_EXHAUSTED: "))
    seconds = time.perf_counter() - started
    return of(compiled_costs(read_hlo(compiled.as_text())), needed_by(compiled), seconds)


def _lower(outer: OuterLearner, mesh: Mesh) -> tuple[TracedCosts, Any]:
    """Returns the costs of an outer step on a mesh, and the step lowered for it."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = shapes_on(shardings(mesh, STATE_LAYOUT), jax.eval_shape(outer.init, key))
    everywhere = jax.ShapeDtypeStruct(key.shape, key.dtype, sharding=NamedSharding(mesh, SHARED))
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):  # constants are computed here, and not on the devices of the mesh
        traced = jax.jit(outer.step, donate_argnums=0).trace(state, everywhere)
        return traced_costs(traced.jaxpr.jaxpr), traced.lower()


def _written(outer: OuterLearner, topology: Topology) -> Plan:
    """Returns the plan of a program that is not compiled: each device's share of its operations."""
    started = time.perf_counter()
    key = jax.eval_shape(lambda: jax.random.key(0))
    traced = traced_costs(jax.jit(outer.step).trace(jax.eval_shape(outer.init, key), key).jaxpr.jaxpr)
    share = 1.0 / topology.num_devices
    traced = traced._replace(matrix_flops=share * traced.matrix_flops, other_flops=share * traced.other_flops)
    return Plan(topology, outer.num_tasks, outer.num_env_steps, traced, None, None, time.perf_counter() - started)
