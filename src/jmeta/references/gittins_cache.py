"""Tables of Gittins indices on disk, where they are kept between runs."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np


def cache_directory() -> Path:
    """Returns the directory where computed tables are kept between runs."""
    if chosen := os.environ.get("JMETA_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jmeta"


def read_table(path: Path, size: int) -> np.ndarray:
    """Returns the table of ``size`` indices in a file of the cache; raises ValueError if the file is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            table = arrays["table"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} can't be read as a table of Gittins indices ({error}): delete it to have it computed anew"
        ) from error
    if table.shape != (size,) or table.dtype != np.float32:
        raise ValueError(
            f"{path} holds {table.dtype}{list(table.shape)} but should hold float32[{size}]: delete it to have it computed anew"
        )
    return table


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside ``path``, which replaces ``path`` on success and is deleted on failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise OSError(f"can't write to the cache at {path.parent} ({error}): set JMETA_CACHE to a directory of yours") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(name)
        raise
