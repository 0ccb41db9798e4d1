"""Plans as text."""

import textwrap

from jmeta.planning.fitting import Fit
from jmeta.planning.plan import Plan
from jmeta.training.files import in_bytes


def report(plan: Plan) -> str:
    """Returns a plan as lines of at most 80 characters: what an outer step needs, and how fast each chip could be at best."""
    topology, traced, compiled, memory = plan.topology, plan.traced, plan.compiled, plan.memory
    where = f"on each of {topology.num_devices} devices" if topology.num_devices > 1 else "on one device"
    lines = [
        f"An outer step of num_tasks={plan.num_tasks:,} on {topology.name}, {where}:",
        "",
        f"  environment steps      {plan.env_steps:,} (over all devices)",
        f"  FLOPs                  {traced.flops:.3g}, of matrix products {traced.matrix_flops / max(traced.flops, 1.0):.0%}",
        f"  serial steps           {traced.serial_steps:,.0f}",
    ]
    if plan.refusal is not None:
        lines += [
            "  memory                 it DOES NOT FIT. The compiler says:",
            *textwrap.wrap(plan.refusal, 76, initial_indent="    ", subsequent_indent="    "),
        ]
    elif memory is None or compiled is None:
        lines.append("  memory, bytes, kernels unknown: JAX's CUDA plugin compiles for GPUs; pip install 'jmeta[cuda]'")
    else:
        fits = "fits" if plan.fits else "DOES NOT FIT"
        intensity = "" if plan.intensity is None else f"; {plan.intensity:.3g} FLOPs for each byte"
        lines += [
            f"  memory                 {in_bytes(memory.total)} of {in_bytes(plan.has_bytes)}: it {fits}",
            f"  kernels                {compiled.kernels:,.0f}",
            f"  memory traffic         {in_bytes(int(compiled.memory_bytes))}{intensity}",
            f"  collectives            {compiled.collectives:,.0f}, of {in_bytes(int(compiled.collective_bytes))} together",
        ]
    lines.append(f"  compilation            {plan.compile_seconds:.1f} s on this machine")
    if unknown := traced.unknown_loops + (compiled.unknown_loops if compiled else 0):
        lines.append(
            f"  {unknown:.0f} loop(s) run for a number of iterations that depends on data; they are counted as one iteration"
        )
    return "\n".join([*lines, "", *_rooflines(plan)]) + "\n"


def fit_report(name: str, fit: Fit) -> str:
    """Returns what the largest number of tasks is that fits; ``name`` is that of the setting."""
    if fit.num_tasks is None or fit.plan is None:
        return f"{name}={fit.next.num_tasks if fit.next else 0:,} does not fit, and fewer do not divide over the devices\n"
    need = "" if fit.plan.memory is None else f", with {in_bytes(fit.plan.memory.total)} on each device"
    after = f"; {name}={2 * fit.num_tasks:,} does not fit" if fit.next is not None else ""
    return f"The largest that fits is {name}={fit.num_tasks:,}{need}{after}\n"


def _rooflines(plan: Plan) -> list[str]:
    """Returns a table of roofline estimates."""
    number = plan.topology.num_devices
    lines = [
        f"At best, on {number} of each chip (an estimate from the limits of the chip;",
        "kernels and bytes are those of the program above):",
        "",
        "  chip   limit      s/outer step   env steps/s",
    ]
    for name, estimate in plan.estimates().items():
        lines.append(f"  {name:<6} {estimate.limit:<10} {estimate.seconds:>12.3g}   {estimate.steps_per_second:>11,.3g}")
    return lines
