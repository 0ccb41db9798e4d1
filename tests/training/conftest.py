"""A copy of a trained run for each test."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run that the module's fixture ``trained`` has made."""
    return shutil.copytree(trained, tmp_path / "run")
