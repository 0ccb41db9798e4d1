"""Classic control with physics that vary between tasks, in chosen environments of gymnax with chosen ranges.

Ranges are the intervals R of Packer et al. 2018, "Assessing Generalization in Deep Reinforcement Learning", arXiv 1810.12282, for
the environments that it has, drawn uniformly as in the authors' code, sunblaze-ucb/rl-generalization. Out of distribution are the
intervals beside the range, as in ``GymnaxTasks``; for Pendulum and Acrobot they are the paper's intervals E.
"""

import dataclasses
from typing import ClassVar

from jmeta.tasks.gymnax_bases import Physics
from jmeta.tasks.gymnax_ranges import Ranges


@dataclasses.dataclass(frozen=True)
class CartPole(Physics):
    """Balance a pole on a cart by pushing left or right; reward 1 for every step until it falls.

    Args:
      ranges: (low, high) of the push ``force_mag`` in newtons, half the pole's ``length`` in metres, its mass ``masspole`` in
        kilograms, or of other parameters of gymnax's ``CartPole-v1``.
      lifetime_episodes: full-length episodes in a lifetime, at least 1.
      max_steps: time limit of an episode in environment steps of 0.02 seconds, at least 1; 500 by default.

    References:
      Packer et al. 2018, arXiv 1810.12282.
    """

    env_id: str = dataclasses.field(default="CartPole-v1", init=False)
    ranges: Ranges = (("force_mag", (5.0, 15.0)), ("length", (0.25, 0.75)), ("masspole", (0.05, 0.5)))

    name: ClassVar[str] = "cart-pole"


@dataclasses.dataclass(frozen=True)
class Pendulum(Physics):
    """Swing a pendulum up by a torque and hold it; the reward is a cost of angle, speed and torque.

    Args:
      ranges: (low, high) of its mass ``m`` in kilograms and length ``l`` in metres, or of other parameters of gymnax's
        ``Pendulum-v1``.
      lifetime_episodes: full-length episodes in a lifetime, at least 1.
      max_steps: time limit of an episode in environment steps of 0.05 seconds, at least 1; 200 by default.

    References:
      Packer et al. 2018, arXiv 1810.12282.
    """

    env_id: str = dataclasses.field(default="Pendulum-v1", init=False)
    ranges: Ranges = (("l", (0.75, 1.25)), ("m", (0.75, 1.25)))

    name: ClassVar[str] = "pendulum"


@dataclasses.dataclass(frozen=True)
class Acrobot(Physics):
    """Swing the lower of two links up by a torque at the joint between them; reward -1 for every step until it is up.

    Args:
      ranges: (low, high) of the upper link's length ``link_length_1`` in metres, the links' masses ``link_mass_1`` and
        ``link_mass_2`` in kilograms, their moment of inertia ``link_moi`` in kg m², or of other parameters of gymnax's
        ``Acrobot-v1``; in it, the lower link's length has no effect.
      lifetime_episodes: full-length episodes in a lifetime, at least 1.
      max_steps: time limit of an episode in environment steps of 0.2 seconds, at least 1; 500 by default.

    References:
      Packer et al. 2018, arXiv 1810.12282.

    Deviations from the paper: both masses are drawn independently, and of the lengths only the upper one.
    """

    env_id: str = dataclasses.field(default="Acrobot-v1", init=False)
    ranges: Ranges = (
        ("link_length_1", (0.75, 1.25)),
        ("link_mass_1", (0.75, 1.25)),
        ("link_mass_2", (0.75, 1.25)),
        ("link_moi", (0.75, 1.25)),
    )

    name: ClassVar[str] = "acrobot"


@dataclasses.dataclass(frozen=True)
class MountainCar(Physics):
    """Rock a weak car out of a valley by pushing left, right or not; reward -1 for every step until it is on the hill.

    Args:
      ranges: (low, high) of the push ``force`` and the pull of the slope ``gravity``, both in units of position per step², or of
        other parameters of gymnax's ``MountainCar-v0``.
      lifetime_episodes: full-length episodes in a lifetime, at least 1.
      max_steps: time limit of an episode in environment steps, at least 1; 200 by default.

    References:
      Packer et al. 2018, arXiv 1810.12282, where ``gravity`` is called mass.
    """

    env_id: str = dataclasses.field(default="MountainCar-v0", init=False)
    ranges: Ranges = (("force", (0.0005, 0.005)), ("gravity", (0.001, 0.005)))

    name: ClassVar[str] = "mountain-car"


@dataclasses.dataclass(frozen=True)
class MountainCarContinuous(Physics):
    """``MountainCar`` with a continuous force; reward -0.1 force² for every step, and 100 on the hill.

    The ranges are this library's: from a third below to two thirds above gymnax's power, and a fifth to either side of its
    gravity.

    Args:
      ranges: (low, high) of the strongest push ``power`` and the pull of the slope ``gravity``, both in units of position per
        step², or of other parameters of gymnax's ``MountainCarContinuous-v0``.
      lifetime_episodes: full-length episodes in a lifetime, at least 1.
      max_steps: time limit of an episode in environment steps, at least 1; 999 by default.
    """

    env_id: str = dataclasses.field(default="MountainCarContinuous-v0", init=False)
    ranges: Ranges = (("gravity", (0.002, 0.003)), ("power", (0.001, 0.0025)))

    name: ClassVar[str] = "mountain-car-continuous"


@dataclasses.dataclass(frozen=True)
class Reacher(Physics):
    """Bring the tip of a two-jointed arm to a visible goal, drawn for every episode; the task is the motors' strength.

    The range is this library's: half to twice gymnax's strength.

    Args:
      ranges: (low, high) of ``torque_scale``, the angular acceleration in rad/s² that an action of 1 gives a joint, or of other
        parameters of gymnax's ``Reacher-misc``.
      lifetime_episodes: full-length episodes in a lifetime, at least 1.
      max_steps: time limit of an episode in environment steps of 0.05 seconds, at least 1; 100 by default.
    """

    env_id: str = dataclasses.field(default="Reacher-misc", init=False)
    ranges: Ranges = (("torque_scale", (0.5, 2.0)),)

    name: ClassVar[str] = "reacher"
