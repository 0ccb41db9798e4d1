"""Settings of JAX's CPU runtime, made before a backend starts.

1. One XLA device per core. XLA gains almost nothing from a second core inside networks this small; splitting tasks over
   devices does. Set ``JAX_NUM_CPU_DEVICES`` to choose another number.
2. ``--xla_cpu_enable_concurrency_optimized_scheduler=false``. Two batched LAPACK calls at once can hang jaxlib 0.10 at 0 % CPU,
   and that scheduler runs more at once. jmeta's own programs call no LAPACK; yours may. Mention the flag in ``XLA_FLAGS``
   yourself to choose otherwise.
3. ``--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT``. jaxlib 0.10 and 0.11 give sums over an axis
   to a library that takes fifty times as long as XLA's own code over a leading axis of eight, as the sum of a gradient over
   tasks is. This leaves it the matrix products. Training recurrent PPO becomes 1.4 times as fast; RL², MAML, VariBAD and PEARL
   differ by no more than the noise, a tenth, or gain.

All are settings of the process: import jmeta before anything computes with JAX.
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
"""Value, and first and last release of jaxlib seen to know the flag; an unknown flag aborts the process."""


def configure() -> None:
    """Applies the settings, each only where the user has not chosen."""
    version = tuple(int(part) for part in jaxlib.__version__.split(".")[:2])
    flags = os.environ.get("XLA_FLAGS", "")
    for flag, (value, first, last) in FLAGS.items():
        if first <= version <= last and flag not in flags:
            flags = f"{flags} {flag}={value}".strip()
    if flags:
        os.environ["XLA_FLAGS"] = flags
    chosen = "JAX_NUM_CPU_DEVICES" in os.environ or "xla_force_host_platform_device_count" in flags
    if not chosen and jax.config.jax_num_cpu_devices < 0:  # type: ignore[attr-defined]
        with contextlib.suppress(RuntimeError):  # a backend is already running: its devices are what there is
            jax.config.update("jax_num_cpu_devices", _num_cores())


def _num_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
