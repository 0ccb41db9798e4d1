"""Strict settings for every test, and a compilation cache that later runs share."""

import gc
import os
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "jax"
os.environ["XDG_STATE_HOME"] = str(CACHE.parent / "state" / os.environ.get("PYTEST_XDIST_WORKER", "main"))
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")
os.environ.setdefault("MPLBACKEND", "agg")

gc.set_threshold(50_000, 10, 10)  # tracing makes many short-lived objects: a tenth of the time was garbage collection
