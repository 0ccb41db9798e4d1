"""Files of agents: what is written is what acts, and what is damaged is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import jmeta
from jmeta.agent import Agent
from jmeta.agent.export import agent_of
from jmeta.agent.file import _checksum
from jmeta.observation_spaces import Categories, Numbers
from tests.agent.test_agent import live, make, maml, rl2


@pytest.fixture(scope="module")
def agent() -> Agent:
    return make(rl2, about={"algorithm": "rl2", "score": {"mean_return": 1.5}})


@pytest.fixture(scope="module")
def file(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agents") / "bandit.jmeta"
    agent.save(path)
    return path


def test_an_agent_of_a_file_is_the_agent_that_was_saved(agent: Agent, file: Path) -> None:
    loaded = jmeta.load_agent(file)
    for each in (agent, loaded):
        each.begin(3)
    np.testing.assert_array_equal(live(loaded, 20, done_every=1), live(agent, 20, done_every=1))
    assert loaded.describe() == agent.describe()
    assert loaded.programs.act.platforms == ("cpu", "cuda", "tpu")
    assert [path.name for path in file.parent.iterdir()] == [file.name]  # no partial file is left
    several = jmeta.load_agent(file, num_tasks=2)
    several.begin(0)
    assert several.act(np.zeros((2, 1))).shape == (2,)


@pytest.mark.slow
def test_an_agent_of_a_file_adapts(tmp_path: Path) -> None:
    agent = make(maml, num_envs=2)
    agent.save(tmp_path / "maml.jmeta", platforms=("cpu",))
    loaded = jmeta.load_agent(tmp_path / "maml.jmeta", num_envs=2)
    for each in (agent, loaded):
        each.begin(1)
    np.testing.assert_array_equal(live(loaded, 45), live(agent, 45))
    assert loaded._life is not None
    assert loaded._life.segment == 2


def test_what_is_damaged_is_refused(file: Path, tmp_path: Path) -> None:
    content, tensors = file.read_bytes(), load_file(file)
    with safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()
    about = json.loads(metadata["jmeta"])
    bad = tmp_path / "bad.jmeta"

    def refused(said: str) -> None:
        with pytest.raises(ValueError, match=said):
            jmeta.load_agent(bad)

    bad.write_bytes(content[: len(content) // 2])
    refused("is damaged or no file of an agent")
    bad.write_bytes(b"")
    refused("is damaged or no file of an agent")
    changed = bytearray(content)
    changed[-5] ^= 1
    bad.write_bytes(bytes(changed))
    refused("is damaged .its content does not match its checksum.")
    save_file(tensors, bad)
    refused("is a safetensors file, but no agent")
    save_file(tensors, bad, metadata={"jmeta": "{"})
    refused("its metadata can't be read")
    save_file(tensors, bad, metadata={"jmeta": json.dumps(about | {"format": 3})})
    refused("has format 3, and this version of jmeta reads up to 2: install a newer jmeta")
    for change in ({"format": "1"}, {"format": 0}):
        save_file(tensors, bad, metadata={"jmeta": json.dumps(about | change)})
        refused("its metadata can't be read")
    for change in ({"actions": about["actions"] | {"num_actions": 4}}, {"about": {}}, {"platforms": []}):
        save_file(tensors, bad, metadata={"jmeta": json.dumps(about | change)})
        refused("its content does not match its checksum")
    of_tpu = {name: x for name, x in about.items() if name != "checksum"} | {"platforms": ["tpu"]}
    for content, said in (
        (of_tpu, "has programs for tpu, and this process runs on cpu: export the agent with --platforms cpu"),
        (of_tpu | {"platforms": ["cpu"], "layout": {}}, "its metadata can't be used"),
    ):
        save_file(tensors, bad, metadata={"jmeta": json.dumps(content | {"checksum": _checksum(tensors, content)})})
        refused(said)
    with pytest.raises(FileNotFoundError, match=r"is a directory: jmeta\.load\('.*'\)\.agent\(\) is the agent of a run"):
        jmeta.load_agent(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        jmeta.load_agent(tmp_path / "none.jmeta")


@pytest.mark.parametrize(("num_values", "space"), [(None, Numbers(1)), (1, Categories((1,)))], ids=["numbers", "integer"])
def test_a_file_of_format_1_is_read(file: Path, tmp_path: Path, num_values: int | None, space: Any) -> None:
    with safe_open(file, framework="numpy") as opened:
        about = json.loads(opened.metadata()["jmeta"])
    del about["checksum"], about["actions"]["counts"]
    about |= {"format": 1, "observations": {"size": 1, "num_values": num_values}}
    tensors, old = load_file(file), tmp_path / "old.jmeta"
    save_file(tensors, old, metadata={"jmeta": json.dumps(about | {"checksum": _checksum(tensors, about)})})
    loaded = jmeta.load_agent(old)
    assert loaded.observations.space == space
    loaded.begin(0)
    assert loaded.act([0.0]) in range(3)


def test_a_file_that_cannot_be_written_is_named(agent: Agent, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "a.jmeta", "", tmp_path):
        with pytest.raises(OSError, match="can't write"):
            agent.save(path, platforms=("cpu",))
    for platforms in ("cpu", (), ("gpu",)):
        with pytest.raises(ValueError, match="give some of 'cpu', 'cuda', 'tpu' and 'rocm', as a tuple"):
            agent.save(tmp_path / "a.jmeta", platforms=platforms)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("normalize", [False, True])
def test_a_file_has_parameters_of_any_shape(normalize: bool, tmp_path: Path) -> None:
    """The temperature of SAC is a single number, and so are statistics of rewards."""
    tasks = jmeta.tasks.PointNavigation(horizon=4)
    outer = jmeta.algorithms.sac(tasks, widths=(8,), num_training_tasks=2, num_passes=1, normalize_observations=normalize)
    theta = outer.deploy(jax.jit(outer.init)(jax.random.key(0)))
    agent = agent_of(outer.inner, tasks, theta, outer.protocol)
    agent.save(tmp_path / "a.jmeta", platforms=("cpu",))
    loaded = jmeta.load_agent(tmp_path / "a.jmeta")
    with pytest.raises(ValueError, match="the agent was loaded from a file, whose platforms it keeps"):
        loaded.save(tmp_path / "b.jmeta", platforms=("cpu",))
    loaded.save(tmp_path / "b.jmeta")
    for each in (agent, loaded, jmeta.load_agent(tmp_path / "b.jmeta")):
        each.begin(0)
    np.testing.assert_array_equal(live(loaded, 6), live(agent, 6))


PROGRAM = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Refuse())
import jmeta
agent = jmeta.load_agent(sys.argv[1])
agent.begin(seed=0)
print(agent.act([0.0]), agent.observe(1.0, True), sorted(name for name in sys.modules if name.startswith("jmeta.")))
"""


@pytest.mark.slow
def test_a_file_is_loaded_without_code_for_training(agent: Agent, file: Path) -> None:
    """A process in which no other package of jmeta's can be imported."""
    refused = {"flax", "optax", "chex", "gymnax", "numpyro", "orbax", "matplotlib", "tyro", "pydantic", "rich", "evosax"}
    program = PROGRAM.replace("{refused}", repr(refused))
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    agent.begin(seed=0)
    assert done.stdout.startswith(f"{agent.act([0.0])} True [")
    assert "'jmeta.agent.life'" in done.stdout
    assert "'jmeta.inner" not in done.stdout
