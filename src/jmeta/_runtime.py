"""Settings of JAX's CPU runtime, applied before a backend starts.

1. One XLA device per core. Networks this small gain almost nothing from a second core inside XLA, but tasks split over devices
   run in parallel. Set ``JAX_NUM_CPU_DEVICES`` to choose another number.
2. ``--xla_cpu_enable_concurrency_optimized_scheduler=false``. Two concurrent batched LAPACK calls can hang jaxlib 0.10 at 0 %
   CPU, and that scheduler runs more operations concurrently. jmeta's own programs call no LAPACK; yours may. Set the flag in
   ``XLA_FLAGS`` to override it.
3. ``--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT``. jaxlib 0.10 and 0.11 pass sums over an axis
   to a library. Over a leading axis of eight, as in the sum of a gradient over tasks, it takes fifty times as long as XLA's own
   code. With this flag the library computes matrix products only. Training recurrent PPO becomes 1.4 times as fast; RL², MAML,
   VariBAD and PEARL become faster or change by less than the noise, a tenth.

All apply to the whole process: import jmeta before anything computes with JAX.
"""

import contextlib
import os

import jax
import jaxlib

SCHEDULER_FLAG = "--xla_cpu_enable_concurrency_optimized_scheduler"
LIBRARY_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
FLAGS = {
    SCHEDULER_FLAG: ("false", (0, 7), (0, 11)),
    LIBRARY_FLAG: ("LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT", (0, 10), (0, 11)),
}
"""Value of each flag, and first and last jaxlib release known to accept it; an unknown flag aborts the process."""


def configure() -> None:
    """Applies each setting that the user has not set."""
    version = tuple(int(part) for part in jaxlib.__version__.split(".")[:2])
    flags = os.environ.get("XLA_FLAGS", "")
    for flag, (value, first, last) in FLAGS.items():
        if first <= version <= last and flag not in flags:
            flags = f"{flags} {flag}={value}".strip()
    if flags:
        os.environ["XLA_FLAGS"] = flags
    chosen = "JAX_NUM_CPU_DEVICES" in os.environ or "xla_force_host_platform_device_count" in flags
    if not chosen and jax.config.jax_num_cpu_devices < 0:  # type: ignore[attr-defined]
        with contextlib.suppress(RuntimeError):  # a backend is already running, so its devices can't be changed
            jax.config.update("jax_num_cpu_devices", _num_cores())


def _num_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
