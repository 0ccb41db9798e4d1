"""The host loop: the steps it takes, how it is stopped, and how it stops by itself when something is wrong."""

import json
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.parallel import task_mesh
from jmeta.tasks import BernoulliBandit, PointNavigation
from jmeta.training import NonFiniteError, RunDirectory, engine, restore
from jmeta.training.loggers import JsonLines
from jmeta.training.programs import INIT_FOLD
from jmeta.training.progress import ProgressReport
from jmeta.training.run_config import run_config
from tests.training.walk import KEY, Walk, assert_same_run, steps, walk

OUTER_LEARNERS = {
    "rl2": lambda: jmeta.algorithms.rl2(
        BernoulliBandit(num_pulls=3), hidden_size=4, num_tasks=16, num_epochs=1, num_minibatches=2
    ),
    "maml": lambda: jmeta.algorithms.maml(PointNavigation(horizon=5), widths=(4,), num_streams=2, num_tasks=4),
}


@pytest.fixture
def at_step(monkeypatch):
    """Does something on the host when the loop has reported a step; chunks are one step long."""
    monkeypatch.setattr(engine, "SECONDS_PER_CHUNK", 0.0)
    original = ProgressReport.update

    def arrange(number, action):
        def update(self, step, seconds, metrics):
            original(self, step, seconds, metrics)
            if step == number:
                action()

        monkeypatch.setattr(ProgressReport, "update", update)

    return arrange


# What it computes


def test_step_i_draws_from_fold_in_i():
    """The loop is this one, and no more."""
    outer = Walk()
    state, rows = outer.init(jax.random.fold_in(KEY, INIT_FOLD)), []
    for i in range(7):
        state, metrics = jax.jit(outer.step)(state, jax.random.fold_in(KEY, i))
        rows.append(metrics)
    result = walk(num_steps=7)
    assert result.step == 7
    assert result.interrupted_by is None
    np.testing.assert_array_equal(result.theta["position"], state.theta["position"])
    assert result.theta is result.state.theta
    assert jax.random.key_data(result.state.extra).tolist() == jax.random.key_data(state.extra).tolist()
    for name, values in result.metrics.items():
        np.testing.assert_array_equal(values, [row[name] for row in rows], err_msg=name)


@pytest.mark.parametrize("num_steps", [1, engine.MAX_CHUNK, 2 * engine.MAX_CHUNK + 3])
def test_chunks_do_not_show(num_steps, tmp_path, monkeypatch):
    """As many steps as asked for, one line each, however they were cut into chunks."""
    walk(tmp_path / "fast", num_steps, checkpoint_every=10**6)
    monkeypatch.setattr(engine, "MAX_CHUNK", 7)
    walk(tmp_path / "slow", num_steps, checkpoint_every=10**6)
    rows = RunDirectory(tmp_path / "fast").read_metrics()
    assert [row["step"] for row in rows] == list(range(1, num_steps + 1))
    assert [row["env_steps"] for row in rows] == [20 * step for step in range(1, num_steps + 1)]  # 4 tasks x 5 steps
    assert_same_run(tmp_path / "fast", tmp_path / "slow", Walk())


def test_the_seed_matters_and_so_does_nothing_else(tmp_path):
    walk(tmp_path / "one")
    walk(tmp_path / "same", checkpoint_every=3, keep=1)
    assert_same_run(tmp_path / "one", tmp_path / "same", Walk())
    assert not np.array_equal(walk().theta["position"], walk(key=jax.random.key(6)).theta["position"])


def test_without_a_directory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    walk()
    assert list(tmp_path.iterdir()) == []


def test_the_state_given_to_the_loop_is_not_taken_away(tmp_path):
    """The loop donates its buffers; what it read from disk is still whole for whoever reads it next."""
    walk(tmp_path / "run", 10)
    _, before = restore(Walk(), tmp_path / "run")
    walk(tmp_path / "run", 15, resume=True)
    np.testing.assert_array_equal(np.asarray(before.theta["other"]).shape, (2, 2))


