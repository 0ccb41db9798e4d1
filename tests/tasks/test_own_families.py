"""What families of one's own may be like: settings, spaces, states, boxes, descriptions, copies."""

import copy
import dataclasses
import functools
import pickle
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from gymnax.environments import environment, spaces

import jmeta
from jmeta.inner.q_learner import Step
from jmeta.inner.sac import SAC
from jmeta.inner.td3 import TD3
from jmeta.lifetime import rollout, start
from jmeta.references import Random
from jmeta.tasks import TASKS, GymnaxTasks, MinAtar, TaskDistribution, ToldTasks
from jmeta.types import Continuous, Discrete, MultiDiscrete
from tests.tasks.broken_families import Corridor, Corridors, Params, State
from tests.tasks.spaced_families import Shown

KEY = jax.random.key(0)


def live(tasks: TaskDistribution, length: int, inner: Any = None) -> Any:
    inner = Random(tasks.observation_size, tasks.action_space) if inner is None else inner
    life = start(tasks, tasks.sample(KEY), ((), ()), num_streams=2, key=KEY)
    return jax.jit(lambda: rollout(inner, tasks, (), life, length=length, key=jax.random.key(1)))()


# Boxes of actions.


class Pusher(Corridor):
    """Its observation is the action that was carried out."""

    def __init__(self, low: Any, high: Any) -> None:
        self.box = spaces.Box(jnp.asarray(low), jnp.asarray(high), (len(low),))

    def reset_env(self, key: jax.Array, params: Params) -> tuple:
        return jnp.zeros(self.box.shape), State(position=jnp.zeros(()), time=jnp.zeros((), jnp.int32))

    def step_env(self, key: jax.Array, state: State, action: Any, params: Params) -> tuple:
        return action, State(position=state.position, time=state.time + 1), action.sum(), jnp.array(False), {}

    def action_space(self, params: Params) -> spaces.Box:
        return self.box

    def observation_space(self, params: Params) -> spaces.Box:
        return spaces.Box(-jnp.inf, jnp.inf, self.box.shape)


@dataclasses.dataclass(frozen=True)
class Pushers(Corridors):
    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (float("inf"),)

    @functools.cached_property
    def environment(self) -> Pusher:
        return Pusher(self.low, self.high)


INF = float("inf")


@pytest.mark.parametrize(
    ("low", "high", "action", "carried_out", "remembered"),
    [
        (0.0, INF, -1.5, 0.0, 0.0),  # the finite side is clipped, in the environment's own units
        (0.0, INF, 7.0, 7.0, 7.0),
        (-INF, 2.0, 3.0, 2.0, 2.0),
        (-INF, 2.0, -9.0, -9.0, -9.0),
        (-INF, INF, -3.0, -3.0, -3.0),
        (-2.0, 4.0, -5.0, -2.0, -1.0),  # a finite box is scaled: -1 is its lower end
        (-2.0, 4.0, 0.5, 2.5, 0.5),  # three quarters of the way up: -2 + 0.75 * 6
    ],
)
def test_each_finite_side_is_clipped_and_what_was_carried_out_is_remembered(
    low: float, high: float, action: float, carried_out: float, remembered: float
) -> None:
    tasks = Pushers((low, -1.0), (high, 1.0))  # beside an ordinary axis
    task = tasks.sample(KEY)
    _, state = tasks.reset(task, KEY)
    after = tasks.step(task, state, jnp.array([action, 0.25]), KEY)
    np.testing.assert_allclose(after.observation, [carried_out, 0.25], rtol=1e-6)
    np.testing.assert_allclose(tasks.action_space.encode(jnp.array([action, 0.25])), [remembered, 0.25], rtol=1e-6)


def test_a_rollout_remembers_what_was_carried_out() -> None:
    tasks = Pushers((0.0, -1.0), (INF, 1.0))
    _, segment = live(tasks, 6)
    # The first axis is not scaled, and random actions in [-1, 1] are clipped at 0; the second is scaled from [-1, 1] to [-1, 1].
    np.testing.assert_allclose(segment.timestep.previous_action[1:], segment.next_observation[:-1], atol=1e-6)
    assert (segment.action[..., 0] < 0).any()
    assert (segment.timestep.previous_action[..., 0] >= 0).all()


