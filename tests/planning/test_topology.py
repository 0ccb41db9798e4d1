"""Topologies by name."""

import importlib.util

import pytest

from jmeta.planning import CHIPS, Topology
from jmeta.planning.gpu_targets import GPU_TARGETS


def test_names():
    assert Topology.parse("v5e:4x4").num_devices == 16
    assert Topology.parse("v5e:4x4").chip is CHIPS["v5e"]
    assert Topology.parse("h200:8").num_devices == 8
    assert Topology.parse("cpu:1").chip is None
    assert Topology.parse("cpu:1").mesh().size == 1
    assert Topology.parse("cpu").num_devices >= 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("v9:2x2", "no chip is called 'v9'; choose from v5e, v5p, v6e, a100, h100, h200, cpu"),
        ("v5e", "say how many chips there are after a colon, such as v5e:4"),
        ("v5e:2x", "say how many chips"),
        ("v5e:0x2", "say how many chips"),
        ("v5e:16", "give the shape of the grid of chips, such as v5e:2x2"),
    ],
)
def test_a_name_that_says_nothing(name, said):
    with pytest.raises(ValueError, match=said):
        Topology.parse(name)


@pytest.mark.parametrize(("name", "extra"), [("v5e:2x2", "tpu"), ("h100:1", "cuda")])
def test_a_plugin_that_is_missing_is_named(monkeypatch, name, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'jmeta\[{extra}\]'"):
        Topology.parse(name).mesh()


def test_programs_for_gpus_are_compiled_only_with_the_plugin(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not Topology.parse("h200:1").compiles
    assert Topology.parse("v5e:2x2").compiles  # or refused by ``mesh``
    assert Topology.parse("cpu:1").compiles
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "jax_cuda12_plugin" or None)
    assert Topology.parse("h200:1").compiles


def test_every_gpu_has_a_target():
    assert set(GPU_TARGETS) == {name for name, chip in CHIPS.items() if chip.platform == "cuda"}
    text = GPU_TARGETS["h200"].config("h200", 1.5e11, 4.8e12)
    assert "memory_bandwidth: 4800000000000 " in text
    assert "major: 9 minor: 0" in text