# One trace only


@pytest.mark.parametrize("name", ["walk", *OUTER_LEARNERS])
def test_a_training_traces_its_step_once(name, tmp_path, monkeypatch):
    """Whatever the chunks: saved at 3, 6, ..., 18 and ended at 20, on one step per chunk and more."""
    outer = Walk() if name == "walk" else OUTER_LEARNERS[name]()
    traces = []
    original = type(outer).step

    def step(self, state, key):
        traces.append(1)
        return original(self, state, key)

    monkeypatch.setattr(type(outer), "step", step)
    result = jmeta.train(outer, KEY, 20, out=tmp_path / "run", checkpoint_every=3, progress=False)
    assert len(result.metrics["return/after"]) == 20
    assert len(traces) == 1


# Devices


@pytest.mark.parametrize("num_devices", [1, 2, None])
def test_devices_asked_for_are_used(num_devices):
    result = walk(num_devices=num_devices)
    assert len(result.theta["position"].devices()) == (num_devices or len(jax.local_devices()))


def test_devices_that_do_not_fit_are_refused_before_anything_is_compiled(tmp_path):
    outer = jmeta.algorithms.rl2(BernoulliBandit(num_pulls=3), hidden_size=4, num_tasks=15, num_minibatches=5)
    with pytest.raises(ValueError, match=r"num_tasks=15 can't be split evenly over 2 device\(s\) x 5 minibatch\(es\)") as caught:
        jmeta.train(outer, KEY, 3, out=tmp_path / "run", num_devices=2)
    nearest = int(str(caught.value).partition("use num_tasks=")[2].partition(",")[0])
    jmeta.algorithms.rl2(BernoulliBandit(num_pulls=3), hidden_size=4, num_tasks=nearest, num_minibatches=5).check_devices(2)
    many = len(jax.local_devices()) + 1
    for count in (0, many):
        with pytest.raises(ValueError, match=f"num_devices={count}(, but this process has|: give a whole number from 1)"):
            jmeta.train(outer, KEY, 3, out=tmp_path / "run", num_devices=count)
    assert not (tmp_path / "run").exists()


# Not finite


