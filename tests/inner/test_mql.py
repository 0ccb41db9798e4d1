"""Meta-Q-learning: contexts in replay and in life, own and old data, and the pull back."""

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta import struct
from jmeta.inner.mql import MQL, MQLPhi, OldSteps
from jmeta.inner.off_policy import ReplayStep
from jmeta.inner.q_learner import QLearner, Step
from jmeta.lifetime import LifetimeKeys, live_in
from jmeta.networks import Network
from jmeta.tasks import PointNavigation, SparsePointNavigation
from jmeta.types import ActionSpace, Continuous, Decision, Metrics, PyTree, Segment, Timestep

TASKS = SparsePointNavigation(horizon=4, episodes=3)
KEY = jax.random.key(0)


def learner(**fields: Any) -> Any:
    settings: dict[str, Any] = {
        "hidden_size": 4,
        "widths": (8,),
        "num_training_tasks": 4,
        "num_passes": 2,
        "batch_size": 8,
        "capacity": 40,
        "sequence_length": 6,
        "burn_in": 2,
        "adapt_capacity": 10,
        "num_shipped": 40,
        "adapt_rate": 0.01,
    }
    return jmeta.algorithms.mql(TASKS, **(settings | fields))


def lived(outer: Any, theta: PyTree) -> tuple[MQLPhi, Segment]:
    """What it begins with, and the segments [3, 4, 1] of one lifetime, in which it did not adapt."""
    agent: MQL = outer.inner.behaviour_policy(1.0)

    @jax.jit
    def live(theta: PyTree) -> tuple[MQLPhi, Segment]:
        keys = LifetimeKeys.of(KEY, KEY)
        begun, _, lifetime = live_in(agent, TASKS, theta, TASKS.sample(KEY), keys, protocol=outer.protocol)
        return begun[0], lifetime.segments

    return live(theta)


def own_steps(segments: Segment, number: int) -> Segment:
    return jax.tree.map(lambda x: x[number], segments)


def test_contexts_in_replay_are_those_of_the_life() -> None:
    """From the lifetime's beginning; where a second lifetime opens within a row, everything is forgotten."""
    outer = learner()
    agent: MQL = outer.inner
    theta = jax.jit(agent.init)(KEY)
    _, segments = lived(outer, theta)
    flat = jax.tree.map(lambda x: x[:, :, 0].reshape(12, *x.shape[3:]), segments.plain())
    twice = jax.tree.map(lambda x: jnp.concatenate([x, x]), flat)
    row = ReplayStep.of(twice, worth=2.0 * twice.reward, time=jnp.arange(24) % 12)
    fresh = agent.encoder.apply(theta["encoder"], method="initial_memory")
    steps = jax.jit(agent._steps)(theta, fresh, row)
    memory, contexts, encode = fresh, [], jax.jit(agent.encoder.apply)
    for step in range(12):
        timestep = jax.tree.map(lambda x, step=step: x[step], flat.timestep)
        memory, context = encode(theta["encoder"], memory, timestep)
        contexts.append(np.asarray(context))
    np.testing.assert_allclose(steps.x_tm1[:12, 2:], contexts, atol=1e-5)
    np.testing.assert_allclose(steps.x_tm1[12:], steps.x_tm1[:12], atol=1e-5)
    np.testing.assert_array_equal(steps.r_t, row.worth)
    within = np.asarray(~twice.truncated)[:-1]  # where the next step goes on, its context is the one that follows
    np.testing.assert_allclose(np.asarray(steps.x_t[:-1])[within], np.asarray(steps.x_tm1[1:])[within], atol=1e-5)


