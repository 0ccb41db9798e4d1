"""Costs of a compiled program: kernels, bytes and collectives, with every loop counted as often as it runs.

A kernel is an instruction of a computation that is run, such as a fusion. Its bytes are those that it reads and writes in the
device's main memory; of an array from which it only takes slices, those of the slices.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from jmeta.planning.hlo import HLO, Instruction, arrays_of, bytes_of

FREE = frozenset(("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "replica-id"))
"""Instructions that do nothing when the program runs."""
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute", "collective-broadcast")
SLICES = ("dynamic-slice", "slice", "gather")
WORKSPACE = "s8["
"""Beginning of the shape of the space that a GPU's library gets to work in, of which it may use any part."""
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

    def __add__(self, other: "CompiledCosts") -> "CompiledCosts":  # type: ignore[override]
        return CompiledCosts(*(a + b for a, b in zip(self, other, strict=True)))

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
        return sum((self._costs_of(each, inside) for each in inside.values()), CompiledCosts())

    def _costs_of(self, each: Instruction, inside: dict[str, Instruction]) -> CompiledCosts:
        if each.opcode in FREE or each.opcode.endswith("-done"):
            return CompiledCosts()
        if each.opcode == "while":
            trips = self._trips(each, inside)
            body = self.costs(each.attribute("body")[0])
            return body.times(trips) if trips is not None else body + CompiledCosts(unknown_loops=1)
        if each.opcode == "conditional":
            names = [
                name for kind in ("branch_computations", "true_computation", "false_computation") for name in each.attribute(kind)
            ]
            return max(map(self.costs, names), key=lambda costs: (costs.memory_bytes, costs.kernels))
        if each.opcode in ("call", "async-start"):
            return sum(map(self.costs, each.attribute("to_apply") or each.attribute("calls")), CompiledCosts())
        if each.opcode.removesuffix("-start") in COLLECTIVES:
            return CompiledCosts(kernels=1, collectives=1, collective_bytes=bytes_of(each.shape, everywhere=True))
        return CompiledCosts(kernels=1, memory_bytes=self._bytes(each, inside))

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

    def _bytes(self, each: Instruction, inside: dict[str, Instruction]) -> float:
        """Returns the bytes that an instruction reads and writes."""
        if each.opcode == "fusion":
            return self._fused_bytes(each, inside)
        size: Callable[[str], int] = lambda name: bytes_of(inside[name].shape) if name in inside else 0  # noqa: E731
        if each.opcode in SLICES:
            return 2.0 * bytes_of(each.shape)
        if each.opcode == "dynamic-update-slice":
            return 2.0 * size(each.operands[1])
        if each.opcode == "copy-start":  # its shape has the copy and the original
            return float(bytes_of(each.shape))
        results = [shape for shape in arrays_of(each.shape) if each.opcode != "custom-call" or not shape.startswith(WORKSPACE)]
        return float(sum(map(bytes_of, results)) + sum(map(size, each.operands)))

    def _fused_bytes(self, fusion: Instruction, outside: dict[str, Instruction]) -> float:
        """Returns the bytes of a fusion: of an operand that it only slices, and of a result that it only updates, those parts."""
        inside = self.computations[fusion.attribute("calls")[0]]
        users: dict[str, list[Instruction]] = {}
        for each in inside.values():
            for name in each.operands:
                users.setdefault(name, []).append(each)
        total = 0.0
        for each in inside.values():
            if each.opcode == "parameter":
                operand = outside.get(fusion.operands[int(each.literal)])
                whole = bytes_of(operand.shape if operand else each.shape)
                parts = _parts_read(each, users)
                total += whole if parts is None else min(whole, parts)
        root = _behind(next(each for each in inside.values() if each.is_root), inside)
        shapes = arrays_of(fusion.shape)
        results = [_behind(inside[name], inside) for name in root.operands] if root.opcode == "tuple" else len(shapes) * [root]
        for result, shape in zip(results, shapes, strict=True):
            updates = result.opcode == "dynamic-update-slice"
            total += min(bytes_of(shape), bytes_of(inside[result.operands[1]].shape)) if updates else bytes_of(shape)
        return total


def _behind(each: Instruction, inside: dict[str, Instruction]) -> Instruction:
    """Returns the instruction whose result this one only names anew."""
    while each.opcode == "bitcast":
        each = inside[each.operands[0]]
    return each


def _parts_read(each: Instruction, users: dict[str, list[Instruction]]) -> int | None:
    """Returns the bytes that are read of an array which is only sliced, or updated in place; None if all of it is read."""
    total = 0
    for user in users.get(each.name, []):
        if user.opcode in SLICES:
            total += bytes_of(user.shape)
        elif user.opcode == "bitcast":
            parts = _parts_read(user, users)
            if parts is None:
                return None
            total += parts
        elif user.opcode != "dynamic-update-slice" or user.operands[0] != each.name:
            return None
    return total
