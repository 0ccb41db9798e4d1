"""Results do not depend on how many devices share the tasks. Run as a program, this file prints what it finds on 1, 2 and 8."""

import json
import os
import subprocess
import sys

import filelock
import jax
import numpy as np
import pytest

import jmeta
from jmeta.parallel import task_mesh
from jmeta.tasks import BernoulliBandit, PointNavigation
from jmeta.types import PyTree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NUM_DEVICES = (1, 2, 8)
OUTER_LEARNERS = {
    "rl2": lambda num_tasks=32: jmeta.algorithms.rl2(
        BernoulliBandit(num_pulls=3), hidden_size=4, num_tasks=num_tasks, num_epochs=2, num_minibatches=2
    ),
    "maml": lambda num_tasks=16: jmeta.algorithms.maml(
        PointNavigation(horizon=3), widths=(4,), num_streams=2, num_tasks=num_tasks, num_epochs=2
    ),
    "varibad": lambda: jmeta.algorithms.varibad(
        BernoulliBandit(num_pulls=3), hidden_size=4, num_tasks=32, num_minibatches=2, belief_batch_size=16, buffer_steps=2
    ),
    "pearl": lambda: jmeta.algorithms.pearl(
        PointNavigation(horizon=3),
        widths=(4,),
        encoder_widths=(4,),
        num_segments=2,
        num_training_tasks=32,
        num_tasks=16,
        num_minibatches=2,
        num_passes=2,
        batch_size=4,
        capacity=20,
    ),
    "rl2-es": lambda: jmeta.algorithms.rl2_es(
        BernoulliBandit(num_pulls=8), hidden_size=4, num_tasks=8, population_size=16, sigma=1.0
    ),
    "maml-normalised": lambda: jmeta.algorithms.maml(
        PointNavigation(horizon=3), widths=(4,), num_streams=2, num_tasks=16, normalize_observations=True, normalize_rewards=True
    ),
}


def two_steps(name: str, num_devices: int) -> dict[str, list[float]]:
    """Metrics of two outer steps, and theta after them."""
    result = jmeta.train(OUTER_LEARNERS[name](), jax.random.key(0), 2, num_devices=num_devices, progress=False)
    return {metric: values.tolist() for metric, values in result.metrics.items()} | {"theta": flat(result.theta).tolist()}


def flat(theta: PyTree) -> np.ndarray:
    """All leaves in one vector."""
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(theta)])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, list[float]]]]:
    """What this program prints; where several workers run the tests of this file, one of them runs it for all."""
    own = tmp_path_factory.getbasetemp()
    result = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "devices.json"
    with filelock.FileLock(f"{result}.lock"):
        if not result.exists():
            process = subprocess.run(
                [sys.executable, __file__],
                env=os.environ | {"JAX_NUM_CPU_DEVICES": str(max(NUM_DEVICES))},
                capture_output=True,
                text=True,
                timeout=840,
            )
            assert process.returncode == 0, process.stderr
            result.write_text(process.stdout)
    return json.loads(result.read_text())


@pytest.mark.parametrize("num_devices", NUM_DEVICES[1:])
@pytest.mark.parametrize("name", OUTER_LEARNERS)
def test_any_number_of_devices_takes_the_same_step(found, name, num_devices):
    several, one = found[name][str(num_devices)], found[name]["1"]
    assert several.keys() == one.keys()
    for what, values in several.items():
        np.testing.assert_allclose(values, one[what], rtol=1e-5, atol=1e-5, err_msg=what)


def test_the_steps_were_worth_comparing(found):
    """All learners moved, and by more than the tolerance; PEARL from when every task has been lived in, which is the second."""
    for name, by_devices in found.items():
        outer = OUTER_LEARNERS[name]()
        fresh = flat(jax.jit(lambda outer=outer: outer.deploy(outer.init(jax.random.key(0))))())
        assert np.abs(fresh - by_devices["1"]["theta"]).max() > 1e-4, name
        norms = by_devices["1"]["gradient_norm"]
        assert min(norms[1:] if name == "pearl" else norms) > 1e-3, name


@pytest.mark.parametrize(("name", "num_tasks", "num_devices"), [("rl2", 20, 3), ("maml", 5, 2), ("rl2", 2, 8)])
def test_tasks_that_do_not_divide_name_a_number_that_does(name, num_tasks, num_devices):
    with pytest.raises(ValueError, match=f"num_tasks={num_tasks} can't be split evenly over {num_devices}") as caught:
        OUTER_LEARNERS[name](num_tasks).check_devices(num_devices)
    works = int(str(caught.value).partition("use num_tasks=")[2].partition(",")[0])
    assert works > 0
    OUTER_LEARNERS[name](works).check_devices(num_devices)


def test_a_step_that_can_not_be_split_is_refused_when_it_is_traced():
    outer = OUTER_LEARNERS["maml"](5)
    state = jax.eval_shape(outer.init, jax.random.key(0))
    with jax.set_mesh(task_mesh(2)), pytest.raises(ValueError, match="num_tasks=5 can't be split evenly over 2 device"):
        jax.eval_shape(outer.step, state, jax.random.key(0))


def test_a_mesh_has_as_many_devices_as_asked_for():
    assert task_mesh().size == len(jax.local_devices())
    assert task_mesh(1).size == 1
    for count in (0, -1):
        with pytest.raises(ValueError, match=f"num_devices={count}: give a whole number from 1 to"):
            task_mesh(count)
    count = len(jax.local_devices()) + 1
    with pytest.raises(ValueError, match=f"num_devices={count}, .* set JAX_NUM_CPU_DEVICES before starting Python"):
        task_mesh(count)


if __name__ == "__main__":
    json.dump({name: {str(n): two_steps(name, n) for n in NUM_DEVICES} for name in OUTER_LEARNERS}, sys.stdout)