def test_own_data_are_the_newest_steps_of_the_task() -> None:
    """Ten slots, three segments of four steps: the last ten of twelve, whatever their order, with the contexts of the life."""
    outer = learner()
    agent: MQL = outer.inner
    theta = jax.jit(agent.init)(KEY)
    phi, segments = lived(outer, theta)
    take_in = jax.jit(agent._take_in)
    for number in range(3):
        phi = take_in(theta, phi, own_steps(segments, number))
    assert int(phi.own.number) == 12
    lived_actions = np.asarray(segments.action).reshape(12, 2)
    order = np.array([2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    np.testing.assert_allclose(np.asarray(phi.own.steps.a_tm1)[order], lived_actions[2:], atol=1e-6)
    life = jax.tree.map(lambda x: x[:, :, 0].reshape(12, *x.shape[3:]), segments.plain())
    fresh = agent.encoder.apply(theta["encoder"], method="initial_memory")
    whole = jax.jit(agent._steps)(theta, fresh, ReplayStep.of(life, life.reward, time=jnp.arange(12)))
    np.testing.assert_allclose(np.asarray(phi.own.steps.x_tm1)[order], whole.x_tm1[2:], atol=1e-5)


def test_the_first_steps_of_a_row_warm_up_the_context_and_have_no_loss() -> None:
    """Two of six: what those were worth does not matter, and what each of the others was worth does."""
    outer = learner()
    agent: MQL = outer.inner
    theta = jax.jit(agent.init)(KEY)
    _, segments = lived(outer, theta)
    row = jax.tree.map(lambda x: x[:, :, 0].reshape(12, *x.shape[3:])[None, :6], segments.plain())

    @jax.jit
    @jax.vmap
    def loss(worth: jax.Array) -> jax.Array:
        batch = ReplayStep.of(row, worth[None], time=jnp.arange(6)[None])
        return agent.loss(theta, agent.target_parameters(theta), segments, batch, KEY)[0]

    plain, *others = np.asarray(loss(row.reward + jnp.concatenate([jnp.zeros((1, 6)), jnp.eye(6)])))
    assert (np.asarray(others) == plain).tolist() == [True, True, False, False, False, False]


@pytest.mark.slow
def test_adapting_moves_weights_and_old_data_is_shipped() -> None:
    outer = learner()
    state, step = jax.jit(outer.init)(KEY), jax.jit(outer.step)
    for number in range(2):
        state, _ = step(state, jax.random.key(number))
    theta = outer.deploy(state)
    old = theta["old"]
    assert old.steps.r_t.shape == (40,)
    assert old.is_lived.all()
    lived_rewards = np.asarray(state.by_task.replays.experience.reward)
    assert all(np.isclose(lived_rewards, reward).any() for reward in np.asarray(old.steps.r_t))
    agent: MQL = outer.inner
    phi, segments = lived(outer, theta)
    moved = {}
    for name, given in (("own", state.theta), ("own and old", theta)):
        adapted, _ = jax.jit(agent.adapt)(given, phi, (), own_steps(segments, 0), KEY)
        moved[name] = adapted.weights
        assert all(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (adapted.weights, phi.weights)), strict=True))
    assert any(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, moved.values()), strict=True))


@pytest.mark.slow
def test_nothing_is_learned_from_steps_that_nobody_lived() -> None:
    """Rows of 20 steps, lifetimes of 10, two of four tasks at each outer step: all tasks have a row after the fourth.

    In these tasks every step has a reward below 0, and what replay holds before it is lived is 0.
    """
    tasks = PointNavigation(horizon=5)
    settings: dict[str, Any] = {"hidden_size": 4, "widths": (8,), "num_training_tasks": 4, "num_tasks": 2, "num_passes": 1}
    outer = jmeta.algorithms.mql(tasks, **settings, batch_size=8, capacity=40, num_shipped=7)
    assert outer.protocol.num_env_steps == 10
    state, step, draw = jax.jit(outer.init)(KEY), jax.jit(outer.step), jax.jit(jax.vmap(outer.draw))
    learned, shipped = [], []
    for number in range(4):
        before = state.theta
        state, _ = step(state, jax.random.key(number))
        learned.append(any(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (before, state.theta)), strict=True)))
        shipped.append(jax.jit(outer.deploy)(state)["old"])
    assert learned == [False, False, False, True]
    _, batches, _ = draw(state.by_task, jax.random.split(KEY, 4))
    assert (np.asarray(batches.reward) < 0).all()
    assert [int(old.is_lived.sum()) for old in shipped[:2]] == [0, 0]
    assert 0 < int(shipped[2].is_lived.sum()) < 7
    assert int(shipped[3].is_lived.sum()) == 7
    assert all(np.array_equal(old.steps.r_t < 0, old.is_lived) for old in shipped[2:])


