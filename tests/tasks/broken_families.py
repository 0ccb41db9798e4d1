"""Task families with one mistake each, as a user might write them, and the sentence that names it and what to do.

Also a sound one, ``Corridors``, which the broken ones are made from. To try one:
``jmeta check tests.tasks.broken_families:SixValues``.
"""

import dataclasses
from typing import Any, ClassVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import environment, spaces

from jmeta.tasks import TaskDistribution


@struct.dataclass
class State(environment.EnvState):
    position: jax.Array
    time: jax.Array


@struct.dataclass
class Params(environment.EnvParams):
    prize: jax.Array = struct.field(default_factory=lambda: jnp.zeros(()))
    max_steps_in_episode: int = 8


class Corridor(environment.Environment):
    """README's: one end pays the prize, the other costs it."""

    default_params = Params()

    def reset_env(self, key, params):
        return jnp.zeros(1), State(position=jnp.zeros(()), time=jnp.zeros((), jnp.int32))

    def step_env(self, key, state, action, params):
        position = state.position + 2.0 * action - 1.0
        arrived = jnp.abs(position) >= 3
        reward = arrived * jnp.sign(position) * params.prize
        return position[None], State(position=position, time=state.time + 1), reward, arrived, {}

    def action_space(self, params):
        return spaces.Discrete(2)

    def observation_space(self, params):
        return spaces.Box(-3.0, 3.0, (1,))


@dataclasses.dataclass(frozen=True)
class Corridors(TaskDistribution):
    """A sound family."""

    environment = Corridor()

    def sample(self, key):
        return Params(prize=2.0 * self.uniform(key) - 1.0)


# 1. An environment class instead of an instance.


class EnvironmentClass(Corridors):
    environment = Corridor


# 2. A Gymnasium environment.


class Pole(gymnasium.Env):
    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (4,))


class GymnasiumEnvironment(Corridors):
    environment = Pole()


# 3. No sample.


@dataclasses.dataclass(frozen=True)
class NoSample(TaskDistribution):
    environment = Corridor()


class NoEnvironment(TaskDistribution):
    def sample(self, key):
        return Params()


class ComplexCorridor(Corridor):
    def step_env(self, key, state, action, params):
        observation, state, reward, terminated, info = super().step_env(key, state, action, params)
        return observation, state, reward * (1 + 0j), terminated, info


class ComplexReward(Corridors):
    environment = ComplexCorridor()


# 4. step_env as gymnasium has it.


class SixValuesCorridor(Corridor):
    def step_env(self, key, state, action, params):
        observation, state, reward, terminated, info = super().step_env(key, state, action, params)
        return observation, state, reward, terminated, jnp.array(False), info


class SixValues(Corridors):
    environment = SixValuesCorridor()


# 5. No observation space.


class BlindCorridor(Corridor):
    observation_space = environment.Environment.observation_space


class NoObservationSpace(Corridors):
    environment = BlindCorridor()


# 6. Actions that policies can't take.


class TupleCorridor(Corridor):
    def action_space(self, params):
        return spaces.Tuple((spaces.Discrete(2), spaces.Box(-1.0, 1.0, (1,))))


class TupleActions(Corridors):
    environment = TupleCorridor()


# 7. Parameters that inherit gymnax's limit of 1.


@struct.dataclass
class Unlimited(environment.EnvParams):
    prize: jax.Array = struct.field(default_factory=lambda: jnp.zeros(()))


class UnlimitedCorridor(Corridor):
    default_params = Unlimited()


class InheritedLimit(Corridors):
    environment = UnlimitedCorridor()

    def sample(self, key):
        return Unlimited(prize=self.uniform(key))


# 8. Tasks that last longer than the horizon.


class LongTasks(Corridors):
    def sample(self, key):
        return Params(prize=self.uniform(key), max_steps_in_episode=16)


# 9. No clock in the state.


@struct.dataclass
class Timeless:
    position: jax.Array


