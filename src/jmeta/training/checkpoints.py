"""Checkpoints of whole meta-states: asynchronous, the last few kept, verified when read."""

import contextlib
import logging
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import orbax.checkpoint as ocp

from jmeta.training.arrays import Packed, from_arrays, key_implementations, non_finite_array, to_arrays
from jmeta.training.diagnosis import NonFiniteError
from jmeta.training.files import in_bytes
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
        logging.getLogger("absl").addFilter(_not_of_orbax)
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
          NonFiniteError: if the state holds NaN or infinity; nothing is written.
          OSError: if the state, or the one saved before it, could not be written; the older checkpoints are still there.
        """
        self.wait()
        arrays = to_arrays(state)
        if (found := non_finite_array(arrays)) is not None:
            raise NonFiniteError(step, *found, self.last_step, str(self.directory.parent))
        packed = Packed.of(arrays, key_implementations(state))
        args = ocp.args.Composite(
            state=ocp.args.PyTreeSave({"bytes": np.frombuffer(packed.content, np.uint8)}),
            layout=ocp.args.JsonSave({"arrays": packed.layout, "checksum": packed.checksum}),
        )
        self._saving = (step, len(packed.content))
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
                f"more than {in_bytes(size)}: free some space, and continue with `jmeta resume`"
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
        packed = Packed(np.asarray(restored["state"]["bytes"]), restored["layout"]["arrays"])
        if packed.checksum != restored["layout"]["checksum"]:
            raise ValueError("its content does not match its checksum")
        arrays, implementations = packed.unpack()
        return upgrade_arrays(arrays), {upgrade_path(path): name for path, name in implementations.items()}

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


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """Returns whether a message is to be logged: Orbax logs every save at length, and a failed one with hundreds of lines."""
    frame: FrameType | None = sys._getframe(1)  # the record's own path is that of absl where its logger was made before absl was
    while frame is not None and _package(frame) in ("logging", "absl"):
        frame = frame.f_back
    return frame is None or _package(frame) != "orbax"


def _package(frame: FrameType) -> str:
    """Returns the name of the package whose code a frame runs."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _reason(error: BaseException) -> str:
    """Returns the message of an error in one line."""
    seen: BaseException | None = error
    while seen is not None:
        if "No space left" in str(seen):
            return "no space left on the device"
        seen = seen.__cause__ or seen.__context__
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
