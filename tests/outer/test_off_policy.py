"""Replay: what it holds, what is learned from it and when."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta import struct
from jmeta.inner.discrete_sac import DiscreteSAC
from jmeta.inner.dqn import DQN
from jmeta.inner.q_learner import Step
from jmeta.inner.random_at_first import RandomOr
from jmeta.inner.sac import SAC
from jmeta.outer.base import relative_weights
from jmeta.outer.off_policy import OffPolicy
from jmeta.tasks import GridNavi, PointNavigation, SparsePointNavigation, TaskDistribution
from jmeta.types import Continuous, Discrete, PyTree
from tests.tasks.test_every_task import ALL

TASKS = PointNavigation(horizon=5)
KEYS = jax.random.split(jax.random.key(3), 4)


def learner(**fields: Any) -> Any:
    settings = {"widths": (8,), "num_training_tasks": 4, "num_passes": 2, "batch_size": 8, "capacity": 12} | fields
    return jmeta.algorithms.sac(TASKS, **settings)


def after(outer: Any, num_steps: int) -> PyTree:
    state = jax.jit(outer.init)(jax.random.key(0))
    step = jax.jit(outer.step)
    for number in range(num_steps):
        state, _ = step(state, jax.random.key(number))
    return state


@pytest.mark.slow
def test_each_task_s_replay_holds_what_was_lived_in_it_and_the_newest_of_that() -> None:
    """Rewards are minus the distance to the task's own goal. Of three lifetimes of 5 steps, the newest 12 are kept."""
    outer = learner()
    state = after(outer, 3)
    kept = jax.tree.map(lambda x: np.asarray(x)[:, 0], state.by_task.replays.experience)
    goal = np.asarray(state.by_task.task.goal)
    assert len(np.unique(goal, axis=0)) == 4
    np.testing.assert_allclose(kept.reward, -np.linalg.norm(kept.next_observation - goal[:, None], axis=-1), atol=1e-5)
    assert kept.time.tolist() == [[2, 3, 4, 3, 4, 0, 1, 2, 3, 4, 0, 1]] * 4  # the third lifetime lies around the end
    np.testing.assert_array_equal(state.by_task.replays.current_index, [3, 3, 3, 3])
    assert np.asarray(state.by_task.replays.is_full).all()


@pytest.mark.slow
def test_a_batch_is_of_replay_beside_the_newest_lifetime() -> None:
    outer = jmeta.algorithms.pearl(
        TASKS, widths=(8,), encoder_widths=(8,), num_training_tasks=4, num_segments=2, num_passes=1, capacity=100
    )
    records = after(outer, 4).by_task
    lifetimes, batches, _ = jax.jit(jax.vmap(outer.draw))(records, KEYS)
    assert lifetimes.reward.shape == (4, 2, 5, 1)
    for task in range(4):
        context = np.asarray(lifetimes.reward[task]).ravel()
        np.testing.assert_array_equal(context, records.replays.experience.reward[task, 0, 30:40])
        lived = np.asarray(records.replays.experience.reward[task, 0, :40])
        assert all(np.isclose(lived, reward).any() for reward in np.asarray(batches.reward[task]).ravel())
        assert not all(np.isclose(context, reward).any() for reward in np.asarray(batches.reward[task]).ravel())


