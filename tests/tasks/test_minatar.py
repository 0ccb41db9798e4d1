"""MinAtar's games as tasks."""

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.tasks import MinAtar
from jmeta.tasks.minatar import GAMES, EnvParams
from jmeta.types import Discrete

pytestmark = pytest.mark.slow  # five games to compile
KEY = jax.random.key(0)


def game(index, max_steps=1000):
    return EnvParams(game=jnp.array(index), max_steps_in_episode=jnp.array(max_steps))


def test_games_share_a_screen_and_actions():
    tasks = MinAtar()
    # Freeway has the most channels of these, 7, of 10 by 10 cells, and Seaquest 10.
    assert (tasks.observation_size, tasks.action_space, tasks.horizon) == (700, Discrete(6), 1000)
    assert MinAtar(("breakout",), ("seaquest",)).observation_size == 1000
    assert MinAtar(max_steps=7, num_episodes=3).lifetime_length == 21


def test_gymnax_has_every_game():
    assert set(GAMES.values()) == {env_id for env_id in gymnax.registered_envs if env_id.endswith("-MinAtar")}
    assert len(GAMES) == 5


@pytest.mark.parametrize("index", [0, 1])
def test_a_task_plays_as_gymnax_does(index):
    names = ("breakout", "freeway")
    tasks = MinAtar(names, (), max_steps=20)
    alone = gymnax.make(GAMES[names[index]], use_minimal_action_set=False)[0]
    params, channels = alone.default_params, alone.obs_shape[-1]
    task, step, step_alone = game(index, 20), jax.jit(tasks.step), jax.jit(alone.step_env)
    observation, state = tasks.reset(task, KEY)
    screen, state_alone = alone.reset_env(KEY, params)
    for t, action in enumerate([0, 1, 3, 3, 2, 2, 4, 5, 2, 2, 2, 1]):
        shown = np.asarray(observation).reshape(10, 10, 7)
        np.testing.assert_array_equal(shown[..., :channels], screen)
        assert not shown[..., channels:].any()
        key = jax.random.fold_in(KEY, t)
        after = step(task, state, jnp.array(action), key)
        screen, state_alone, reward, over, _ = step_alone(key, state_alone, jnp.array(action), params)
        assert (float(after.reward), bool(after.terminated)) == (float(reward), bool(over))
        other = 1 - index
        jax.tree.map(np.testing.assert_array_equal, after.state.games[other], state.games[other])
        observation, state = after.observation, after.state
        if over:
            break
    assert t >= 5


def test_the_time_limit_is_the_setting():
    tasks = MinAtar(("freeway",), (), max_steps=2)
    _, state = tasks.reset(game(0, 2), KEY)
    one = tasks.step(game(0, 2), state, jnp.array(0), KEY)
    two = tasks.step(game(0, 2), one.state, jnp.array(0), KEY)
    assert (bool(one.truncated), bool(two.truncated), bool(two.terminated)) == (False, True, False)


def test_training_and_held_out_games_are_drawn_uniformly_and_are_different():
    keys = jax.random.split(KEY, 6000)
    train, held_out = (np.asarray(jax.jit(jax.vmap(split.sample))(keys).game) for split in (MinAtar(), MinAtar().held_out))
    values, counts = np.unique(train, return_counts=True)
    assert values.tolist() == [0, 1, 2]
    # 2000 of each expected, with standard deviation sqrt(6000 * 2 / 9) = 36.5: z below 4.
    assert np.all(np.abs(counts - 2000) < 4 * 36.5)
    assert np.all(held_out == 3)
    np.testing.assert_array_equal(MinAtar().describe(game(3)), [0, 0, 0, 1])


def test_validation_games_are_drawn_by_the_validation_split_alone():
    tasks = MinAtar(("asterix",), ("breakout",), validation_games=("freeway", "space-invaders"))
    keys = jax.random.split(KEY, 100)
    games = [set(np.asarray(jax.jit(jax.vmap(split.sample))(keys).game).tolist()) for split in tasks._splits]
    assert games == [{0}, {2, 3}, {1}]
    np.testing.assert_array_equal(tasks.describe(game(3)), [0, 0, 0, 1])
    assert not MinAtar().has_validation


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MinAtar(("pong",)), "'pong' is not a game of MinAtar: choose from asterix, breakout"),
        (lambda: MinAtar(("asterix",), ("asterix",)), "'asterix' is given 2 times: give each game once"),
        (lambda: MinAtar(()), "give at least one game to train on"),
        (lambda: MinAtar(max_steps=0), "max_steps=0: give at least 1"),
        (lambda: MinAtar(held_out_games=()).held_out, "MinAtar has no held-out games: name some in held_out_games"),
    ],
)
def test_mistakes_name_the_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()
