"""Checkpoints: what is read back is what was saved, or else it is noticed."""

import contextlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.training import NonFiniteError, restore
from jmeta.training.arrays import num_bytes, to_arrays
from jmeta.training.checkpoints import Checkpoints
from tests.training.walk import KEY, Walk, assert_same_run, steps, walk


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 steps, with checkpoints at 10, 15 and 20."""
    out = tmp_path_factory.mktemp("trained") / "run"
    walk(out, 20)
    return out


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run to step 27, never interrupted or damaged."""
    out = tmp_path_factory.mktemp("longer") / "run"
    walk(out, 27)
    return out


def test_every_kind_of_leaf_comes_back_bit_for_bit(tmp_path):
    state = {
        "float": jnp.asarray([0.1, -0.0, 1e-45, 3e38], jnp.float32),
        "half": jnp.asarray([0.1, 2.0], jnp.bfloat16),
        "integer": (jnp.asarray(-7, jnp.int32), jnp.asarray([255], jnp.uint8)),
        "flag": jnp.asarray([True, False]),
        "key": jax.random.split(KEY, 2),
        "nothing": jnp.zeros((0, 3), jnp.float32),
    }
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    checkpoints.save(3, state)
    step, restored = checkpoints.restore(jax.eval_shape(lambda: state))
    checkpoints.close()
    assert step == 3
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    assert restored["key"].dtype == state["key"].dtype
    before, after = to_arrays(state), to_arrays(restored)
    for path, array in before.items():
        assert (array.dtype, array.shape, array.tobytes()) == (after[path].dtype, after[path].shape, after[path].tobytes())


@pytest.mark.parametrize("saved", ["threefry2x32", "rbg", "unsafe_rbg"])
@pytest.mark.parametrize("default", ["threefry2x32", "rbg"])
def test_keys_come_back_in_the_implementation_they_were_saved_in(saved, default, tmp_path):
    """Whatever the default is when they are read: the same numbers come out of them."""
    state = {"key": jax.random.split(jax.random.key(3, impl=saved), 2)}
    with contextlib.closing(Checkpoints(tmp_path / "checkpoints", keep=1)) as checkpoints:
        checkpoints.save(1, state)
        with jax.default_prng_impl(default):
            _, restored = checkpoints.restore(jax.eval_shape(lambda: {"key": jax.random.split(jax.random.key(0), 2)}))
    assert restored["key"].dtype == state["key"].dtype
    np.testing.assert_array_equal(*(jax.random.normal(keys["key"][1], (3,)) for keys in (restored, state)))


def test_a_run_is_not_continued_with_keys_of_another_implementation(tmp_path):
    """Two implementations with keys of the same size would go on, with other numbers."""
    walk(tmp_path / "run", 5, key=jax.random.key(1, impl="rbg"))
    with pytest.raises(ValueError, match="key_implementation: was rbg, now unsafe_rbg"):
        walk(tmp_path / "run", 7, key=jax.random.key(1, impl="unsafe_rbg"), resume=True)
    assert walk(tmp_path / "run", 7, key=jax.random.key(1, impl="rbg"), resume=True).step == 7