@pytest.mark.slow
def test_contexts_are_the_first_segments_or_steps_at_random() -> None:
    """The evidence of a product of Gaussians adds up, so which steps are in it can be told."""
    fields: dict[str, Any] = {"widths": (8,), "encoder_widths": (8,), "num_training_tasks": 4, "num_segments": 3, "num_passes": 1}
    outer = jmeta.algorithms.pearl(TASKS, **fields)
    state = after(outer, 1)
    context = jax.tree.map(lambda x: x[0], jax.jit(jax.vmap(outer.draw))(state.by_task, KEYS)[0])
    flat = lambda tree: np.asarray(jax.flatten_util.ravel_pytree(tree)[0])  # noqa: E731

    def contexts(agent: Any, keys: jax.Array) -> np.ndarray:
        one = lambda key: jax.flatten_util.ravel_pytree(agent.context(state.theta, context, key))[0]  # noqa: E731
        return np.asarray(jax.jit(jax.vmap(one))(keys))

    agent = outer.inner
    adapt = jax.jit(agent.adapt)
    phi, _ = agent.begin(state.theta, 1, KEYS[0])
    prefixes = [flat(phi.evidence)]
    for number in range(3):
        phi, _ = adapt(state.theta, phi, jnp.zeros(1, jnp.int32), jax.tree.map(lambda x: x[number], context), KEYS[0])  # noqa: B023
        prefixes.append(flat(phi.evidence))
    drawn = contexts(agent, jax.random.split(KEYS[0], 30))
    which = [[np.allclose(context, x, atol=1e-4) for x in prefixes] for context in drawn]
    assert np.sum(which, axis=1).tolist() == [1] * 30
    assert np.any(which, axis=0).tolist() == [True, True, True, False]
    some, every = (jmeta.algorithms.pearl(TASKS, **fields, context_size=size).inner for size in (6, 15))
    np.testing.assert_allclose(contexts(every, KEYS[:1])[0], prefixes[-1], atol=1e-4)
    assert len({context.tobytes() for context in contexts(some, KEYS)}) == 4


@pytest.mark.parametrize("tasks", ALL, ids=lambda tasks: tasks.name)
def test_who_adapts_between_segments_has_two_of_them_in_every_family(tasks: TaskDistribution) -> None:
    """As many as a lifetime of the tasks has episodes, or two where it has one; a segment is an episode."""
    expected = (max(2, tasks.lifetime_length // tasks.horizon), tasks.horizon, 1)
    small: dict[str, Any] = {"widths": (4,), "num_training_tasks": 2}
    pearl = partial(jmeta.algorithms.pearl, tasks, encoder_widths=(4,), **small)
    mql = partial(jmeta.algorithms.mql, tasks, hidden_size=4, **small)
    dqn = partial(jmeta.algorithms.maml_dqn, tasks, **small)
    is_discrete = isinstance(tasks.action_space, Discrete)
    algorithms: list[Any] = [pearl] + ([] if is_discrete else [mql])
    assert [build().protocol for build in algorithms] == [expected] * len(algorithms)
    for build in [*algorithms, dqn] if is_discrete else algorithms:
        with pytest.raises(ValueError, match=r"num_segments=1: .* adapts between segments, .* use num_segments=2 or more"):
            build(num_segments=1)


@pytest.mark.slow
def test_the_encoder_learns_by_default_where_a_lifetime_of_the_tasks_is_one_episode() -> None:
    """Half of the contexts are empty, and the others have a divergence and a gradient."""
    assert TASKS.lifetime_length == TASKS.horizon
    outer = jmeta.algorithms.pearl(
        TASKS, widths=(8,), encoder_widths=(8,), num_training_tasks=8, num_passes=1, batch_size=4, capacity=10
    )
    state = after(outer, 1)
    data = jax.jit(jax.vmap(outer.draw))(state.by_task, jax.random.split(KEYS[0], 8))
    gradient, metrics = jax.jit(outer.gradient)(state.theta, state.extra.target_parameters, *data)
    assert float(metrics["posterior/kl"]) > 0
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient["encoder"]))


@pytest.mark.slow
def test_contexts_are_drawn_from_so_many_of_the_newest_lifetimes() -> None:
    """Of two in three, and before there are three, of those there are."""
    outer = jmeta.algorithms.pearl(
        TASKS, widths=(8,), encoder_widths=(8,), num_training_tasks=4, num_tasks=2, num_passes=1, capacity=100, num_contexts=3
    )
    for num_steps, first, last in ((1, 0, 1), (3, 0, 2), (9, 2, 5)):  # task 0 is lived in at every other step
        records = after(outer, num_steps).by_task
        assert records.num_lifetimes.tolist() == [last, last if num_steps % 2 == 0 else last - 1] * 2
        draw = jax.jit(jax.vmap(outer.draw, in_axes=(None, 0)))
        drawn, *_ = draw(jax.tree.map(lambda x: x[0], records), jax.random.split(KEYS[0], 100))
        lived = np.asarray(records.replays.experience.reward)[0, 0, : 10 * last].reshape(last, 10)[first:]
        assert {tuple(row) for row in np.asarray(drawn.reward).reshape(100, 10).tolist()} == {
            tuple(row) for row in lived.tolist()
        }
    with pytest.raises(ValueError, match="num_contexts=0: give a whole number of at least 1"):
        outer.replace(num_contexts=0)