def test_a_metric_that_is_not_finite_stops_the_run(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(NonFiniteError, match=r"sick is nan at outer step 7; the last good checkpoint is step 5 in ") as caught:
        walk(out, 100, outer=Walk(nan_at=7))
    assert (caught.value.step, caught.value.metric, caught.value.last_good_step) == (7, "sick", 5)
    assert str(out) in str(caught.value)
    assert "lower learning rate" in str(caught.value)
    assert steps(out) == [5]
    step, state = restore(Walk(), out)
    assert step == 5
    np.testing.assert_array_equal(state.theta["position"], walk(num_steps=5).theta["position"])
    rows = RunDirectory(out).read_metrics()
    assert np.isnan(rows[6]["sick"])
    assert rows[5]["sick"] == 0.5


def test_in_the_middle_of_a_long_chunk(tmp_path):
    """150 is far into a chunk, and steps after it have run by the time it is seen."""
    with pytest.raises(NonFiniteError) as caught:
        walk(tmp_path / "run", 1000, outer=Walk(nan_at=150), checkpoint_every=1000)
    assert (caught.value.step, caught.value.last_good_step) == (150, None)
    assert "no checkpoint was written" in str(caught.value)
    assert steps(tmp_path / "run") == []


def test_a_first_step_that_is_not_finite_leaves_the_directory_free(tmp_path):
    """There is nothing in it to continue, so the same command with other settings is not refused."""
    out = tmp_path / "run"
    with pytest.raises(NonFiniteError, match=r"at outer step 1; no checkpoint was written, and the next run may use .*run again"):
        walk(out, outer=Walk(nan_at=1))
    assert not out.exists()
    walk(out, 5)
    assert steps(out) == [5]


def test_a_run_that_is_not_finite_before_its_first_checkpoint_is_removed_by_hand(tmp_path):
    out = tmp_path / "run"
    message = r"at outer step 3; no checkpoint was written, so remove .*run or choose another directory for the next run"
    with pytest.raises(NonFiniteError, match=message):
        walk(out, outer=Walk(nan_at=3))
    with pytest.raises(FileExistsError, match="before its first checkpoint, and `jmeta resume` would repeat that; choose"):
        walk(out)
    with pytest.raises(NonFiniteError, match=message):
        walk(out, outer=Walk(nan_at=3), resume=True)


def test_without_a_directory_it_stops_too():
    with pytest.raises(NonFiniteError, match="sick is nan at outer step 3; no checkpoint was written"):
        walk(outer=Walk(nan_at=3))


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    """A learner whose metrics hide it: found when it is to be saved, and what was saved before is still there."""
    message = r"theta\.other is nan at outer step 10; the last good checkpoint is step 5 in .*\. Try a lower learning rate"
    with pytest.raises(NonFiniteError, match=message):
        walk(tmp_path / "run", 100, outer=Walk(nan_in_theta=8))
    assert steps(tmp_path / "run") == [5]


def test_a_learning_rate_out_of_this_world(tmp_path):
    """With 1e30 theta is infinite after a step. With 1e8 rewards and metrics are finite, and the credit's statistics are not."""
    out = tmp_path / "run"
    with pytest.raises(NonFiniteError, match="at outer step 1; no checkpoint was written"):
        jmeta.train(OUTER_LEARNERS["rl2"]().replace(learning_rate=1e30), KEY, 50, out=out, checkpoint_every=1, progress=False)
    with pytest.raises(NonFiniteError) as caught:
        jmeta.train(OUTER_LEARNERS["rl2"]().replace(learning_rate=1e8), KEY, 50, out=out, checkpoint_every=1, progress=False)
    last = caught.value.last_good_step
    assert last is not None
    assert f"at outer step {last + 1}; the last good checkpoint is step {last} in {out}. Try a lower" in str(caught.value)
    assert steps(out) == list(range(max(1, last - 2), last + 1))
    assert all(np.isfinite(list(row.values())).all() for row in RunDirectory(out).read_metrics()[:last])


# Stopped from outside


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_step_under_way(number, tmp_path, at_step):
    before = signal.getsignal(number)
    at_step(8, lambda: signal.raise_signal(number))
    result = walk(tmp_path / "run", 20)
    assert (result.step, result.interrupted_by) == (8, number.name)
    assert steps(tmp_path / "run") == [5, 8]
    assert signal.getsignal(number) is before
    walk(tmp_path / "run", 20, resume=True)  # and a run ends only as often as it is told to


def test_a_signal_before_the_first_step_saves_nothing(tmp_path, monkeypatch):
    compile_ = engine.Engine._compile

    def interrupted(*args):
        signal.raise_signal(signal.SIGTERM)
        return compile_(*args)

    monkeypatch.setattr(engine.Engine, "_compile", interrupted)
    result = walk(tmp_path / "run", 20)
    assert (result.step, result.interrupted_by, result.metrics) == (0, "SIGTERM", {})
    monkeypatch.undo()
    walk(tmp_path / "run", 20, resume=True)
    walk(tmp_path / "other", 20)
    assert_same_run(tmp_path / "run", tmp_path / "other", Walk())


def test_a_second_ctrl_c_stops_at_once(tmp_path, at_step, monkeypatch):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    at_step(8, twice)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        walk(tmp_path / "run", 20)
    assert steps(tmp_path / "run") == [5]
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.undo()
    walk(tmp_path / "run", 20, resume=True)
    walk(tmp_path / "other", 20)
    assert_same_run(tmp_path / "run", tmp_path / "other", Walk())


def test_a_thread_may_train_though_it_may_not_catch_signals():
    results = []
    thread = threading.Thread(target=lambda: results.append(walk()))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(results[0].theta["position"], walk().theta["position"])


def test_an_error_closes_everything(tmp_path, at_step):
    """What was written until then is on disk, and the directory can be continued at once."""

    def fail():
        raise RuntimeError("unplugged")

    at_step(8, fail)
    with pytest.raises(RuntimeError, match="unplugged"):
        walk(tmp_path / "run", 20)
    assert len(RunDirectory(tmp_path / "run").read_metrics()) == 8
    assert steps(tmp_path / "run") == [5]


# Seeds and hyper-parameters at once


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTER_LEARNERS)
def test_trainings_vmap_over_seeds_and_learning_rates(name):
    """Three trainings of three steps in one program: the same as one by one."""
    outer = OUTER_LEARNERS[name]()
    keys = jax.random.split(KEY, 3)
    rates = jnp.asarray([1e-4, 1e-3, 1e-2], jnp.float32)

    def step(rate, state, key):
        return outer.replace(learning_rate=rate).step(state, key)

    def train(step, init, rates, keys):
        state = init(keys)
        for i in range(3):
            state, metrics = step(rates, state, fold_in(keys, i))
        return state.theta, metrics

    fold_in = jax.vmap(jax.random.fold_in, in_axes=(0, None))
    together = train(jax.jit(jax.vmap(step)), jax.jit(jax.vmap(outer.init)), rates, keys)
    fold_in, one_step, init = jax.random.fold_in, jax.jit(step), jax.jit(outer.init)
    alone = [train(one_step, init, rate, key) for rate, key in zip(rates, keys, strict=True)]
    for both, separately in zip(
        jax.tree.leaves(together), jax.tree.leaves(jax.tree.map(lambda *x: jnp.stack(x), *alone)), strict=True
    ):
        np.testing.assert_allclose(both, separately, rtol=1e-5, atol=1e-5)
    # Both the seeds and the rates make a difference: the same seed at another rate ends elsewhere.
    slow, _ = train(one_step, init, rates[0], keys[2])
    distance = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), slow, alone[2][0])
    assert max(jax.tree.leaves(distance)) > 1e-3