class TimelessCorridor(Corridor):
    def reset_env(self, key, params):
        observation, state = super().reset_env(key, params)
        return observation, Timeless(state.position)

    def step_env(self, key, state, action, params):
        full = State(position=state.position, time=jnp.zeros((), jnp.int32))
        observation, full, reward, terminated, info = super().step_env(key, full, action, params)
        return observation, Timeless(full.position), reward, terminated, info


class NoTime(Corridors):
    environment = TimelessCorridor()


# 10. Tasks drawn past self.uniform, so that held-out ones are training tasks.


class SameTasksHeldOut(Corridors):
    def sample(self, key):
        return Params(prize=jax.random.uniform(key, minval=-1.0))


# 11. NaN in the reward.


class NanCorridor(Corridor):
    def step_env(self, key, state, action, params):
        observation, state, _, terminated, info = super().step_env(key, state, action, params)
        return observation, state, jnp.log(state.position - 5.0), terminated, info


class NanReward(Corridors):
    environment = NanCorridor()


# 12. Random numbers of NumPy's.


class NumpyCorridor(Corridor):
    generator: ClassVar[Any] = np.random.default_rng(0)

    def reset_env(self, key, params):
        observation, state = super().reset_env(key, params)
        return observation + self.generator.uniform(), state


class NumpyRandom(Corridors):
    environment = NumpyCorridor()


# 13. A setting that can't be hashed.


@dataclasses.dataclass(frozen=True)
class ListSetting(Corridors):
    prizes: list[float] = dataclasses.field(default_factory=lambda: [0.5, 1.0])


# 14. A class with an __init__ of its own.


class OwnInit(Corridors):
    def __init__(self, scale=1.0):
        object.__setattr__(self, "scale", scale)


# 15. Six numbers observed, one announced.


class WideCorridor(Corridor):
    def observation_space(self, params):
        return spaces.Box(-3.0, 3.0, (6,))


class WrongObservationSize(Corridors):
    environment = WideCorridor()


# 16. A reward for each of several agents.


class TeamCorridor(Corridor):
    def step_env(self, key, state, action, params):
        observation, state, reward, terminated, info = super().step_env(key, state, action, params)
        return observation, state, jnp.stack([reward, reward]), terminated, info


class TwoRewards(Corridors):
    environment = TeamCorridor()


# 17. A value kept in the environment.


class LeakyCorridor(Corridor):
    def step_env(self, key, state, action, params):
        self.last_position = state.position
        return super().step_env(key, state, action, params)


class Leaky(Corridors):
    environment = LeakyCorridor()


# 18. A setting that the command line can't write down.


class Schedule:
    def __hash__(self):
        return 1


@dataclasses.dataclass(frozen=True)
class ObjectSetting(Corridors):
    schedule: Any = Schedule()  # noqa: RUF009


# 19. A box upside down.


class UpsideDownCorridor(Corridor):
    def action_space(self, params):
        return spaces.Box(jnp.array([-1.0, 5.0]), jnp.array([2.0, 0.0]), (2,))


class UpsideDownBox(Corridors):
    environment = UpsideDownCorridor()


# 20. No action.


class IdleCorridor(Corridor):
    def action_space(self, params):
        return spaces.Discrete(0)


class NoAction(Corridors):
    environment = IdleCorridor()


# 21. A sample that forgets to return.


class SampleNone(Corridors):
    def sample(self, key):
        Params(prize=self.uniform(key))


# 22. A sample without a key.


class SampleWithoutKey(Corridors):
    def sample(self):
        return Params()


# 23. A method without the parameters.


class ResetWithoutParamsCorridor(Corridor):
    def reset_env(self, key):
        return jnp.zeros(1), State(position=jnp.zeros(()), time=jnp.zeros((), jnp.int32))


class ResetWithoutParams(Corridors):
    environment = ResetWithoutParamsCorridor()


# 24. A space where a method belongs, as gymnasium has it.


