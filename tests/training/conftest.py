"""A copy of a trained run for each test, and a limit to the size of files, which is a full disk without root's help."""

import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run that the module's fixture ``trained`` has made."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def no_file_above() -> Iterator[Callable[[int], None]]:
    """A function that lets no file of this process grow beyond a number of bytes; Python ignores the signal SIGXFSZ."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda number: resource.setrlimit(resource.RLIMIT_FSIZE, (number, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