@pytest.mark.slow
def test_adapting_uses_old_steps_that_were_lived_and_no_others() -> None:
    """Weights and pull are as if only those were there; where none was lived it is the own data alone that is used."""
    outer = learner(num_shipped=6)
    agent: MQL = outer.inner
    theta = jax.jit(agent.init)(KEY)
    phi, segments = lived(outer, theta)
    segment = own_steps(segments, 0)
    own = jax.jit(agent._take_in)(theta, phi, segment).own
    keys = iter(jax.random.split(KEY, 3))
    features = (jax.random.normal(next(keys), (6, 6)), jax.random.normal(next(keys), (6, 6)))
    old = Step(features[0], jnp.full((6, 2), 0.1), jnp.ones(6), jnp.zeros(6, bool), features[1])
    is_lived = jnp.array([True, False, True, True, False, False])
    weigh = jax.jit(agent.propensities)
    weight, pull = weigh(own, OldSteps(old, is_lived))
    expected, expected_pull = weigh(own, OldSteps(jax.tree.map(lambda x: x[is_lived], old), jnp.ones(3, bool)))
    np.testing.assert_allclose(weight[is_lived], expected, rtol=1e-4)
    np.testing.assert_array_equal(weight[~is_lived], 0.0)
    assert float(pull) == pytest.approx(float(expected_pull), abs=1e-4)

    adapt = jax.jit(lambda theta: agent.adapt(theta, phi, (), segment, KEY)[0].weights)
    same = lambda one, other: all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))  # noqa: E731
    garbage = jax.tree.map(lambda x: jnp.where(is_lived.reshape(6, *[1] * (x.ndim - 1)), x, 100), old)
    some = adapt(theta | {"old": OldSteps(old, is_lived)})
    assert same(some, adapt(theta | {"old": OldSteps(garbage, is_lived)}))
    own_alone = adapt(theta)
    assert not same(some, own_alone)
    assert same(adapt(theta | {"old": OldSteps(old, jnp.zeros(6, bool))}), own_alone)


def test_the_pull_keeps_weights_near_what_was_meta_trained() -> None:
    """Against none, two hundred steps at the same rate end farther away."""
    outer = learner(num_own_updates=200)
    agent: MQL = outer.inner
    theta = jax.jit(agent.init)(KEY)
    phi, segments = lived(outer, theta)
    phi = jax.jit(agent._take_in)(theta, phi, own_steps(segments, 0))
    whole = lambda key: (jax.tree.map(lambda x: x[:4], phi.own.steps), jnp.ones(4))  # noqa: E731

    @jax.jit
    def distance(pull: float) -> jax.Array:
        tuned = agent._tune(theta, phi, whole, pull, 200, KEY)
        leaves = zip(*map(jax.tree.leaves, (tuned.weights, theta["q_learner"])), strict=True)
        return sum(jnp.square(a - b).sum() for a, b in leaves)

    assert distance(10.0) < 0.5 * distance(0.0)


# By hand: the context is the observation, one number; weights are one number w, wrong by 1/2 (w - reward)^2.


def context_of(theta: PyTree, *args: Any, method: str = "__call__") -> Any:
    if method == "initial_memory":
        return jnp.zeros(())
    if method == "unroll":
        return jnp.zeros(len(args[2])), args[1].observation
    return args[0], args[1].observation


@struct.dataclass
class Quadratic(QLearner):
    num_inputs: int = struct.field(pytree_node=False, default=2)
    action_space: ActionSpace = struct.field(pytree_node=False, default=Continuous(1))
    discount: float = 0.9
    reward_scale: float = 1.0

    def init(self, key: jax.Array) -> PyTree:
        return jnp.zeros(())

    def decide(self, parameters: PyTree, x: jax.Array) -> Decision:
        return Decision(x, parameters)  # type: ignore[arg-type]

    def target_parameters(self, parameters: PyTree) -> PyTree:
        return parameters

    def loss(self, parameters: PyTree, target_parameters: PyTree, step: Step, key: jax.Array) -> tuple[jax.Array, Metrics]:
        return 0.5 * jnp.square(parameters - step.r_t), {}

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        return self


BY_HAND = MQL(
    1,
    Continuous(1),
    Quadratic(),
    Network(init=lambda key: jnp.zeros(()), apply=context_of),
    adapt_capacity=10,
    num_own_updates=0,
    num_old_updates=400,
    adapt_batch_size=1000,
    adapt_rate=0.02,
)
# Nine of ten own contexts are 1, and one of ten old ones: 1 is 0.9 / 0.1 = 9 times as likely here, -1 is 1/9 times. Bounded by 2,
# the weights are 2 once and 1/9 nine times: they add up to 3, their squares to 4 + 9/81 = 37/9, ESS = 9 / (10 * 37/9) = 0.219.
OWN, OLD = jnp.array([1.0] * 9 + [-1.0]), jnp.array([1.0] + [-1.0] * 9)
ESS = 81 / 370