@pytest.mark.parametrize("kind", [SAC, TD3])
def test_the_critics_judge_what_was_carried_out(kind: Any) -> None:
    q_learner = kind.create(1, Continuous(1, (0.0,), (INF,)), (8,))
    parameters = q_learner.init(KEY)

    def loss(action: float) -> float:
        step = Step(jnp.ones(1), jnp.array([action]), jnp.ones(()), jnp.array(True), jnp.ones(1))
        return float(q_learner.loss(parameters, q_learner.target_parameters(parameters), step, KEY)[0])

    assert loss(-0.5) == loss(0.0) != loss(0.5)


def test_a_finite_box_is_the_plain_action_space() -> None:
    assert Pushers((-2.0,), (4.0,)).action_space == Continuous(1)
    assert Pushers((0.0, -1.0), (INF, 1.0)).action_space == Continuous(2, (0.0, -1.0), (INF, 1.0))


# Spaces of gymnasium's.


class WithSpaces(Corridor):
    def __init__(self, action: Any, observation: Any) -> None:
        self.actions, self.observations = action, observation

    def action_space(self, params: Params) -> Any:
        return self.actions

    def observation_space(self, params: Params) -> Any:
        return self.observations


def with_spaces(action: Any, observation: Any) -> TaskDistribution:
    @dataclasses.dataclass(frozen=True)
    class Family(Corridors):
        environment = WithSpaces(action, observation)

    return Family()


def test_spaces_of_gymnasium_are_read_as_gymnax_s() -> None:
    box = gymnasium.spaces.Box(-3.0, 3.0, (1,))
    tasks = with_spaces(gymnasium.spaces.Discrete(2), box)
    assert (tasks.action_space, tasks.observation_size) == (Discrete(2), 1)
    _, segment = live(tasks, 4)
    assert segment.action.shape == (4, 2)
    assert with_spaces(gymnasium.spaces.Box(-2.0, 2.0, (3,)), box).action_space == Continuous(3)


def test_a_space_that_begins_elsewhere_than_at_0_is_refused() -> None:
    with pytest.raises(ValueError, match=r"begins at 1: use Discrete\(2\), and add 1 in step_env"):
        _ = with_spaces(gymnasium.spaces.Discrete(2, start=1), spaces.Box(-3.0, 3.0, (1,))).action_space


@pytest.mark.parametrize("space", [spaces.Tuple([spaces.Discrete(2)]), gymnasium.spaces.Text(3)])
def test_other_action_spaces_are_refused_wherever_they_are_met(space: Any) -> None:
    tasks = with_spaces(space, spaces.Box(-3.0, 3.0, (1,)))
    for use in (lambda: tasks.action_space, lambda: tasks.observation_size, lambda: tasks.reset(tasks.sample(KEY), KEY)):
        with pytest.raises(ValueError, match=r"has action space .*: policies act in Discrete"):
            use()


# States and shapes.


@struct.dataclass
class KeyState(environment.EnvState):
    key: jax.Array
    time: jax.Array


class Dice(Corridor):
    """Keeps a typed key in its state and pays what it draws from it."""

    def reset_env(self, key: jax.Array, params: Params) -> tuple:
        return jnp.zeros(1), KeyState(key=key, time=jnp.zeros((), jnp.int32))

    def step_env(self, key: jax.Array, state: KeyState, action: Any, params: Params) -> tuple:
        following, now = jax.random.split(state.key)
        return jnp.zeros(1), KeyState(key=following, time=state.time + 1), jax.random.uniform(now), jnp.array(False), {}


class Dices(Corridors):
    environment = Dice()


def test_a_state_may_hold_a_typed_key() -> None:
    tasks = Dices()
    _, segment = live(tasks, 20)
    assert len(np.unique(segment.reward)) == 40  # two streams of 20 draws, all different
    _, state = tasks.reset(tasks.sample(KEY), KEY)
    assert jnp.issubdtype(state.key.dtype, jax.dtypes.prng_key)
    agent = jmeta.algorithms.rl2(tasks, hidden_size=4, num_tasks=4, num_minibatches=1)
    _, metrics = jax.jit(agent.step)(agent.init(KEY), KEY)
    assert np.isfinite(metrics["return/before"])


@struct.dataclass
class Board(environment.EnvParams):
    prizes: jax.Array = struct.field(default_factory=lambda: jnp.zeros((5, 5)))
    max_steps_in_episode: int = 4


@struct.dataclass
class BoardState(environment.EnvState):
    left: jax.Array
    time: jax.Array


