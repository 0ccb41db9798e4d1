"""Importing jmeta is cheap, and settles how JAX runs on a CPU."""

import os
import signal
import subprocess
import sys

import jaxlib
import pytest

from jmeta import _runtime


def run(code: str, **environment: str) -> str:
    clean = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean | environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_within_a_second_of_jax_and_flax() -> None:
    code = "import time, jax, flax.nnx; t = time.process_time(); import jmeta; print(time.process_time() - t)"
    assert min(float(run(code)) for _ in range(3)) < 1.0


def test_import_leaves_gymnax_and_matplotlib_alone() -> None:
    code = "import sys, jmeta; print([m for m in ('gymnax', 'gymnasium', 'matplotlib', 'orbax', 'tyro') if m in sys.modules])"
    assert run(code) == "[]"


def test_every_public_name_is_there() -> None:
    run("import jmeta; [getattr(jmeta, name) for name in jmeta.__all__]; assert set(jmeta.__all__) <= set(dir(jmeta))")


def test_unknown_names_are_errors() -> None:
    import jmeta

    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = jmeta.trian


def test_one_device_per_core_unless_told_otherwise() -> None:
    code = "import jmeta, jax, os; print(len(jax.devices()), len(os.sched_getaffinity(0)))"
    devices, cores = run(code, JAX_PLATFORMS="cpu").split()
    assert devices == cores
    assert run(code, JAX_PLATFORMS="cpu", JAX_NUM_CPU_DEVICES="3").split()[0] == "3"
    forced = run(code, JAX_PLATFORMS="cpu", XLA_FLAGS="--xla_force_host_platform_device_count=4")
    assert forced.split()[0] == "4"


@pytest.mark.parametrize(
    ("flag", "ours", "other"),
    [
        ("--xla_cpu_enable_concurrency_optimized_scheduler", "false", "true"),
        ("--xla_cpu_experimental_ynn_fusion_type", "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT", "LIBRARY_FUSION_TYPE_DOT"),
    ],
)
def test_flags_of_the_compiler_are_set_unless_chosen(flag: str, ours: str, other: str) -> None:
    code = "import jmeta, jax, os; jax.devices(); print(os.environ['XLA_FLAGS'])"
    assert f"{flag}={ours}" in run(code).split()
    flags = run(code, XLA_FLAGS=f"{flag}={other}").split()
    assert [said for said in flags if said.startswith(flag)] == [f"{flag}={other}"]


@pytest.mark.parametrize(("release", "known"), [("0.10.2", True), ("0.11.0", True), ("0.12.0", False)])
def test_flags_are_given_to_the_releases_that_know_them(release: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown flag aborts the process, so a release that was not tried gets none."""
    monkeypatch.setattr(jaxlib, "__version__", release)
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "1")  # the devices of this process stay as they are
    _runtime.configure()
    assert [flag in os.environ["XLA_FLAGS"] for flag in _runtime.FLAGS] == [known, known]


def test_ctrl_c_during_a_command_s_import_of_jax_leaves_no_traceback() -> None:
    during = "import os, signal, sys; os.kill(os.getpid(), signal.SIGINT)"  # in place of jmeta's first own module
    finder = f"class F:\n  def find_spec(self, name, *rest):\n    if name == 'jmeta._runtime':\n      exec({during!r})"
    for argument, status in (("jmeta", -signal.SIGINT), ("script.py", 1)):
        listens = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # ignored in background processes
        code = f"{listens}\nimport sys; sys.argv = [{argument!r}]\n{finder}\nsys.meta_path.insert(0, F())\nimport jmeta"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert ("Traceback" in done.stderr) == (argument == "script.py")
        assert argument == "script.py" or done.returncode == status