@pytest.mark.slow
def test_policy_and_critics_see_the_same_reward_of_the_episode_and_the_same_clock() -> None:
    """What the policy saw at a step is what the critics are told of it. An episode begins with no reward, a segment with no time
    passed; nothing is worth anything after a segment, which is an episode here, and without a clock a time limit ends nothing."""
    outer = jmeta.algorithms.pearl(
        TASKS,
        sees_reward=True,
        sees_clock=True,
        widths=(8,),
        encoder_widths=(8,),
        num_training_tasks=4,
        num_segments=2,
        num_passes=1,
    )
    state = after(outer, 1)
    agent: Any = outer.inner
    seen: list[Any] = []

    class Spy(type(agent.q_learner)):  # type: ignore[misc]
        def decide(self, parameters: Any, x: jax.Array) -> Any:
            return x

        def loss(self, parameters: Any, target_parameters: Any, step: Any, key: jax.Array) -> Any:
            jax.debug.callback(lambda *step: seen.append(step), *step)
            return jnp.zeros(()), {}

    spy = Spy(**{name: getattr(agent.q_learner, name) for name in agent.q_learner.__dataclass_fields__})
    agent = agent.replace(q_learner=spy)
    context, _, key = jax.tree.map(lambda x: x[0], jax.jit(jax.vmap(outer.draw))(state.by_task, KEYS))
    rows = jax.tree.map(lambda x: x[0, 0], state.by_task.contexts)
    batch = jax.tree.map(lambda x: x[None], rows)
    jax.jit(agent.loss)(state.theta, state.extra.target_parameters, context, batch, key)
    jax.effects_barrier()
    critics = sorted((tuple(np.asarray(step[0][:4])), tuple(np.asarray(step[4][:4])), bool(step[3])) for step in seen)
    phi, memory = agent.begin(state.theta, 1, key)
    assert memory.tolist() == [0]
    seen_by_policy, memories = [], []
    for segment in range(2):
        for step in range(5):
            timestep = jax.tree.map(lambda x: x[5 * segment + step], rows.timestep)  # noqa: B023
            x, after_it = agent.act(state.theta, phi, memory[0], timestep)
            memory = after_it[None]
            seen_by_policy.append(tuple(np.asarray(x[:4])))
            memories.append(int(after_it))
        phi, memory = agent.adapt(state.theta, phi, memory, jax.tree.map(lambda x: x[segment], context), key)  # noqa: B023
    assert memories == [1, 2, 3, 4, 5] * 2
    np.testing.assert_allclose([before for before, *_ in critics], sorted(seen_by_policy), atol=1e-6)
    rewards = np.asarray(rows.reward)
    np.testing.assert_allclose(np.asarray(seen_by_policy)[:, 2], [0, *rewards[:4], 0, *rewards[5:9]], atol=1e-6)
    np.testing.assert_allclose(np.asarray(seen_by_policy)[:, 3], [0.0, 0.2, 0.4, 0.6, 0.8] * 2, atol=1e-6)
    assert sorted((round(float(x[3]), 1), over) for _, x, over in critics) == [
        (time, time == 1.0) for time in (0.2, 0.4, 0.6, 0.8, 1.0) for _ in range(2)
    ]
    np.testing.assert_allclose(sorted(after[2] for _, after, _ in critics), sorted(rewards), atol=1e-6)
    seen.clear()
    jax.jit(agent.replace(segment_length=None).loss)(state.theta, state.extra.target_parameters, context, batch, key)
    jax.effects_barrier()
    assert [bool(step[3]) for step in seen] == [False] * 10


def test_tasks_take_turns_and_nothing_is_learned_before_all_were_lived_in() -> None:
    outer = learner(num_tasks=2)
    assert outer.num_env_steps == 10
    fresh = jax.jit(outer.init)(jax.random.key(0))
    step = jax.jit(outer.step)
    once, metrics = step(fresh, jax.random.key(0))
    lived = lambda state: np.asarray(state.by_task.replays.current_index).tolist()  # noqa: E731
    assert lived(once) == [5, 0, 5, 0]
    same = lambda one, other: all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))  # noqa: E731
    assert same(fresh.theta, once.theta)
    assert float(metrics["loss"]) == 0.0
    twice, _ = step(once, jax.random.key(1))
    assert lived(twice) == [5, 5, 5, 5]
    assert not same(once.theta, twice.theta)