class Boards(environment.Environment):
    default_params = Board()

    def reset_env(self, key: jax.Array, params: Board) -> tuple:
        return params.prizes, BoardState(left=params.prizes, time=jnp.zeros((), jnp.int32))

    def step_env(self, key: jax.Array, state: BoardState, action: Any, params: Board) -> tuple:
        reward, left = state.left[action].sum(), state.left.at[action].set(0.0)
        return left, BoardState(left=left, time=state.time + 1), reward, jnp.array(False), {}

    def action_space(self, params: Board) -> spaces.Discrete:
        return spaces.Discrete(params.prizes.shape[0])

    def observation_space(self, params: Board) -> spaces.Box:
        return spaces.Box(0.0, 1.0, params.prizes.shape)


@dataclasses.dataclass(frozen=True)
class BoardTasks(TaskDistribution):
    environment = Boards()
    size: int = 7

    def sample(self, key: jax.Array) -> Board:
        return Board(prizes=self.uniform(key, (self.size, self.size)))


def test_tasks_may_be_shaped_unlike_the_default_parameters() -> None:
    tasks = BoardTasks()
    assert (tasks.action_space, tasks.observation_size, tasks.image_shape) == (Discrete(7), 49, (7, 7, 1))
    _, segment = live(tasks, 8)
    assert segment.next_observation.shape == (8, 2, 49)
    jmeta.testing.check_tasks(tasks)


# Descriptions.


@struct.dataclass
class Door(environment.EnvParams):
    door: jax.Array = struct.field(default_factory=lambda: jnp.zeros((), jnp.int32))
    is_locked: jax.Array = struct.field(default_factory=lambda: jnp.zeros((), bool))
    seed: jax.Array = struct.field(default_factory=lambda: jnp.zeros((), jnp.int32))
    colour: int = 3
    max_steps_in_episode: int = 1


class Doors(Corridor):
    """Pays for the task's door."""

    default_params = Door()

    def step_env(self, key: jax.Array, state: State, action: Any, params: Door) -> tuple:
        state = State(position=state.position, time=state.time + 1)
        return jnp.zeros(1), state, (action == params.door).astype(jnp.float32), jnp.array(True), {}

    def action_space(self, params: Door) -> spaces.Discrete:
        return spaces.Discrete(4)


@dataclasses.dataclass(frozen=True)
class DoorTasks(TaskDistribution):
    environment = Doors()
    num_doors: int = 4
    locks: bool = False
    seeds: int = 1

    @property
    def has_held_out(self) -> bool:
        return False

    def sample(self, key: jax.Array) -> Door:
        door_key, lock_key = jax.random.split(key)
        return Door(
            door=2 + jax.random.randint(door_key, (), 0, self.num_doors),
            is_locked=jax.random.bernoulli(lock_key, 0.5 * self.locks),
            seed=jax.random.randint(lock_key, (), 0, self.seeds),
        )


def test_integers_and_booleans_that_differ_between_tasks_are_described() -> None:
    door = Door(door=jnp.int32(3), is_locked=jnp.array(True), seed=jnp.int32(999))
    # Doors 2 to 5 are drawn: 3 is the second of them. What all tasks have alike is left out.
    np.testing.assert_array_equal(DoorTasks().describe(door), [0, 1, 0, 0])
    np.testing.assert_array_equal(DoorTasks(locks=True).describe(door), [0, 1, 0, 0, 1])
    # Too many values for one-hot: a number from -1 to 1, here the largest that 512 draws gave, at least nearly.
    described = DoorTasks(seeds=1000).describe(door)
    assert described.shape == (5,)
    assert 0.9 < described[4] < 1.1


def test_an_oracle_of_integers_is_told_them() -> None:
    oracle = jmeta.algorithms.oracle(DoorTasks(), widths=(8,), num_tasks=16)
    assert oracle.inner.observation_size == 1 + 4


@pytest.mark.parametrize("tell", [ToldTasks, jmeta.algorithms.oracle, jmeta.algorithms.task_inference])
def test_an_agent_that_would_be_told_nothing_is_refused(tell: Any) -> None:
    with pytest.raises(ValueError, match=r"DoorTasks does not describe its tasks.*told nothing: define describe"):
        tell(DoorTasks(num_doors=1))

    class Silent(Corridors):
        def describe(self, task: Params) -> jax.Array:
            return jnp.ones(2)

    with pytest.raises(ValueError, match=r"Silent describes 512 sampled tasks alike.*told nothing: define describe"):
        tell(Silent())


# Copies.


@dataclasses.dataclass(frozen=True)
class Prized(Corridors):
    """A table of its own, which is first asked for under a trace."""

    @functools.cached_property
    def prizes(self) -> jax.Array:
        return jnp.linspace(0.5, 1.0, 4)

    def sample(self, key: jax.Array) -> Params:
        return Params(prize=self.prizes.mean() * super().sample(key).prize)