def old_steps() -> OldSteps:
    """Their rewards are their contexts."""
    x = jnp.stack([OLD, OLD], axis=1)
    return OldSteps(Step(x, jnp.zeros((10, 1)), OLD, jnp.zeros(10, bool), x), jnp.ones(10, bool))


def adapted(agent: MQL, theta: PyTree, reward: float = 0.5) -> MQLPhi:
    """After a segment of ten steps with the own contexts."""
    seen = OWN[:, None, None]
    timestep = Timestep(seen, jnp.zeros((10, 1, 1)), jnp.zeros((10, 1)), jnp.zeros((10, 1), bool), seen)
    no, action = jnp.zeros((10, 1), bool), jnp.zeros((10, 1, 1))
    lived = Segment((), timestep, action, jnp.full((10, 1), reward), no, no, OWN[:, None, None], jnp.zeros(1))  # type: ignore[arg-type]
    phi, memory = agent.begin(theta, 1, KEY)
    return jax.jit(agent.adapt)(theta, phi, memory, lived, KEY)[0]


def test_old_steps_count_by_how_likely_their_context_is_here() -> None:
    """A penalty of 0.001 on the regression shrinks 9 and 1/9 by some percent."""
    own = adapted(BY_HAND.replace(num_old_updates=0), BY_HAND.init(KEY)).own  # type: ignore[attr-defined]
    weight, pull = jax.jit(BY_HAND.propensities)(own, old_steps())
    np.testing.assert_allclose(weight, [2.0] + [1 / 9] * 9, rtol=0.05)
    assert float(pull) == pytest.approx(1.0 - ESS, abs=0.01)
    weight, _ = jax.jit(BY_HAND.replace(largest_weight=100.0).propensities)(own, old_steps())  # type: ignore[attr-defined]
    assert float(weight[0]) == pytest.approx(9.0, rel=0.05)


def test_fine_tuning_ends_where_weighted_errors_and_the_pull_are_in_balance() -> None:
    """0 = mean_i beta_i (w - r_i) + (1 - ESS) (w - w_0) from w_0 = 1, with r = 1 once and -1 nine times.

    mean beta = 0.3, mean beta r = (2 - 1) / 10 = 0.1:  w = (0.1 + 0.781) / (0.3 + 0.781) = 0.815. With beta = 1 for all it were
    (-0.8 + 0.781) / 1.781 = -0.01, with 1 / beta below 0, with a pull of ESS (0.1 + 0.219) / 0.519 = 0.61, without one 1/3.
    """
    old = old_steps()
    nobody_s = jax.tree.map(lambda x: jnp.concatenate([x, jnp.full_like(x, 3)]), old.steps)
    padded = OldSteps(nobody_s, jnp.arange(20) < 10)  # it ends there as well if there are steps that nobody lived
    for given in (old, padded):
        phi = adapted(BY_HAND, {"encoder": jnp.zeros(()), "q_learner": jnp.ones(()), "old": given})
        assert float(phi.weights) == pytest.approx((0.1 + 1 - ESS) / (0.3 + 1 - ESS), abs=0.03)


def test_fine_tuning_on_own_data_counts_all_alike_and_is_not_pulled_back() -> None:
    """It ends at the own reward, 0.5, though old data is there too, of which no step is taken."""
    agent = BY_HAND.replace(num_own_updates=400, num_old_updates=0)  # type: ignore[attr-defined]
    for theta in ({"q_learner": jnp.ones(()), "old": None}, {"q_learner": jnp.ones(()), "old": old_steps()}):
        assert float(adapted(agent, theta | {"encoder": jnp.zeros(())}).weights) == pytest.approx(0.5, abs=0.01)


def test_targets_follow_while_it_fine_tunes() -> None:
    """One step of Adam from 1 towards 0.5 is 0.02 long; a quarter of that for the target weights."""
    agent = BY_HAND.replace(num_own_updates=1, adapt_target_update_rate=0.25)  # type: ignore[attr-defined]
    phi = adapted(agent, {"encoder": jnp.zeros(()), "q_learner": jnp.ones(()), "old": None})
    assert float(phi.weights) == pytest.approx(0.98, abs=1e-5)
    assert float(phi.target_parameters) == pytest.approx(0.995, abs=1e-5)