@pytest.mark.slow
def test_a_run_continues_bit_for_bit(tmp_path: Path) -> None:
    """Replay is part of the state."""
    outer, key = learner(num_tasks=2), jax.random.key(0)
    whole = jmeta.train(outer, key, 5, out=tmp_path / "whole", progress=False)
    jmeta.train(outer, key, 3, out=tmp_path / "parts", progress=False)
    parts = jmeta.train(outer, key, 5, out=tmp_path / "parts", resume=True, progress=False)
    jax.tree.map(np.testing.assert_array_equal, parts.state, whole.state)


@pytest.mark.slow
def test_targets_follow_slowly() -> None:
    """One gradient step: target' = target + 0.25 (critic' - target)."""
    outer = learner(num_passes=1, target_update_rate=0.25)
    fresh = jax.jit(outer.init)(jax.random.key(0))
    one, _ = jax.jit(outer.step)(fresh, jax.random.key(0))
    expected = jax.tree.map(lambda old, new: old + 0.25 * (new - old), fresh.extra.target_parameters, one.theta["critic"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), expected, one.extra.target_parameters)


def test_the_size_of_replay_is_known_beforehand() -> None:
    """4 tasks x 12 steps of 2 observations (2 floats), 2 actions (2), 3 rewards, the time, 3 flags; an index and a flag a task.

    The newest two lifetimes, of 5 steps each, are kept beside that.
    """
    step = 4 * (2 + 2 + 2 + 2 + 1 + 1 + 1 + 1) + 3
    assert learner().replace(num_contexts=2).replay_bytes == 4 * (12 * step + 5 + 2 * 5 * step)
    assert "replay takes 3,488 bytes" in learner().memory_remedy()


def test_actions_are_random_at_first() -> None:
    """For one outer step of two: uniform on [-1, 1], with a variance of 1/3; TD3's own are near 0 at first."""
    outer = jmeta.algorithms.td3(
        TASKS, widths=(8,), num_training_tasks=32, num_passes=1, batch_size=4, capacity=10, exploration_noise=0.01, random_steps=1
    )
    first, second = np.split(np.asarray(after(outer, 2).by_task.replays.experience.action)[:, 0], 2, axis=1)
    assert first.shape == second.shape == (32, 5, 2)
    assert np.abs(first).max() <= 1.0
    assert np.square(first).mean() == pytest.approx(1 / 3, abs=4 * np.sqrt(4 / 45 / 320))  # the variance of x^2 is 4/45
    assert np.abs(second).max() < 0.3
    with pytest.raises(ValueError, match="random_steps=-1"):
        learner(random_steps=-1)


@struct.dataclass
class Drawn(OffPolicy):
    """Has a gradient of 0, and reports the mean and the mean square of the numbers that it drew instead of batches."""

    def draw(self, record: Any, key: jax.Array) -> Any:
        return (jax.random.uniform(key),)

    def gradient(self, theta: PyTree, target_parameters: PyTree, number: jax.Array, weights: jax.Array) -> Any:  # type: ignore[override]
        return jax.tree.map(jnp.zeros_like, theta), {"mean": number.mean(), "square": number.mean() ** 2}


def test_each_pass_draws_batches_of_its_own() -> None:
    plain = learner()
    outer = Drawn(**{field.name: getattr(plain, field.name) for field in dataclasses.fields(plain)})
    state = outer.init(jax.random.key(0))
    begun = (state.theta, state.opt_state, state.extra.target_parameters)
    _, metrics = jax.jit(lambda keys: outer.learn(begun, state.by_task, keys))(KEYS)
    assert metrics["square"] - metrics["mean"] ** 2 > 1e-5