FAMILIES: list[TaskDistribution] = [
    GymnaxTasks(ranges={"length": (0.3, 0.8)})
    if name == "gymnax"
    else MinAtar(("freeway",), ())
    if name == "minatar"
    else family()
    for name, family in TASKS.items()
]
FAMILIES += [Corridors(), Pushers(), Prized(), ToldTasks(TASKS["cart-pole"]())]


@pytest.mark.slow
@pytest.mark.parametrize("tasks", FAMILIES, ids=lambda tasks: type(tasks).__name__)
def test_families_are_pickled_and_copied_before_and_after_use(tasks: TaskDistribution) -> None:
    tasks = dataclasses.replace(tasks)

    def first_seen(made: TaskDistribution) -> Any:
        return jax.jit(lambda key: made.reset(made.sample(key), key)[0])(KEY)

    for _ in range(2):
        for copied in (pickle.loads(pickle.dumps(tasks)), copy.deepcopy(tasks), copy.copy(tasks)):
            assert copied == tasks
            assert hash(copied) == hash(tasks)
        # Use it: every cached property is first asked for under a trace.
        jax.eval_shape(
            lambda key: tasks.step(tasks.sample(key), tasks.reset(tasks.sample(key), key)[1], _action(tasks), key), KEY
        )
        _ = tasks.observation_size, tasks.action_space, tasks.image_shape, tasks.horizon
        leaves = jax.tree.leaves(list(vars(tasks).values()))
        assert not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
    np.testing.assert_array_equal(first_seen(pickle.loads(pickle.dumps(tasks))), first_seen(tasks))


def _action(tasks: TaskDistribution) -> jax.Array:
    space = tasks.action_space
    return jnp.zeros(space.size) if isinstance(space, Continuous) else jnp.int32(0)


# Settings.


@pytest.mark.parametrize("value", [[1.0], np.ones(2), jnp.ones(2), {"a": 1}], ids=lambda value: type(value).__name__)
def test_a_setting_that_cannot_be_hashed_is_refused_when_the_family_is_made(value: Any) -> None:
    with pytest.raises(ValueError, match=f"the field 'low' of Pushers is a .*{type(value).__name__}.*, which can't be hashed"):
        Pushers(low=value)


def test_a_cached_environment_is_the_same_object_every_time() -> None:
    tasks = Pushers()
    assert tasks.environment is tasks.environment
    assert tasks.held_out == dataclasses.replace(tasks, split="held-out")


def test_parameters_without_a_limit_say_what_to_declare() -> None:
    class Bare(Corridor):
        default_params = ()

    class Family(Corridors):
        environment = Bare()

    with pytest.raises(
        ValueError, match=r"has no max_steps_in_episode: declare it as a field, .*or define the property `horizon`"
    ):
        _ = Family().horizon


@pytest.mark.parametrize("family", [*TASKS.values(), Pushers], ids=lambda family: family.__name__)
def test_an_unknown_setting_is_named(family: Any) -> None:
    with pytest.raises(TypeError, match=f"^{family.__name__} has no setting 'no_such_setting'"):
        family(no_such_setting=1)


def test_a_misspelt_setting_is_named_with_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"^BernoulliBandit has no setting 'num_arm'; did you mean 'num_arms'\?$"):
        jmeta.tasks.BernoulliBandit(num_arm=3)
    with pytest.raises(TypeError, match=r"^Pushers has no setting 'hihg'; did you mean 'high'\?$"):
        dataclasses.replace(Pushers(), hihg=(1.0,))


# Splits.


@dataclasses.dataclass(frozen=True)
class Stretched(Corridors):
    """README's corridors with larger prizes out of distribution."""

    @property
    def has_out_of_distribution(self) -> bool:
        return True

    def sample(self, key: jax.Array) -> Params:
        prize = 2.0 * self.uniform(key) - 1.0
        return Params(prize=prize + jnp.sign(prize) if self.split == "ood" else prize)


def test_tasks_out_of_distribution_are_written_as_the_readme_says() -> None:
    prizes = lambda tasks: np.abs(jax.vmap(tasks.sample)(jax.random.split(KEY, 200)).prize)  # noqa: E731
    assert prizes(Stretched()).max() <= 1.0
    assert prizes(Stretched().held_out).max() <= 1.0
    outside = prizes(Stretched().out_of_distribution)
    assert ((outside >= 1.0) & (outside <= 2.0)).all()
    assert jmeta.testing.check_tasks(Stretched).num_distinct["ood"] > 500
    with pytest.raises(ValueError, match="Corridors has no out-of-distribution tasks"):
        _ = Corridors().out_of_distribution