class SpaceAttributeCorridor(Corridor):
    action_space = spaces.Discrete(2)


class SpaceAttribute(Corridors):
    environment = SpaceAttributeCorridor()


# 25. Parameters that the environment does not name.


class NoDefaultCorridor(Corridor):
    default_params = environment.Environment.default_params


class NoDefaultParams(Corridors):
    environment = NoDefaultCorridor()


# 26. Nothing observed.


class DarkCorridor(Corridor):
    def reset_env(self, key, params):
        return jnp.zeros(0), super().reset_env(key, params)[1]

    def step_env(self, key, state, action, params):
        return jnp.zeros(0), *super().step_env(key, state, action, params)[1:]

    def observation_space(self, params):
        return spaces.Box(-1.0, 1.0, (0,))


class NothingObserved(Corridors):
    environment = DarkCorridor()


# 27. Half a step.


@struct.dataclass
class HalfSteps(environment.EnvParams):
    prize: jax.Array = struct.field(default_factory=lambda: jnp.zeros(()))
    max_steps_in_episode: float = 8.5


class HalfStepCorridor(Corridor):
    default_params = HalfSteps()


class HalfStep(Corridors):
    environment = HalfStepCorridor()

    def sample(self, key):
        return HalfSteps(prize=self.uniform(key))


# 28. Too few tasks to hold any out, though they are drawn as they should be.


class FourTasks(Corridors):
    def sample(self, key):
        return Params(prize=jnp.floor(4.0 * self.uniform(key)))


# 29. A clock that begins at 3.


class LateCorridor(Corridor):
    def reset_env(self, key, params):
        observation, state = super().reset_env(key, params)
        return observation, state.replace(time=jnp.int32(3))

    def step_env(self, key, state, action, params):
        observation, state, reward, _, info = super().step_env(key, state, action, params)
        return observation, state, reward, jnp.array(False), info


class LateClock(Corridors):
    environment = LateCorridor()


# 30. Observations that the space does not count.


class UncountedCorridor(Corridor):
    def reset_env(self, key, params):
        return jnp.int32(0), super().reset_env(key, params)[1]

    def step_env(self, key, state, action, params):
        observation, *rest = super().step_env(key, state, action, params)
        return observation[0].astype(jnp.int32), *rest

    def observation_space(self, params):
        return spaces.Discrete(4)


class Uncounted(Corridors):
    environment = UncountedCorridor()


# 31. NaN after a step, and not after a reset.


class NanObservationCorridor(Corridor):
    def step_env(self, key, state, action, params):
        observation, *rest = super().step_env(key, state, action, params)
        return observation / 0.0, *rest


class NanObservation(Corridors):
    environment = NanObservationCorridor()


# 32. Another environment at each access.


class NewEnvironments(Corridors):
    @property
    def environment(self):
        return Corridor()


# 33. A lifetime of two and a half episodes.


class UnevenLifetime(Corridors):
    @property
    def lifetime_length(self):
        return 20


# 34. A sample of a number.


class SampleNumber(Corridors):
    def sample(self, key):
        return self.uniform(key)


# An error of the family's own, which is not a mistake that jmeta can name.


class RaisingCorridor(Corridor):
    def step_env(self, key, state, action, params):
        raise ValueError("no such cell")


class Raising(Corridors):
    environment = RaisingCorridor()


class BranchingCorridor(Corridor):
    def step_env(self, key, state, action, params):
        return super().step_env(key, state, 1 if action > 0 else 0, params)


class Branching(Corridors):
    environment = BranchingCorridor()