def test_exploration_falls_over_explore_steps() -> None:
    """DQN acts at random in the first outer step, and greedily but for one action in a hundred after ``explore_steps=1``.

    Of five actions the greedy one then has the probability 0.99 + 0.01 / 5.
    """
    outer = jmeta.algorithms.dqn(
        GridNavi(size=3, horizon=4), widths=(4,), num_training_tasks=2, explore_steps=1, last_epsilon=0.01, capacity=100
    )
    state, collect = outer.init(jax.random.key(0)), jax.jit(outer.collect)
    for num_steps, expected in ((0, 0.2), (1, 0.992), (2, 0.992)):
        now = state._replace(extra=state.extra._replace(num_steps=jnp.int32(num_steps)))
        logits = collect(now, KEYS[:2])[1].segments.decision.distribution.logits
        np.testing.assert_allclose(jnp.exp(logits).max(-1), expected, rtol=1e-5)


def test_random_actions_have_the_probability_they_are_drawn_with() -> None:
    """1/4 each of four actions, 1/2 for each side of a box; the policy's own where they are not random."""
    x, key = jnp.array([0.3, -0.2, 0.5]), jax.random.key(1)
    few, box = DQN.create(3, Discrete(4), (8,), epsilon=0.1), SAC.create(3, Continuous(2), (8,))
    for agent, action, expected in ((few, jnp.int32(2), np.log(0.25)), (box, jnp.array([0.3, -0.9]), 2 * np.log(0.5))):
        own = agent.decide(agent.init(key), x).distribution
        random, policy = (RandomOr(own, jnp.bool_(is_random), agent.action_space) for is_random in (True, False))
        assert float(random.log_prob(action)) == pytest.approx(expected, rel=1e-5)
        assert float(policy.log_prob(action)) == float(own.log_prob(action))
        keys = jax.random.split(key, 400)
        drawn = np.asarray(jax.jit(jax.vmap(random.sample))(keys))
        assert drawn.dtype == own.sample(key).dtype
        if agent is few:
            counts = np.bincount(drawn, minlength=4)
            assert np.abs(counts - 100).max() < 4 * np.sqrt(400 * 0.25 * 0.75)
        sampled = jax.jit(jax.vmap(policy.sample))(keys)
        assert (np.abs(np.asarray(sampled) - drawn) > 0).any()


def test_each_part_s_gradient_is_clipped_by_its_own_norm() -> None:
    """Norms of 3, 20 and 0.5, clipped to 1: one large gradient does not shrink the others."""
    part = lambda norm: jnp.array([0.6, 0.8]) * norm  # noqa: E731
    gradient = {"actor": {"w": part(3.0)}, "critic": {"w": part(20.0)}, "log_temperature": jnp.float32(0.5)}
    clipped = learner(max_gradient_norm=1.0).clip(gradient)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
        clipped,
        {"actor": {"w": part(1.0)}, "critic": {"w": part(1.0)}, "log_temperature": jnp.float32(0.5)},
    )
    small: dict[str, Any] = {"widths": (8,), "num_training_tasks": 4}
    pearl = jmeta.algorithms.pearl(TASKS, encoder_widths=(8,), **small, max_gradient_norm=1.0)
    clipped = pearl.clip({"encoder": {"w": part(5.0)}, "q_learner": gradient})
    np.testing.assert_allclose(clipped["encoder"]["w"], part(1.0), rtol=1e-5)
    np.testing.assert_allclose(clipped["q_learner"]["actor"]["w"], part(1.0), rtol=1e-5)
    dqn = jmeta.algorithms.dqn(GridNavi(), **small, max_gradient_norm=1.0)  # one network is one part
    clipped = dqn.clip({"torso": part(3.0), "values": part(4.0)})
    np.testing.assert_allclose(clipped["torso"], part(0.6), rtol=1e-5)


def test_theta_has_the_same_shapes_however_many_tasks_it_was_trained_on() -> None:
    """So that what was learned on few tasks can be trained on with more; the old steps that MQL ships are no exception."""
    small: dict[str, Any] = {"widths": (8,), "num_segments": 2, "capacity": 40}
    builds: dict[str, Any] = {
        "pearl": partial(jmeta.algorithms.pearl, TASKS, encoder_widths=(8,), **small),
        "mql": partial(jmeta.algorithms.mql, TASKS, hidden_size=4, num_shipped=10, **small),
    }
    for name, build in builds.items():
        found = []
        for num_training_tasks in (2, 3, 16):
            outer = build(num_training_tasks=num_training_tasks)
            state = jax.eval_shape(outer.init, jax.random.key(0))
            found.append(jax.tree.map(lambda x: (x.shape, x.dtype), (state.theta, jax.eval_shape(outer.deploy, state))))
        assert found[0] == found[1] == found[2], name
        assert (found[0][1].get("old") is not None) == (name == "mql")


