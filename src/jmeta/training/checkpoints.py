"""Checkpoints of whole meta-states: asynchronous, the last few kept, verified when read."""

import contextlib
import json
import logging
import shutil
import warnings
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from jmeta.training.formats import upgrade_arrays, upgrade_path
from jmeta.types import PyTree


class Checkpoints:
    """Stores meta-states by outer step in a directory.

    A state is stored as the bytes of all its arrays, one after the other, and beside them, as JSON, the path, dtype and shape of
    each (and the implementation of random keys) and a checksum. A write that was cut off is never seen (Orbax renames a
    checkpoint into place when it is complete), and one that was damaged later is noticed by its checksum.

    Args:
      directory: the directory; created if missing.
      keep: number of newest checkpoints to keep, at least 1; None only reads, which is allowed while a run writes.
    """

    def __init__(self, directory: Path, keep: int | None):
        if keep is not None and keep < 1:
            raise ValueError(f"keep={keep}: keep at least 1 checkpoint")
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax logs every save at length
        self.directory = directory.resolve()  # Orbax takes no relative path
        self._damaged = self.directory.parent / "damaged"
        self._keep = keep
        self._saving = (0, 0)  # step and bytes
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        if self._keep is None:  # deletes no half-written checkpoint: the run may be about to finish it
            options = ocp.CheckpointManagerOptions(read_only=True, save_interval_steps=0)
        else:
            options = ocp.CheckpointManagerOptions(max_to_keep=self._keep, cleanup_tmp_directories=True, create=True)
        return ocp.CheckpointManager(self.directory, options=options, item_names=("state", "layout"))

    @property
    def last_step(self) -> int | None:
        """The newest step saved."""
        return self._manager.latest_step()

    def save(self, step: int, state: PyTree) -> None:
        """Begins to write ``state``; returns when it has been copied, before it is on disk.

        Raises:
          FloatingPointError: if the state holds NaN or infinity; nothing is written.
          OSError: if the state, or the one saved before it, could not be written; the older checkpoints are still there.
        """
        self.wait()
        arrays = to_arrays(state)
        for path, array in arrays.items():
            if jnp.issubdtype(array.dtype, jnp.inexact) and not np.isfinite(array).all():
                raise FloatingPointError(f"{path} is not finite after step {step}, so it was not saved")
        implementations = key_implementations(state)
        layout = [
            [path, str(array.dtype), list(array.shape), *([implementations[path]] if path in implementations else [])]
            for path, array in arrays.items()
        ]
        content = b"".join(array.tobytes() for array in arrays.values())
        args = ocp.args.Composite(
            state=ocp.args.PyTreeSave({"bytes": np.frombuffer(content, np.uint8)}),
            layout=ocp.args.JsonSave({"arrays": layout, "checksum": checksum(layout, content)}),
        )
        self._saving = (step, len(content))
        with self._explained():
            self._manager.save(step, args=args)

    def wait(self) -> None:
        """Returns when everything saved is on disk.

        Raises:
          OSError: if the last one could not be written; the message names it and the newest one on disk.
        """
        with self._explained():
            self._manager.wait_until_finished()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Explains in a sentence what could not be saved, and removes what was half-written."""
        try:
            yield
        except Exception as error:  # OSError, or whatever Orbax and TensorStore make of it
            step, size = self._saving
            with contextlib.suppress(Exception):
                self._manager.close()
            self._manager = self._open()
            good = self.last_step
            kept = f"the newest checkpoint is step {good}" if good is not None else "there is no checkpoint yet"
            raise OSError(
                f"the checkpoint of step {step} could not be saved in {self.directory} ({_reason(error)}): {kept}. It needs "
                f"{size / 2**20:.1f} MiB: free some space, and continue with `jmeta resume`"
            ) from error

    def close(self) -> None:
        """Waits, then lets go of the directory."""
        with contextlib.suppress(OSError):  # a caller that needs to know what was saved calls wait()
            self.wait()
        self._manager.close()

    def restore(self, template: PyTree) -> tuple[int, PyTree] | None:
        """Returns the newest intact checkpoint as (step, state like ``template``), or None if there is none at all.

        Damaged ones are skipped with a warning each, and moved to ``damaged/`` beside the checkpoints unless this only reads.

        Raises:
          ValueError: if an intact checkpoint does not fit the template: it belongs to another learner.
          OSError: if there are or were checkpoints and all of them are damaged.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                arrays, implementations = self._read(step)
            except Exception as error:  # whatever a damaged file makes Orbax raise
                warnings.warn(f"checkpoint {step} is damaged and was passed over: {_reason(error)}", RuntimeWarning, stacklevel=2)
                self._set_aside(step)
                continue
            return step, from_arrays(arrays, template, implementations)
        if steps or self._damaged.is_dir():
            where = self._damaged if self._damaged.is_dir() else self.directory
            raise OSError(
                f"all checkpoints of this run are damaged (they are in {where}): put an intact copy into {self.directory}, "
                "or start a new run in another directory"
            )
        return None

    def restore_step(self, template: PyTree, step: int) -> tuple[int, PyTree]:
        """Returns the checkpoint of that step, like ``restore``.

        Raises:
          ValueError: if there is none, or it does not fit the template.
          OSError: if it is damaged.
        """
        steps = sorted(self._manager.all_steps())
        if step not in steps:
            raise ValueError(
                f"step={step}: there is no such checkpoint, only those of step {', '.join(map(str, steps)) or '(none)'}"
            )
        try:
            arrays, implementations = self._read(step)
        except Exception as error:  # whatever a damaged file makes Orbax raise
            raise OSError(f"checkpoint {step} is damaged: choose another step") from error
        return step, from_arrays(arrays, template, implementations)

    def _read(self, step: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Returns arrays, and the implementation of those that are random keys (not recorded by jmeta 0.1)."""
        args = ocp.args.Composite(state=ocp.args.PyTreeRestore(), layout=ocp.args.JsonRestore())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Orbax warns that no sharding is given; this is a plain array
            restored = self._manager.restore(step, args=args)
        content, layout = np.asarray(restored["state"]["bytes"]), restored["layout"]["arrays"]
        if checksum(layout, content.tobytes()) != restored["layout"]["checksum"]:
            raise ValueError("its content does not match its checksum")
        arrays, implementations, begin = {}, {}, 0
        for path, dtype, shape, *implementation in layout:
            arrays[path] = np.ndarray(shape, jnp.dtype(dtype), content, begin).copy()
            begin += arrays[path].nbytes
            if implementation:
                implementations[upgrade_path(path)] = implementation[0]
        return upgrade_arrays(arrays), implementations

    def _set_aside(self, step: int) -> None:
        if self._keep is None:
            return
        self._manager.close()
        self._damaged.mkdir(exist_ok=True)
        target = self._damaged / str(step)
        if target.exists():
            shutil.rmtree(target)
        shutil.move(self.directory / str(step), target)
        self._manager = self._open()


def _reason(error: BaseException) -> str:
    """Returns the message of an error in one line."""
    seen: BaseException | None = error
    while seen is not None:
        if "No space left" in str(seen):
            return "no space left on the device"
        seen = seen.__cause__ or seen.__context__
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def to_arrays(state: PyTree) -> dict[str, np.ndarray]:
    """Returns a flat dictionary from path to array, copied to the host, with random keys as their data."""
    return {_name(path): np.array(_data(leaf)) for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


def key_implementations(state: PyTree) -> dict[str, str]:
    """Returns the implementation, "threefry2x32" or "rbg", of every leaf that is a random key, by path."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {_name(path): str(jax.random.key_impl(leaf)) for path, leaf in leaves if _is_key(leaf)}


def from_arrays(arrays: dict[str, np.ndarray], template: PyTree, implementations: dict[str, str] | None = None) -> PyTree:
    """The inverse of ``to_arrays``, into the structure of ``template`` (arrays or their shapes).

    Args:
      arrays: arrays by path.
      template: a state of the same structure, or its shapes.
      implementations: implementation of each random key by path, the template's by default. So a key keeps its
        implementation even if JAX's default has changed.

    Raises:
      ValueError: if a path, shape or dtype is not the template's.
    """
    leaves_with_path, structure = jax.tree_util.tree_flatten_with_path(template)
    names = [_name(path) for path, _ in leaves_with_path]
    if set(names) != set(arrays):
        odd = sorted(set(names) ^ set(arrays))
        raise ValueError(f"the checkpoint belongs to another learner: {odd[0]} is in only one of the two ({len(odd)} such)")
    leaves = []
    for name, (_, like) in zip(names, leaves_with_path, strict=True):
        array = arrays[name]
        implementation = None
        if _is_key(like):
            implementation = (implementations or {}).get(name) or str(jax.random.key_impl(like))
            like = jax.eval_shape(partial(_key_data_like, like.shape, implementation))
        if array.shape != like.shape or array.dtype != like.dtype:
            raise ValueError(
                f"the checkpoint belongs to another learner: {name} is {array.dtype}{list(array.shape)} there but "
                f"{like.dtype}{list(like.shape)} here"
            )
        leaves.append(array if implementation is None else jax.random.wrap_key_data(jnp.asarray(array), impl=implementation))
    return jax.tree.unflatten(structure, leaves)


def checksum(layout: list[Any], content: bytes) -> int:
    """Returns the CRC-32 of the layout and the content."""
    return zlib.crc32(content, zlib.crc32(json.dumps(layout).encode()))


def num_bytes(state: PyTree) -> int:
    """Returns the approximate size of a state on disk, in bytes."""
    sizes: list[Any] = [leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(_plain, state))]
    return int(sum(sizes))


def _plain(state: PyTree) -> PyTree:
    return jax.tree.map(_data, state)


def _data(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_data_like(shape: tuple[int, ...], implementation: str) -> jax.Array:
    data = jax.random.key_data(jax.random.key(0, impl=implementation))
    return jnp.zeros((*shape, *data.shape), data.dtype)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
