"""Accelerators by name: what a chip can compute, hold and move. All figures are the vendors', for dense arithmetic."""

from typing import Literal, NamedTuple

from jmeta.ranges import NonNegative


class Chip(NamedTuple):
    """One accelerator.

    Attributes:
      name: its name on the command line.
      platform: JAX's name of the platform.
      flops: peak of matrix products in bfloat16, in FLOP/s.
      float32_flops: peak of matrix products of float32 arrays at JAX's default precision, in FLOP/s: on a TPU their inputs are
        rounded to bfloat16, on a GPU to TensorFloat-32.
      memory: bytes of its memory, as a program finds them.
      bandwidth: bytes/s between memory and chip.
      link: bytes/s to other chips, all links and both directions together.
      kernel_seconds: least time of a kernel in a compiled loop, in seconds; an assumption, and not the vendor's.
      source: where the figures are from.
    """

    name: str
    platform: Literal["tpu", "cuda"]
    flops: float
    float32_flops: float
    memory: float
    bandwidth: float
    link: float
    kernel_seconds: NonNegative
    source: str


GB, GIB, TERA = 1e9, 2.0**30, 1e12
ON_TPU, ON_GPU = 1e-6, 4e-6
"""Least time of a kernel: a TPU's core goes on by itself, and a GPU's is launched, from a CUDA graph at best."""

CHIPS = {
    chip.name: chip
    for chip in (
        Chip("v5e", "tpu", 197 * TERA, 197 * TERA, 16 * GIB, 819 * GB, 200 * GB, ON_TPU, "cloud.google.com/tpu/docs/v5e"),
        Chip("v5p", "tpu", 459 * TERA, 459 * TERA, 95 * GIB, 2765 * GB, 600 * GB, ON_TPU, "cloud.google.com/tpu/docs/v5p"),
        Chip("v6e", "tpu", 918 * TERA, 918 * TERA, 32 * GIB, 1640 * GB, 448 * GB, ON_TPU, "cloud.google.com/tpu/docs/v6e"),
        Chip("a100", "cuda", 312 * TERA, 156 * TERA, 79 * GIB, 2039 * GB, 600 * GB, ON_GPU, "NVIDIA A100 datasheet, 80 GB SXM"),
        Chip("h100", "cuda", 989 * TERA, 494 * TERA, 79 * GIB, 3350 * GB, 900 * GB, ON_GPU, "NVIDIA H100 datasheet, SXM"),
        Chip("h200", "cuda", 989 * TERA, 494 * TERA, 140 * GIB, 4800 * GB, 900 * GB, ON_GPU, "NVIDIA H200 datasheet, SXM"),
    )
}
"""Chips by name, the first word of a topology."""