def test_initial_states_and_outer_steps_share_no_key():
    """Learners split their keys, and ``split(key, n)[i]`` is ``fold_in(key, i)``: none of these begins a stream of another."""
    steps = jax.vmap(jax.random.fold_in, (None, 0))(KEY, jnp.arange(1000))
    inits = jax.random.split(jax.random.fold_in(KEY, INIT_FOLD), 1000)
    evaluations = jax.random.split(jax.random.fold_in(KEY, EVALUATION_FOLD), 1000)
    words = [tuple(key) for key in jax.random.key_data(jnp.concatenate([steps, inits, evaluations])).tolist()]
    assert len(set(words)) == len(words)
    assert [tuple(key) for key in jax.random.key_data(jax.random.split(KEY, 9)).tolist()] == words[
        :9
    ]  # why init may not split KEY


def test_the_mesh_is_gone_after_training():
    walk()
    assert jax.sharding.get_abstract_mesh().empty
    assert task_mesh(1).size == 1


def test_numbers_of_numpy_can_be_written_down(tmp_path):
    """The environment steps of a metrics line follow from settings of the tasks and of the learner."""
    tasks = BernoulliBandit(num_arms=np.int64(2), num_pulls=np.int64(3))
    for outer in (
        jmeta.algorithms.rl2(tasks, hidden_size=np.int64(4), num_tasks=np.int64(16), normalize_rewards=np.bool_(True)),
        jmeta.algorithms.rl2_es(tasks, hidden_size=4, num_tasks=np.int64(16), population_size=np.int64(4)),
    ):
        logger = JsonLines(tmp_path / "metrics.jsonl")
        logger.write(0, outer.num_env_steps, {"loss": np.zeros(1)})
        logger.close()
        assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["env_steps"] == outer.num_env_steps
        json.dumps(run_config(outer, KEY, None, None))