def test_what_is_refused() -> None:
    for fields, said in (
        ({"capacity": 4}, "capacity=4: a task's replay must hold a lifetime, 5 steps"),
        ({"num_tasks": 3}, "num_training_tasks=4 can't be split evenly over num_tasks=3"),
        ({"num_minibatches": 3}, "num_training_tasks=4 can't be split evenly over 3 minibatch"),
        ({"num_passes": 0}, "num_passes=0"),
        ({"widths": ()}, "at least one hidden layer"),
    ):
        with pytest.raises(ValueError, match=said.replace("(", r"\(")):
            learner(**fields)
    with pytest.raises(ValueError, match="use td3 or sac"):
        jmeta.algorithms.dqn(TASKS)
    with pytest.raises(ValueError, match="use dqn or sac"):
        jmeta.algorithms.td3(GridNavi())
    with pytest.raises(ValueError, match="epsilon=0"):
        jmeta.algorithms.dqn(GridNavi(), epsilon=0.0)
    with pytest.raises(ValueError, match="anneal_steps=0"):
        jmeta.algorithms.sac(GridNavi(), anneal_steps=0)
    with pytest.raises(ValueError, match=r"context_size=61: draw 1 to 60"):
        jmeta.algorithms.pearl(SparsePointNavigation(), context_size=61)


@pytest.mark.slow
def test_when_the_rate_is_gone_theta_stays() -> None:
    outer = learner(anneal_steps=1)
    begun, first, second = (after(outer, number).theta for number in (0, 1, 2))
    assert all((a != b).any() for a, b in zip(jax.tree.leaves(begun["critic"]), jax.tree.leaves(first["critic"]), strict=True))
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_a_shaped_reward_is_learned_from_and_not_seen() -> None:
    tasks = SparsePointNavigation(horizon=4, episodes=1)
    outer = jmeta.algorithms.sac(tasks, widths=(8,), num_training_tasks=4, num_passes=1, batch_size=8, capacity=12, shaped=True)
    recent = after(outer, 1).by_task
    goal = np.asarray(recent.task.goal)[:, None, None]
    distance = np.linalg.norm(np.asarray(recent.contexts.next_observation) - goal, axis=-1)
    before = np.linalg.norm(np.asarray(recent.contexts.timestep.observation) - goal, axis=-1)
    np.testing.assert_allclose(recent.contexts.reward, np.where(distance <= 0.2, 1 - distance, 0), atol=1e-6)
    np.testing.assert_allclose(recent.contexts.worth, recent.contexts.reward + before - distance, atol=1e-6)
    with pytest.raises(ValueError, match="shaped=True: PointNavigation has no shaped_reward"):
        learner(shaped=True)
    with pytest.raises(ValueError, match="shaped=True: MQL fine-tunes its values on a new task's own reward"):
        jmeta.algorithms.mql(tasks, widths=(8,), hidden_size=4).replace(shaped=True)
    with pytest.raises(ValueError, match="shaped=True: MAMLDQN fine-tunes its values"):
        jmeta.algorithms.maml_dqn(GridNavi(), widths=(8,)).replace(shaped=True)


@pytest.mark.slow
def test_task_weights_weigh_tasks() -> None:
    """The gradient is the mean of the tasks' own, each with its weight over the mean weight."""
    weigh = lambda task: 0.2 + (task.goal[0] > 0)  # noqa: E731
    outer = dataclasses.replace(learner(num_passes=1), task_weight=weigh)
    state = after(outer, 1)
    relative = np.asarray(relative_weights(weigh, state.by_task.task))
    assert len(set(relative.tolist())) == 2
    assert relative.mean() == pytest.approx(1.0)
    data = jax.jit(jax.vmap(outer.draw))(state.by_task, KEYS)

    @jax.jit
    def gradient(data: PyTree, weights: jax.Array) -> jax.Array:
        return jax.flatten_util.ravel_pytree(outer.gradient(state.theta, state.extra.target_parameters, *data, weights)[0])[0]

    each = np.stack([gradient(jax.tree.map(lambda x: x[i : i + 1], data), jnp.ones(1)) for i in range(4)])  # noqa: B023
    expected = (each * relative[:, None]).mean(0)
    np.testing.assert_allclose(gradient(data, jnp.asarray(relative)), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected - each.mean(0)).max() > 1e-3