BROKEN: dict[type[TaskDistribution], tuple[str, str]] = {  # (cause, remedy)
    EnvironmentClass: ("is the class Corridor", r"give an instance, Corridor\(\)"),
    GymnasiumEnvironment: ("has no step_env", "takes those of gymnax"),
    NoSample: ("NoSample does not define sample", r"needs both .*`sample\(self, key\)`"),
    NoEnvironment: ("NoEnvironment does not define environment", r"needs both .*`sample\(self, key\)`"),
    ComplexReward: ("step_env of ComplexCorridor returns a reward of type complex64", "return a real number"),
    SixValues: ("step_env of SixValuesCorridor returns 6 values", r"return \(observation, state, reward, terminated, info\)"),
    NoObservationSpace: ("BlindCorridor does not define observation_space", r"write observation_space\(self, params\)"),
    TupleActions: (r"TupleCorridor has action space Tuple", "give one of them, and take the action apart in step_env"),
    InheritedLimit: ("inherits max_steps_in_episode=1 from gymnax", "declare it as a field"),
    LongTasks: ("tasks with max_steps_in_episode=16, but its horizon.* is 8", "set max_steps_in_episode=16"),
    NoTime: (r"the state of TimelessCorridor \(Timeless\) has no `time`", "add the field `time"),
    SameTasksHeldOut: ("512 of 512 sampled held-out tasks of SameTasksHeldOut are also drawn for training", "self.uniform"),
    NanReward: ("the reward of NanCorridor is nan after 0 random actions", "look for a division by zero"),
    NumpyRandom: ("reset_env of NumpyCorridor gives different results for the same arguments", "draw from its key"),
    ListSetting: ("the field 'prizes' of ListSetting is a list, which can't be hashed", "a tuple"),
    OwnInit: ("OwnInit has an __init__ of its own", r"@dataclasses.dataclass\(frozen=True\)"),
    WrongObservationSize: ("of WideCorridor: observation has 1 numbers, but its observation_space has 6", "let it say"),
    TwoRewards: (r"step_env of TeamCorridor returns reward of shape \(2,\)", "return a single number"),
    Leaky: ("LeakyCorridor.last_position is set while reset_env or step_env is compiled", "keep what changes in the state"),
    UpsideDownBox: ("UpsideDownCorridor has actions from 5 to 0 at position 1", "a low below its high"),
    NoAction: (r"IdleCorridor has action space Discrete\(0", "there must be an action to take"),
    SampleNone: ("sample of SampleNone returns None, in which there is no number", "return the environment's parameters"),
    SampleWithoutKey: (r"sample of SampleWithoutKey can't be called with \(key\)", r"write sample\(self, key\)"),
    ResetWithoutParams: (r"reset_env of \w+ can't be called with \(key, params\)", r"write reset_env\(self, key, params\)"),
    SpaceAttribute: ("action_space of SpaceAttributeCorridor is a Discrete", r"write action_space\(self, params\)"),
    NoDefaultParams: ("NoDefaultCorridor does not define default_params", r"write default_params = Params\(\)"),
    NothingObserved: ("DarkCorridor observes nothing at all", "return a constant"),
    HalfStep: ("HalfSteps has max_steps_in_episode=8.5", "give a whole number"),
    FourTasks: ("512 of 512 sampled held-out tasks of FourTasks.* only 4 different ones", "a property `has_held_out`"),
    LateClock: ("LateCorridor cut an episode after 5 steps, where its max_steps_in_episode is 8", "be 0 in reset_env"),
    Uncounted: (r"UncountedCorridor observes a number outside of its observation space, Discrete\(4\)", "only 0 to 3"),
    NanObservation: ("the observation of step_env of NanObservationCorridor is (nan|-?inf)", "look for a division by zero"),
    NewEnvironments: ("environment of NewEnvironments makes a new Corridor at each access", "functools.cached_property"),
    UnevenLifetime: ("lifetime_length of UnevenLifetime is 20, .* no whole number of episodes of 8 steps", "self.horizon times"),
    SampleNumber: (r"sample of SampleNumber returns an array of shape \(\)", r"return the environment's parameters, Params\("),
    ObjectSetting: ("the setting 'schedule' of ObjectSetting is a Schedule, which JSON can't hold", "make it a number"),
}
