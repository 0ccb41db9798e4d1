"""The bytes that an instruction of a compiled program reads from and writes to main memory."""

from jmeta.planning.hlo import Instruction, arrays_of, bytes_of

SLICES = ("dynamic-slice", "slice", "gather")
WORKSPACE = "s8["
"""Beginning of the shape of the space that a GPU's library gets to work in, of which it may use any part."""


def traffic(each: Instruction, inside: dict[str, Instruction], computations: dict[str, dict[str, Instruction]]) -> float:
    """Returns the bytes that an instruction reads and writes; of an array that it only slices or updates, those of the part.

    Args:
      each: the instruction.
      inside: the computation that it belongs to.
      computations: all computations of the program by name.
    """

    def size(name: str) -> int:
        return bytes_of(inside[name].shape) if name in inside else 0

    if each.opcode == "fusion":
        return _of_fusion(each, inside, computations[each.attribute("calls")[0]])
    if each.opcode in SLICES:
        return 2.0 * bytes_of(each.shape)
    if each.opcode == "dynamic-update-slice":
        return 2.0 * size(each.operands[1])
    if each.opcode == "copy-start":  # its shape has the copy and the original
        return float(bytes_of(each.shape))
    results = [shape for shape in arrays_of(each.shape) if each.opcode != "custom-call" or not shape.startswith(WORKSPACE)]
    return float(sum(map(bytes_of, results)) + sum(map(size, each.operands)))


def _of_fusion(fusion: Instruction, outside: dict[str, Instruction], inside: dict[str, Instruction]) -> float:
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
