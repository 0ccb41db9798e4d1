"""Costs of a compiled program: kernels, bytes and collectives, with every loop counted as often as it runs.

A kernel is an instruction of a computation that is run, such as a fusion. Its bytes are those that it reads and writes in the
device's main memory; of an array from which it only takes slices, those of the slices.
"""

import re
from typing import NamedTuple

from jmeta.planning.hlo import HLO, Instruction, bytes_of
from jmeta.planning.sums import total
from jmeta.planning.traffic import traffic

FREE = frozenset(("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "replica-id"))
"""Instructions that do nothing when the program runs."""
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute", "collective-broadcast")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


class CompiledCosts(NamedTuple):
    """Costs on each device.

    Attributes:
      kernels: instructions that run.
      memory_bytes: bytes read from and written to main memory.
      collectives: exchanges between devices.
      collective_bytes: bytes of their results.
      unknown_loops: loops whose number of iterations could not be read; each counts once.
    """

    kernels: float = 0.0
    memory_bytes: float = 0.0
    collectives: float = 0.0
    collective_bytes: float = 0.0
    unknown_loops: float = 0.0

    def times(self, number: int) -> "CompiledCosts":
        """Returns the costs of a loop with this body."""
        kernels, memory, collectives, exchanged, unknown = self
        return CompiledCosts(number * kernels, number * memory, number * collectives, number * exchanged, unknown)


def compiled_costs(program: HLO) -> CompiledCosts:
    """Returns the costs of a program."""
    return _Counter(program).costs(program.entry)


class _Counter:
    def __init__(self, program: HLO) -> None:
        self.computations = program.computations

    def costs(self, name: str) -> CompiledCosts:
        """Returns the costs of running a computation once."""
        inside = self.computations[name]
        return total((self._costs_of(each, inside) for each in inside.values()), CompiledCosts())

    def _costs_of(self, each: Instruction, inside: dict[str, Instruction]) -> CompiledCosts:
        if each.opcode in FREE or each.opcode.endswith("-done"):
            return CompiledCosts()
        if each.opcode == "while":
            trips = self._trips(each, inside)
            body = self.costs(each.attribute("body")[0])
            return body.times(trips) if trips is not None else body._replace(unknown_loops=body.unknown_loops + 1)
        if each.opcode == "conditional":
            names = [
                name for kind in ("branch_computations", "true_computation", "false_computation") for name in each.attribute(kind)
            ]
            return max(map(self.costs, names), key=lambda costs: (costs.memory_bytes, costs.kernels))
        if each.opcode in ("call", "async-start"):
            return total(map(self.costs, each.attribute("to_apply") or each.attribute("calls")), CompiledCosts())
        if each.opcode.removesuffix("-start") in COLLECTIVES:
            return CompiledCosts(kernels=1, collectives=1, collective_bytes=bytes_of(each.shape, everywhere=True))
        return CompiledCosts(kernels=1, memory_bytes=traffic(each, inside, self.computations))

    def _trips(self, loop: Instruction, inside: dict[str, Instruction]) -> int | None:
        """Returns the iterations of a loop that counts up from 0, or None if its limit is not a constant."""
        if known := TRIPS.search(loop.attributes):
            return int(known[1])
        condition = self.computations[loop.attribute("condition")[0]]
        root = next(each for each in condition.values() if each.is_root)
        if root.opcode != "compare" or "direction=LT" not in root.attributes:
            return None
        return self._constant(condition[root.operands[1]], loop, inside)

    def _constant(self, limit: Instruction, loop: Instruction, inside: dict[str, Instruction]) -> int | None:
        """Returns a constant of a loop's condition, which may be one of the values that the loop begins with."""
        if limit.opcode == "get-tuple-element":
            begins = inside[loop.operands[0]]
            index = int(re.search(r"index=(\d+)", limit.attributes)[1])  # type: ignore[index]
            if begins.opcode != "tuple":
                return None
            limit = inside[begins.operands[index]]
        while limit.opcode in ("copy", "bitcast") and limit.operands[0] in inside:
            limit = inside[limit.operands[0]]
        return int(limit.literal) if limit.opcode == "constant" and re.fullmatch(r"-?\d+", limit.literal) else None
