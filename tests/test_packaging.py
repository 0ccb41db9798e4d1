"""What is built from the repository: the wheel runs the commands that its help names, and the sdist has the tests."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
BUILD = "import setuptools.build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')"
SPECS = sorted(file.name for file in (ROOT / "src" / "jmeta" / "specs").glob("*.toml"))
NOT_PART = shutil.ignore_patterns(".git", ".venv", ".cache", "__pycache__", "*.egg-info", "build", "dist", "runs")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where wheel and sdist lie; built in a copy, since a build writes into its tree, and without a network."""
    copy = tmp_path_factory.mktemp("packaging") / "jmeta"
    shutil.copytree(ROOT, copy, ignore=NOT_PART, symlinks=True)
    built = subprocess.run([sys.executable, "-c", BUILD], cwd=copy, capture_output=True, text=True, timeout=250)
    assert built.returncode == 0, built.stderr
    return copy / "dist"


def test_the_wheel_has_the_package_its_type_marker_and_the_comparisons(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"jmeta/py.typed", "jmeta/cli/main.py", "jmeta/recipes/index.toml", *(f"jmeta/specs/{name}" for name in SPECS)} <= set(
        names
    )
    assert len(SPECS) >= 13
    assert {f"jmeta/comparison/assets/page.{kind}" for kind in ("html", "css", "js")} <= set(names)
    modules = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules  # no tests, no benchmarks


def test_a_comparison_is_found_by_name_where_there_is_only_the_wheel(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "from pathlib import Path; import jmeta; from jmeta.comparison import find_spec, read_spec; "
        "spec = find_spec(Path('first')); print(jmeta.__file__, spec, read_spec(spec).name, sep='\\n')"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250
    )
    assert ran.returncode == 0, ran.stderr
    package, spec, name = ran.stdout.splitlines()
    assert Path(package).is_relative_to(tmp_path)
    assert Path(spec).is_relative_to(tmp_path)
    assert name == "first comparison"


def test_the_sdist_has_everything_that_its_tests_need(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tests = {str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("*.py")}
    assert len(tests) > 50
    assert tests <= names
    assert {"Makefile", "constraints.txt", "benchmarks/demo.py", "docs/design.md", "notebooks/03_compare.ipynb"} <= names
    assert not [name for name in names if name.endswith(".pyc")]