def test_tasks_out_of_distribution_that_are_training_tasks_are_refused() -> None:
    """``sample`` does not look at the split, so a score out of distribution would be one in training."""

    @dataclasses.dataclass(frozen=True)
    class Told(Corridors):
        @property
        def has_out_of_distribution(self) -> bool:
            return True

        def sample(self, key: jax.Array) -> Params:
            return Params(prize=jax.random.uniform(key))

    with pytest.raises(ValueError, match="512 of 512 sampled out-of-distribution tasks of Told are also drawn for training"):
        jmeta.testing.check_tasks(Told)


# Spaces with parts, and several choices.


def test_an_observation_unlike_its_space_is_refused_before_anything_compiles() -> None:
    for space, said in (
        (spaces.Dict({"speed": spaces.Box(-1.0, 1.0, (2,))}), "reset_env of Corridor: observation has no part 'speed'"),
        (spaces.Tuple((spaces.Discrete(2),)), "reset_env of Corridor: observation: give a tuple of the 1 parts"),
        (
            gymnasium.spaces.MultiDiscrete([2, 3]),
            "reset_env of Corridor: observation has 1 numbers, but its observation_space has 2: let it say",
        ),
    ):
        with pytest.raises(ValueError, match=said.replace("Corridor", "WithSpaces")):
            jmeta.algorithms.rl2(with_spaces(spaces.Discrete(2), space), hidden_size=4, num_tasks=4)

    class Short(WithSpaces):
        def reset_env(self, key: jax.Array, params: Params) -> tuple:
            return {"speed": jnp.zeros(3)}, State(position=jnp.zeros(()), time=jnp.zeros((), jnp.int32))

        def step_env(self, key: jax.Array, state: State, action: Any, params: Params) -> tuple:
            _, *rest = super().step_env(key, state, action, params)
            return {"speed": jnp.zeros(3)}, *rest

    class Family(Corridors):
        environment = Short(spaces.Discrete(2), spaces.Dict({"speed": spaces.Box(-1.0, 1.0, (2,))}))

    with pytest.raises(ValueError, match=r"observation\['speed'\] has 3 numbers, but its observation_space has 2"):
        jmeta.algorithms.rl2(Family(), hidden_size=4, num_tasks=4)


def test_several_choices_are_drawn_uniformly_and_given_in_the_environment_s_shape() -> None:
    tasks = Shown(action="multi-discrete-matrix")
    assert tasks.action_space == MultiDiscrete((2, 3, 4, 2))
    _, segment = live(tasks, 200)  # the environment asserts the shape
    assert segment.action.shape == (200, 2, 4)
    for place, count in enumerate((2, 3, 4, 2)):
        counts = np.bincount(np.asarray(segment.action[..., place]).reshape(-1), minlength=count)
        assert len(counts) == count
        assert (abs(counts / 400 - 1 / count) < 4 * np.sqrt((1 - 1 / count) / count / 400)).all()
    expected = jax.vmap(jax.vmap(tasks.action_space.encode))(segment.action)
    np.testing.assert_array_equal(segment.timestep.previous_action[1:], expected[:-1])


def test_each_number_of_a_box_of_several_axes_is_scaled_to_its_own_bounds() -> None:
    low, high = jnp.array([[0.0, -INF], [-2.0, 1.0]]), jnp.array([[10.0, 3.0], [2.0, 5.0]])
    tasks = with_spaces(spaces.Box(low, high, (2, 2)), spaces.Box(-3.0, 3.0, (1,)))
    assert tasks.action_space == Continuous(4, (-1.0, -INF, -1.0, -1.0), (1.0, 3.0, 1.0, 1.0))
    # Half of the way up is three quarters of 10; the half-bounded number is clipped at 3; 0 is the middle; -9 is clipped to 1.
    np.testing.assert_allclose(tasks._scale(None, jnp.array([0.5, 7.0, 0.0, -9.0])), [[7.5, 3.0], [0.0, 1.0]])


@pytest.mark.parametrize("space", [gymnasium.spaces.MultiDiscrete([2, 3], start=[1, 0]), gymnasium.spaces.Discrete(3, start=2)])
def test_choices_that_begin_elsewhere_than_at_0_are_refused(space: Any) -> None:
    with pytest.raises(ValueError, match=r"begins at .*: use .*Discrete.*, and add .* in step_env"):
        _ = with_spaces(space, spaces.Box(-3.0, 3.0, (1,))).action_space
