"""Costs of a program as it is written, before it is compiled: every loop counts as often as it runs.

XLA's own analysis counts the body of a loop once.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from jmeta.planning.sums import total

MATRIX_PRODUCTS = ("dot_general", "conv_general_dilated")


class TracedCosts(NamedTuple):
    """Costs on each device.

    Attributes:
      matrix_flops: floating-point operations of matrix products and convolutions.
      other_flops: operations on single elements, one for each element of a result.
      serial_steps: iterations of innermost loops that run one after the other.
      unknown_loops: loops whose number of iterations depends on data; each counts once.
    """

    matrix_flops: float = 0.0
    other_flops: float = 0.0
    serial_steps: float = 0.0
    unknown_loops: float = 0.0

    def times(self, number: int) -> "TracedCosts":
        """Returns the costs of a loop with this body; a loop without loops inside takes one serial step in each iteration."""
        matrix, others, steps, unknown = self
        return TracedCosts(number * matrix, number * others, number * max(steps, 1.0), unknown)

    @property
    def flops(self) -> float:
        """All floating-point operations."""
        return self.matrix_flops + self.other_flops


def traced_costs(jaxpr: Jaxpr) -> TracedCosts:
    """Returns the costs of a traced program; inside ``over_tasks`` they are those of one device."""
    return total(map(_costs_of, jaxpr.eqns), TracedCosts())


def _costs_of(equation: JaxprEqn) -> TracedCosts:
    name, parameters = equation.primitive.name, equation.params
    if name == "scan":
        return traced_costs(parameters["jaxpr"].jaxpr).times(parameters["length"])
    if name == "while":
        once = traced_costs(parameters["body_jaxpr"].jaxpr).times(1)
        return once._replace(unknown_loops=once.unknown_loops + 1)
    if name == "cond":
        return max((traced_costs(branch.jaxpr) for branch in parameters["branches"]), key=lambda costs: costs.flops)
    if (inner := next(_programs_in(parameters), None)) is not None:  # further ones are derivatives of the first
        return traced_costs(inner)
    size = sum(math.prod(variable.aval.shape) for variable in equation.outvars if hasattr(variable.aval, "shape"))
    if name in MATRIX_PRODUCTS:
        return TracedCosts(matrix_flops=2.0 * size * _summed(equation))
    return TracedCosts(other_flops=float(size) if _computes(equation) else 0.0)


def _programs_in(parameters: dict[str, Any]) -> Iterator[Jaxpr]:
    for value in parameters.values():
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value


def _summed(equation: JaxprEqn) -> int:
    """Returns the number of products that are summed into an element of a matrix product or convolution."""
    left, right = (tuple(variable.aval.shape) for variable in equation.invars[:2])  # type: ignore[attr-defined]
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return math.prod(left[axis] for axis in contracted)
    numbers = equation.params["dimension_numbers"]
    return math.prod(right) // right[numbers.rhs_spec[0]]


def _computes(equation: JaxprEqn) -> bool:
    """Returns whether an operation computes floating-point numbers, rather than moving, choosing or comparing them."""
    moves = {
        *("broadcast_in_dim", "reshape", "transpose", "squeeze", "slice", "dynamic_slice", "dynamic_update_slice", "gather"),
        *("concatenate", "pad", "rev", "select_n", "convert_element_type", "copy", "copy_p", "iota", "split", "stop_gradient"),
    }
    kinds = [variable.aval.dtype for variable in equation.outvars if hasattr(variable.aval, "dtype")]
    return equation.primitive.name not in moves and any(jax.numpy.issubdtype(kind, jax.numpy.floating) for kind in kinds)