@pytest.mark.slow
def test_microbatches_change_nothing_but_memory() -> None:
    whole, parts = (after(learner(microbatch_size=size), 2).theta for size in (4, 1))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), whole, parts)
    with pytest.raises(ValueError, match="microbatch_size=3 does not divide the tasks that each of 1 device"):
        learner(microbatch_size=3)


def test_a_time_limit_does_not_end_what_follows_and_an_end_does() -> None:
    """DQN by hand: q(x) = x @ kernel + bias after one hidden unit. Both are truncated; the second is terminated too."""
    learner = DQN.create(1, Discrete(2), (1,), discount=0.5)
    weights = {
        "torso": {"layers": {0: {"kernel": jnp.array([[1.0]]), "bias": jnp.zeros(1)}}},
        "values": {"kernel": jnp.array([[1.0, 2.0]]), "bias": jnp.array([0.0, 0.5])},
    }
    target_parameters = jax.tree.map(lambda x: 3.0 * x, weights)
    step = Step(jnp.array([1.0]), jnp.int32(0), jnp.float32(0.2), jnp.bool_(False), jnp.array([2.0]))
    # Next values are 2 and 4.5, so the second action; target values 3 * 2 * 6 + 1.5 = 37.5. Target 0.2 + 0.5 * 37.5 = 18.95, and
    # q(1, 0) = 1: Huber's loss of 17.95 is 17.95 - 0.5.
    loss, _ = learner.loss(weights, target_parameters, step, jax.random.key(0))
    assert float(loss) == pytest.approx(17.45)
    loss, _ = learner.loss(weights, target_parameters, step._replace(terminated_t=jnp.bool_(True)), jax.random.key(0))
    assert float(loss) == pytest.approx(0.8**2 / 2)


def test_only_critics_learn_through_the_features_and_only_the_actor_through_its_actions() -> None:
    sac = SAC.create(3, Continuous(2), (8,))
    weights = sac.init(jax.random.key(0))
    step = Step(jnp.ones(3), jnp.full(2, 0.3), jnp.float32(1.0), jnp.bool_(True), jnp.zeros(3))
    loss = lambda weights, x: sac.loss(weights, weights["critic"], step._replace(x_tm1=x), jax.random.key(1))  # noqa: E731
    (of_weights, of_x), metrics = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(weights, step.x_tm1)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(of_weights))
    # The features' gradient is that of the critics' error alone: sum_i (q_i - 1) dq_i / dx.
    q = lambda x: sac.critic.apply(weights["critic"], x, step.a_tm1)  # noqa: E731
    expected = (q(step.x_tm1) - 1.0) @ jax.jit(jax.jacobian(q))(step.x_tm1)
    np.testing.assert_allclose(of_x, expected, atol=1e-5)
    assert float(metrics["loss/critic"]) == pytest.approx(float(0.5 * jnp.square(q(step.x_tm1) - 1.0).sum()), rel=1e-5)


def test_what_is_shipped_acts_by_the_mean_and_what_explores_by_the_whole_policy() -> None:
    x = jnp.array([0.3, -0.2, 0.5])
    sac = SAC.create(3, Continuous(2), (8,))
    parameters = sac.init(jax.random.key(0))
    shipped, whole = (agent.decide(parameters, x).distribution for agent in (sac, sac.behaviour_policy(1.0)))
    np.testing.assert_allclose(shipped.mean, whole.mean)
    np.testing.assert_allclose(jnp.exp(shipped.log_std - whole.log_std), 0.05, rtol=1e-5)
    np.testing.assert_allclose(whole.log_std, sac.policy(parameters, x).log_std)
    discrete = DiscreteSAC.create(3, Discrete(4), (8,))
    parameters = discrete.init(jax.random.key(0))
    shipped, whole = (agent.decide(parameters, x).distribution.logits for agent in (discrete, discrete.behaviour_policy(1.0)))
    np.testing.assert_allclose(shipped - shipped.max(), 20 * (whole - whole.max()), atol=1e-4)
