"""Plans of an outer step, on this machine's CPU; ``test_chips.py`` has those for chips that are not here."""

import dataclasses

import jax
import pytest

import jmeta
from jmeta.outer.base import OuterLearner
from jmeta.parallel import platform, tasks_at_once
from jmeta.planning import CHIPS, Plan, Topology, fitting, largest_that_fits, plan, report
from jmeta.planning.compiled_costs import CompiledCosts
from jmeta.planning.traced_costs import TracedCosts
from jmeta.training import memory_estimate
from jmeta.training.memory import MemoryNeed

BANDIT = jmeta.tasks.BernoulliBandit(num_arms=3, num_pulls=5)


def learner(num_tasks: int = 4) -> OuterLearner:
    return jmeta.algorithms.rl2(BANDIT, hidden_size=6, num_tasks=num_tasks, num_epochs=1, num_minibatches=1)


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(learner(), "cpu:1")


def made(**changes: object) -> Plan:
    """A plan by hand: 1e12 operations, 1e9 bytes of traffic and 1,000 kernels on each of four chips."""
    values = {
        "topology": Topology.parse("v5e:2x2"),
        "num_tasks": 8,
        "env_steps": 4000,
        "traced": TracedCosts(matrix_flops=0.75e12, other_flops=0.25e12, serial_steps=200.0),
        "compiled": CompiledCosts(kernels=1000, memory_bytes=1e9, collectives=3, collective_bytes=1e6),
        "memory": MemoryNeed(2**30, 2**31),
        "compile_seconds": 2.0,
    }
    return Plan(**(values | changes))


def test_memory_is_that_of_the_estimate_before_a_training(planned):
    assert planned.memory == memory_estimate(learner(), num_devices=1)
    assert planned.fits
    assert planned.has_bytes > 2**30


def test_what_the_program_does(planned):
    assert planned.env_steps == 4 * 5
    assert planned.traced.serial_steps == 5 + 2 * 5 + 5  # the lifetime, its replay forwards and backwards, and its advantages
    projected = 2 * (3 + 1 + 1 + 1 + 6) * 3 * 6 * 5 * 4  # at least: the products of the GRU in the rollout
    assert planned.traced.matrix_flops > 3 * projected
    assert planned.compiled.kernels > planned.traced.serial_steps
    assert planned.compiled.collectives == 0
    assert planned.compiled.memory_bytes > 0


def test_a_roofline_is_bound_by_its_longest_limit():
    chip = CHIPS["v5e"]
    estimate = made().estimate(chip)
    assert estimate.compute == pytest.approx(1e12 / 197e12)
    assert estimate.memory == pytest.approx(1e9 / 819e9)
    assert estimate.links == pytest.approx(2e6 / 200e9)
    assert estimate.launches == pytest.approx(1000 * 1e-6)
    assert estimate.limit == "compute"
    assert estimate.seconds == pytest.approx(1e12 / 197e12 + 2e6 / 200e9)
    assert estimate.steps_per_second == pytest.approx(4000 / estimate.seconds)
    slow = made(compiled=CompiledCosts(1e5, 1e9)).estimate(chip)
    assert (slow.limit, slow.seconds) == ("launches", pytest.approx(0.1))
    assert made(traced=TracedCosts(), compiled=CompiledCosts(1, 1e12)).estimate(chip).limit == "memory"
    assert made(topology=Topology.parse("v5e:1x1")).estimate(chip).links == 0.0


def test_intensity_is_operations_for_each_byte():
    assert made().intensity == pytest.approx(1e12 / 1e9)
    assert made(compiled=None).intensity is None


def test_what_fits():
    assert made().fits
    assert made(memory=MemoryNeed(15 * 2**30, 2**30)).fits
    assert made(memory=MemoryNeed(15 * 2**30, 2**30 + 1)).fits is False
    assert made(memory=None).fits is None
    assert made(memory=None, refusal="too much").fits is False


def test_without_a_plugin_a_gpu_s_share_of_the_written_program_is_known(monkeypatch):
    monkeypatch.setattr(Topology, "compiles", property(lambda self: self.chip is None))
    whole, half = plan(learner(), "h200:1"), plan(learner(), "h200:2")
    assert half.traced.flops == pytest.approx(whole.traced.flops / 2)
    assert half.traced.serial_steps == whole.traced.serial_steps
    assert whole.compiled is whole.memory is whole.fits is None
    assert "pip install 'jmeta[cuda]'" in report(whole)
    with pytest.raises(ValueError, match="what fits is known from a compiled program"):
        largest_that_fits(learner, "h200:1", 4)


def test_a_meta_batch_that_does_not_divide_is_refused_before_anything_is_compiled():
    with pytest.raises(ValueError, match="num_tasks=6 can't be split evenly over 4 device"):
        plan(learner(6), "v5e:2x2")


def test_a_report_is_80_columns_wide_and_has_every_chip(planned):
    for each in (planned, made(), made(memory=None, compiled=None, refusal="Ran out of memory. " * 20)):
        text = report(each)
        assert max(map(len, text.splitlines())) <= 80
        assert all(f"\n  {name} " in text for name in CHIPS)
    assert "it fits" in report(made())
    assert "memory                 3.0 GiB of 16.0 GiB" in report(made())
    assert "DOES NOT FIT" in report(made(memory=MemoryNeed(2**40, 0)))
    unknown = made(traced=TracedCosts(unknown_loops=2))
    assert "2 loop(s) run for a number of iterations that depends on data" in report(unknown)


def fits_up_to(limit: int, compiled: list[int], refuses: bool = False):
    """A planner whose memory is 100 bytes and one for each task, of ``limit`` bytes."""

    def planner(outer: OuterLearner, topology: Topology) -> Plan:
        compiled.append(outer.num_tasks)
        need = MemoryNeed(100, outer.num_tasks)
        chip = topology.chip._replace(memory=limit)
        refused = refuses and need.total > limit
        given = {"memory": None, "refusal": "too much"} if refused else {"memory": need}
        return made(topology=dataclasses.replace(topology, chip=chip), num_tasks=outer.num_tasks, **given)

    return planner


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize(
    ("limit", "largest"), [(100 + 4096, 4096), (100 + 4095, 2048), (100 + 8, 8), (100 + 4, 4), (99 + 4, None)]
)
def test_the_largest_meta_batch_fits_and_the_next_does_not(monkeypatch, refuses, limit, largest):
    compiled: list[int] = []
    monkeypatch.setattr(fitting, "plan", fits_up_to(limit, compiled, refuses))
    fit = largest_that_fits(learner, Topology.parse("v5e:2x2"), 8)
    assert fit.num_tasks == (fit.plan and fit.plan.num_tasks) == largest
    assert fit.next.num_tasks == (2 * largest if largest else 4)
    assert not fit.next.fits
    assert len(compiled) == len(set(compiled)) <= 5


def test_constants_that_were_tuned_for_cpus_are_those_of_the_planned_platform():
    here = jax.make_mesh((1,), ("tasks",)).abstract_mesh.abstract_device
    device = type(here)(device_kind="other", num_cores=None, platform="tpu")
    axis = jax.sharding.AxisType.Auto
    mesh = jax.sharding.AbstractMesh((1,), ("tasks",), axis_types=(axis,), abstract_device=device)
    assert tasks_at_once(512, 1) < 512
    with jax.sharding.use_abstract_mesh(mesh):
        assert platform() == "tpu"
        assert tasks_at_once(512, 1) == 512
    assert platform() == jax.default_backend()