@pytest.mark.parametrize("keep", [1, 2, 4])
def test_the_newest_are_kept(keep, tmp_path):
    walk(tmp_path / "run", 23, keep=keep)
    assert steps(tmp_path / "run") == [5, 10, 15, 20, 23][-keep:]


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_what_is_not_finite_is_not_saved(bad, dtype, tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    good = {"w": jnp.ones(3, dtype), "count": jnp.asarray(1, jnp.int32)}
    checkpoints.save(1, good)
    where = re.escape(str(tmp_path))
    with pytest.raises(
        NonFiniteError, match=f"w is {float(bad)} at outer step 2; the last good checkpoint is step 1 in {where}"
    ) as caught:
        checkpoints.save(2, {"w": jnp.asarray([1.0, bad, 1.0], dtype), "count": jnp.asarray(2, jnp.int32)})
    assert (caught.value.step, caught.value.metric, caught.value.last_good_step) == (2, "w", 1)
    assert "lower learning rate" in str(caught.value)
    assert checkpoints.restore(jax.eval_shape(lambda: good))[0] == 1
    checkpoints.close()


def test_at_least_one_is_kept(tmp_path):
    with pytest.raises(ValueError, match="keep=0: keep at least 1"):
        Checkpoints(tmp_path, keep=0)


def test_a_checkpoint_of_another_learner_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    checkpoints.save(1, {"w": jnp.ones(3), "b": jnp.ones(2)})
    checkpoints.wait()
    spec = jax.ShapeDtypeStruct
    for template, message in (
        ({"w": spec((4,), jnp.float32), "b": spec((2,), jnp.float32)}, r"w is float32\[3\] there but float32\[4\] here"),
        ({"w": spec((3,), jnp.int32), "b": spec((2,), jnp.float32)}, r"w is float32\[3\] there but int32\[3\] here"),
        ({"w": spec((3,), jnp.float32)}, "another learner: b is in only one of the two"),
    ):
        with pytest.raises(ValueError, match=message):
            checkpoints.restore(template)
    checkpoints.close()
    assert not (tmp_path / "damaged").exists()  # it is sound, only not ours


def test_size_on_disk_is_counted_before_anything_is_allocated():
    template = jax.eval_shape(lambda: {"w": jnp.zeros((1000, 3), jnp.float32), "n": jnp.zeros(5, jnp.uint8), "k": KEY})
    assert num_bytes(template) == 1000 * 3 * 4 + 5 + 8


# Damage


def files(run: Path, step: int) -> list[Path]:
    """The files that hold the checkpoint's bytes and what they mean, the one with the bytes last."""
    state, layout = (run / "checkpoints" / str(step) / name for name in ("state", "layout"))
    return [layout / "metadata", state / "_METADATA", state / "manifest.ocdbt", *(state / "d").iterdir()]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = bytes(byte ^ 0xFF for byte in content[middle : middle + 4])
    path.write_bytes(bytes(content))


def overwrite_by_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def exchange_the_bytes(path: Path) -> None:
    """Sound in form, but not what was saved at this step."""
    state = path.parents[1]
    shutil.rmtree(state)
    shutil.copytree(state.parents[1] / "15" / "state", state)


def exchange_two_names(path: Path) -> None:
    """Every byte is right and all mean something else."""
    metadata = path.parents[2] / "layout" / "metadata"
    layout = json.loads(metadata.read_text())
    first, second, *_ = layout["arrays"]
    first[0], second[0] = second[0], first[0]
    metadata.write_text(json.dumps(layout))


DAMAGE = (truncate, flip_bytes, overwrite_by_zeros, Path.unlink)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_to_any_file_is_noticed(damage: Callable[[Path], None], run):
    """The checkpoint before is used, and reading moves nothing."""
    expected = restore(Walk(), run)
    for index in range(len(files(run, 20))):
        newest = run / "checkpoints" / "21"
        shutil.copytree(run / "checkpoints" / "20", newest)
        damage(files(run, 21)[index])
        with pytest.warns(RuntimeWarning, match="checkpoint 21 is damaged and was passed over"):
            step, state = restore(Walk(), run)
        assert step == 20
        np.testing.assert_array_equal(state.theta["position"], expected[1].theta["position"])
        assert steps(run) == [10, 15, 20, 21]
        assert not (run / "damaged").exists()
        shutil.rmtree(newest)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_to_a_large_state_is_noticed(damage: Callable[[Path], None], tmp_path):
    """Orbax keeps large arrays in files of their own."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for step in (1, 2):
        checkpoints.save(step, {"w": jax.random.normal(jax.random.key(step), (500, 500))})
    checkpoints.wait()
    largest = max((tmp_path / "checkpoints" / "2").rglob("*"), key=lambda path: path.stat().st_size)
    assert largest.stat().st_size > 4 * 500 * 500 / 2
    damage(largest)
    with pytest.warns(RuntimeWarning, match="checkpoint 2 is damaged and was passed over"):
        step, state = checkpoints.restore({"w": jax.ShapeDtypeStruct((500, 500), jnp.float32)})
    checkpoints.close()
    assert step == 1
    np.testing.assert_array_equal(state["w"], jax.random.normal(jax.random.key(1), (500, 500)))


@pytest.mark.parametrize("damage", [truncate, exchange_the_bytes, exchange_two_names], ids=lambda damage: damage.__name__)
def test_a_run_goes_on_from_the_last_good_one(damage: Callable[[Path], None], run, longer):
    damage(files(run, 20)[-1])
    with pytest.warns(RuntimeWarning, match="checkpoint 20 is damaged and was passed over"):
        walk(run, 27, resume=True)
    assert (run / "damaged" / "20").is_dir()
    assert steps(run) == [20, 25, 27]  # 20 anew
    assert_same_run(run, longer, Walk())


def test_two_damaged_ones(run, longer):
    for step in (15, 20):
        shutil.rmtree(run / "checkpoints" / str(step) / "state")
    with pytest.warns(RuntimeWarning, match="is damaged and was passed over") as warned:
        walk(run, 27, resume=True)
    assert [str(w.message)[:13] for w in warned] == ["checkpoint 20", "checkpoint 15"]
    assert sorted(path.name for path in (run / "damaged").iterdir()) == ["15", "20"]
    assert_same_run(run, longer, Walk())


@pytest.mark.filterwarnings("ignore:checkpoint .* is damaged:RuntimeWarning")
def test_all_damaged(run):
    """Starting over would lose the metrics of all steps so far: nobody asked for that."""
    metrics = (run / "metrics.jsonl").read_text()
    for step in steps(run):
        truncate(files(run, step)[-1])
    with pytest.raises(OSError, match="all checkpoints of this run are damaged") as caught:
        restore(Walk(), run)
    assert str(run / "checkpoints") in str(caught.value)
    for _ in range(2):  # and when asked again, as a job queue does
        with pytest.raises(OSError, match="all checkpoints of this run are damaged") as caught:
            walk(run, 27, resume=True)
        assert str(run / "damaged") in str(caught.value)
    assert (run / "metrics.jsonl").read_text() == metrics
    assert sorted(path.name for path in (run / "damaged").iterdir()) == ["10", "15", "20"]


def half_write(run: Path) -> Path:
    """What a kill in the middle of a save leaves."""
    half = run / "checkpoints" / "25.orbax-checkpoint-tmp"
    shutil.copytree(run / "checkpoints" / "20", half)
    truncate(max((half / "state" / "d").iterdir(), key=lambda path: path.stat().st_size))
    return half


def test_a_half_written_checkpoint_is_ignored(run, longer):
    half = half_write(run)
    walk(run, 27, resume=True)
    assert not half.exists()
    assert not (run / "damaged").exists()
    assert_same_run(run, longer, Walk())


def test_reading_leaves_a_running_save_alone(run):
    """Evaluating a run that is under way must not delete what it is about to finish."""
    half = half_write(run)
    before = sorted(half.rglob("*"))
    assert restore(Walk(), run)[0] == 20
    assert sorted(half.rglob("*")) == before


def test_reading_writes_nothing(tmp_path, run):
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(FileNotFoundError, match="has no checkpoint yet"):
        restore(Walk(), run)
    assert not (run / "checkpoints").exists()


def test_a_relative_directory_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints(Path("relative"), keep=1)
    checkpoints.save(3, {"x": jnp.arange(3.0)})
    checkpoints.wait()
    step, state = checkpoints.restore({"x": jax.ShapeDtypeStruct((3,), jnp.float32)})
    checkpoints.close()
    assert step == 3
    np.testing.assert_array_equal(state["x"], [0.0, 1.0, 2.0])


def test_content_that_does_not_match_its_checksum_is_damage(tmp_path, monkeypatch):
    """What the storage holds to be whole, as a bit that was wrong before it was written."""
    state = {"weights": jnp.arange(3.0)}
    with contextlib.closing(Checkpoints(tmp_path / "checkpoints", keep=2)) as checkpoints:
        with monkeypatch.context() as patch:
            patch.setattr("jmeta.training.arrays.Packed.checksum", 0)
            checkpoints.save(1, state)
            checkpoints.wait()
        with (
            pytest.warns(RuntimeWarning, match="checkpoint 1 is damaged .* does not match its checksum"),
            pytest.raises(OSError, match="all checkpoints of this run are damaged"),
        ):
            checkpoints.restore(jax.eval_shape(lambda: state))
