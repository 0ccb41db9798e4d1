"""GridNavi, Dark Room and Dark Key-to-Door."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.tasks import DarkKeyToDoor, DarkRoom, GridNavi
from jmeta.tasks.grid_environment import EnvParams
from jmeta.types import Discrete

KEY = jax.random.key(0)  # where nothing is random
STAY, UP, RIGHT, DOWN, LEFT = range(5)

GRIDS = [GridNavi(), GridNavi(held_out_goals=5), DarkRoom(), DarkKeyToDoor()]


def task_with(*targets, horizon=50):
    return EnvParams(targets=jnp.array(targets, jnp.int32), max_steps_in_episode=jnp.array(horizon))


def walk(tasks, task, actions, position=None):
    """(positions, rewards, ends) of one episode under given actions, from a chosen cell if one is given."""
    step = jax.jit(tasks.step)
    _, state = tasks.reset(task, KEY)
    if position is not None:
        state = state.replace(position=jnp.array(position, jnp.int32))
    transitions = []
    for action in actions:
        transitions.append(step(task, state, jnp.array(action), KEY))
        state = transitions[-1].state
    return (
        [tuple(t.state.position.tolist()) for t in transitions],
        [round(float(t.reward), 6) for t in transitions],
        [(bool(t.terminated), bool(t.truncated)) for t in transitions],
    )


def shortest(start, targets):
    """Steps to each target in turn; one that is where the last one was takes one step, to stay."""
    steps, at = [], start
    for target in targets:
        distance = abs(at[0] - target[0]) + abs(at[1] - target[1])
        steps.append(max(distance, 1))
        at = target
    return steps


@pytest.mark.parametrize(
    ("tasks", "horizon", "lifetime"), [(GridNavi(), 15, 60), (DarkRoom(), 20, 200), (DarkKeyToDoor(), 50, 500)]
)
def test_sizes(tasks, horizon, lifetime):
    assert (tasks.action_space, tasks.observation_size) == (Discrete(5), 2)
    assert (tasks.horizon, tasks.lifetime_length) == (horizon, lifetime)


def test_moves_stop_at_the_walls():
    positions, _, _ = walk(GridNavi(), task_with((4, 4)), [LEFT, DOWN, RIGHT, UP, STAY, LEFT, *5 * [UP], *5 * [RIGHT], DOWN])
    assert positions[:6] == [(0, 0), (0, 0), (1, 0), (1, 1), (1, 1), (0, 1)]
    assert positions[6:] == [(0, 2), (0, 3), (0, 4), (0, 4), (0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (4, 4), (4, 3)]


def test_grid_navi_pays_one_on_the_goal_and_costs_a_tenth_elsewhere():
    _, rewards, ends = walk(GridNavi(), task_with((2, 0), horizon=15), [RIGHT, RIGHT, STAY, UP, DOWN, *10 * [STAY]])
    assert rewards == [-0.1, 1.0, 1.0, -0.1, *11 * [1.0]]
    assert ends == 14 * [(False, False)] + [(False, True)]


def test_dark_room_begins_in_the_middle_and_pays_on_the_goal():
    positions, rewards, _ = walk(DarkRoom(), task_with((4, 6)), [UP, UP, STAY, LEFT, RIGHT])
    assert positions[0] == (4, 5)
    assert rewards == [0.0, 1.0, 1.0, 0.0, 1.0]
    _, rewards, _ = walk(DarkRoom(pays_again=False), task_with((4, 6)), [UP, UP, STAY, LEFT, RIGHT])
    assert rewards == [0.0, 1.0, 0.0, 0.0, 0.0]


def test_the_door_pays_after_the_key_and_each_once():
    tasks, task = DarkKeyToDoor(), task_with((2, 2), (2, 4))
    through_the_door_first = [UP, DOWN, DOWN, STAY, UP, UP, STAY, DOWN, DOWN]  # from (2, 3): door, (2, 3), key, ...
    _, rewards, ends = walk(tasks, task, through_the_door_first, position=(2, 3))
    assert rewards == [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert not any(terminated for terminated, _ in ends)
    # Key and door in one cell: found one after the other.
    assert walk(tasks, task_with((2, 2), (2, 2)), [DOWN, STAY, STAY], position=(2, 3))[1] == [1.0, 1.0, 0.0]


def test_a_new_episode_hides_the_key_again_and_begins_elsewhere():
    tasks, task = DarkKeyToDoor(), task_with((2, 2), (2, 4))
    _, states = jax.jit(jax.vmap(lambda key: tasks.reset(task, key)))(jax.random.split(KEY, 10_000))
    assert np.all(states.found == 0)
    counts = np.histogramdd(np.asarray(states.position), bins=(9, 9))[0]
    # 81 cells of mean 10,000 / 81: a chi-square of 80 degrees of freedom is below 137 with probability 0.9999.
    assert ((counts - 10_000 / 81) ** 2 / (10_000 / 81)).sum() < 137


def test_the_position_is_seen_as_coordinates_or_one_hot_and_nothing_else_is():
    for sight, seen in (("coordinates", [0.5, -1.0]), ("one-hot", np.eye(25)[15])):  # (3, 0) of 5: 3 / 2 - 1, 15 = 5 * 3
        tasks = GridNavi(sight=sight)
        for goal in ((4, 4), (3, 0)):
            _, state = tasks.reset(task_with(goal), KEY)
            after = tasks.step(task_with(goal), state.replace(position=jnp.array([3, 1])), jnp.array(DOWN), KEY)
            np.testing.assert_allclose(after.observation, seen)
    np.testing.assert_allclose(GridNavi().describe(task_with((3, 0))), [0.5, -1.0])
    np.testing.assert_allclose(DarkKeyToDoor().describe(task_with((0, 8), (4, 2))), [-1.0, 1.0, 0.0, -0.5])


# Which tasks there are.


def cells_of(tasks):
    return {tuple(map(tuple, targets)) for targets in tasks.targets.tolist()}


def test_grid_navi_has_the_21_goals_of_anchor_d():
    block = {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert cells_of(GridNavi()) == {(cell,) for cell in set(itertools.product(range(5), repeat=2)) - block}
    assert len(GridNavi().targets) == 21


@pytest.mark.parametrize("number", [1, 2, 5, 20])
def test_grid_navi_s_held_out_goals_are_set_aside(number):
    tasks = GridNavi(held_out_goals=number)
    assert len(tasks.held_out.targets) == number
    assert cells_of(tasks.train) | cells_of(tasks.held_out) == cells_of(GridNavi())
    assert not cells_of(tasks.train) & cells_of(tasks.held_out)


@pytest.mark.parametrize(("tasks", "total", "held_out"), [(DarkRoom(), 81, 16), (DarkKeyToDoor(), 6561, 1312)])
def test_dark_rooms_hold_out_a_fifth(tasks, total, held_out):
    assert len(tasks.held_out.targets) == held_out
    assert len(cells_of(tasks.train) | cells_of(tasks.held_out)) == len(tasks.train.targets) + held_out == total


@pytest.mark.parametrize(
    ("tasks", "held_out", "validation"),
    [
        (GridNavi(held_out_goals=5, validation_goals=4), 5, 4),
        (GridNavi(validation_goals=3), 0, 3),
        (DarkRoom(with_validation=True), 16, 17),
        (DarkKeyToDoor(with_validation=True), 1312, 1312),
    ],
)
def test_validation_tasks_are_set_aside(tasks, held_out, validation):
    splits = [cells_of(each) for each in tasks._splits]
    assert tasks.has_validation
    assert len(tasks.validation.targets) == validation
    assert not held_out or len(tasks.held_out.targets) == held_out
    assert len(set().union(*splits)) == sum(map(len, splits)) == len(tasks.all_targets()[0])


def test_without_being_told_to_no_room_sets_validation_tasks_aside():
    for tasks, remedy in ((GridNavi(), "give validation_goals"), (DarkRoom(), "see its settings"), (DarkKeyToDoor(), "see its")):
        assert not tasks.has_validation
        with pytest.raises(ValueError, match=f"for validation: .*{remedy}"):
            _ = tasks.validation


def test_goals_for_validation_come_from_those_that_are_left():
    with pytest.raises(ValueError, match="validation_goals=16: of 16 goals left, set aside 0 to 15"):
        GridNavi(held_out_goals=5, validation_goals=16)


def test_what_is_held_out_is_spread():
    held_out = {cell for (cell,) in cells_of(DarkRoom().held_out)}
    for x, y in held_out:
        assert not held_out & {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)}
    pairs = cells_of(DarkKeyToDoor().held_out)
    assert len({key for key, _ in pairs}) == len({door for _, door in pairs}) == 81


@functools.cache
def drawn(tasks, n=20_000):
    return np.asarray(jax.jit(jax.vmap(tasks.sample))(jax.random.split(jax.random.key(1), n)).targets)


@pytest.mark.parametrize("tasks", [GridNavi(), DarkRoom(), DarkRoom().held_out, GridNavi(held_out_goals=5).held_out])
def test_goals_are_uniform_on_the_split(tasks):
    goals, counts = np.unique(drawn(tasks)[:, 0], axis=0, return_counts=True)
    assert {(tuple(goal),) for goal in goals.tolist()} == cells_of(tasks)
    expected = counts.sum() / len(goals)
    # A chi-square of k degrees of freedom has mean k and variance 2 k; five standard deviations above.
    k = len(goals) - 1
    assert ((counts - expected) ** 2 / expected).sum() < k + 5 * np.sqrt(2 * k)


def test_pairs_are_uniform_on_the_split():
    for tasks in (DarkKeyToDoor(), DarkKeyToDoor().held_out):
        pairs = {tuple(map(tuple, pair)) for pair in drawn(tasks).tolist()}
        assert pairs <= cells_of(tasks)
        # n draws of m pairs: m (1 - exp(-n / m)) different ones; the standard deviation is below sqrt(m) / 2.
        m = len(tasks.targets)
        assert abs(len(pairs) - m * (1 - np.exp(-20_000 / m))) < 2 * np.sqrt(m) + 1


# Knowing the task.


@pytest.mark.parametrize("tasks", GRIDS, ids=repr)
def test_the_oracle_walks_the_shortest_way(tasks):
    """The return of every task from the lengths of its shortest ways."""
    sample = tasks.targets[:: max(1, len(tasks.targets) // 20)]
    oracle = jax.jit(jax.vmap(lambda targets: tasks.oracle_return(tasks._task(targets), tasks.horizon)))(sample)
    starts = {GridNavi: [(0, 0)], DarkRoom: [(4, 4)], DarkKeyToDoor: list(itertools.product(range(9), repeat=2))}[type(tasks)]
    for targets, value in zip(sample.tolist(), oracle, strict=True):
        returns = []
        for start in starts:
            steps = shortest(start, targets)
            if type(tasks) is DarkKeyToDoor:
                returns.append(sum(total <= tasks.horizon for total in itertools.accumulate(steps)))
            else:  # the step that arrives is the first that pays
                miss = -0.1 if type(tasks) is GridNavi else 0.0
                returns.append(miss * (steps[0] - 1) + tasks.horizon - (steps[0] - 1))
        assert float(value) == pytest.approx(np.mean(returns), abs=1e-4)


def test_knowing_the_goal_is_worth_what_anchors_d_and_f_say():
    tasks = GridNavi()
    known = jax.vmap(lambda targets: tasks.oracle_return(tasks._task(targets), 60))(tasks.targets).mean()
    assert float(known) == pytest.approx(44.286, abs=5e-4)
    assert 4 * tasks.reference_return(61).value == pytest.approx(44.286, abs=5e-4)  # 61 steps are no whole number of episodes
    assert (tasks.reference_return(61).label, tasks.reference_return(61).per) == ("goal known", "episode")
    # Goals at distance d > 0 pay 21 - d, the middle 20; the mean distance is 2 * 20 / 9.
    rooms = [DarkRoom(), DarkRoom().held_out]
    mean = sum(room.reference_return(20).value * len(room.targets) for room in rooms) / 81
    assert mean == pytest.approx(21 - 40 / 9 - 1 / 81, abs=1e-4)
    assert mean == pytest.approx(16.54, abs=5e-3)


def test_grid_navi_s_reference_is_the_bayes_optimum_of_anchor_d():
    reference = GridNavi().reference_return(60)
    assert (reference.label, reference.per) == ("Bayes optimum", "lifetime")
    assert reference.value == pytest.approx(37.2143, abs=5e-5)
    # With goals set aside the prior is another one, whose optimum is not known here.
    assert GridNavi(held_out_goals=5).reference_return(60).label == "goal known"
    assert GridNavi(size=9).reference_return(60).label == "goal known"


def test_short_episodes_and_lifetimes_that_end_within_one():
    # The goal is 4 steps away, so an episode of 15 earns -0.3 + 12 and one of 5 earns -0.3 + 2; one of 1 earns -0.1.
    task = task_with((2, 2))
    for num_steps, value in ((15, 11.7), (5, 1.7), (1, -0.1), (20, 13.4), (31, 23.3)):
        assert float(GridNavi().oracle_return(task, num_steps)) == pytest.approx(value, abs=1e-5)
    # From (4, 4) the door is 8 + 16 steps away by way of the key: 24 steps are enough and 23 are not, from that start.
    tasks = DarkKeyToDoor(horizon=24)
    values = [float(tasks.oracle_return(task_with((0, 0), (8, 8)), n)) for n in (23, 24)]
    assert values[0] < values[1] < 2.0


def test_dark_room_hard_is_worth_one():
    tasks = DarkRoom(size=17, pays_again=False)
    assert tasks.reference_return(20).value == pytest.approx(1.0)  # every goal is within 16 steps


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GridNavi(size=2), "size=2: give at least 3"),
        (lambda: DarkRoom(horizon=0), "horizon=0: give at least 1"),
        (lambda: DarkKeyToDoor(num_episodes=0), "num_episodes=0: give at least 1"),
        (lambda: DarkRoom(sight="radar"), "sight='radar' is not coordinates or one-hot"),
        (lambda: GridNavi(held_out_goals=21), "held_out_goals=21: of 21 goals, hold out 0 to 20"),
        (lambda: GridNavi().held_out, "GridNavi trains on all its goals, as published: evaluate on the training split"),
        (lambda: DarkRoom().out_of_distribution, "DarkRoom has no out-of-distribution tasks"),
    ],
)
def test_mistakes_name_the_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()
