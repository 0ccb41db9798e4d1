"""``Agent``: a trained agent that acts in one step of an environment at a time, and adapts by itself."""

import math
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import jax
import numpy as np

from jmeta.agent.life import Life
from jmeta.agent.programs import KEY_IMPLEMENTATION, Compiled, Programs
from jmeta.agent.spaces import ActionBox, ObservationForm, numbers_of
from jmeta.keys import as_key
from jmeta.observation_spaces import to_json

PLATFORMS = ("cpu", "cuda", "tpu")
"""The platforms of a file unless others are asked for."""


class Agent:
    """A trained agent that acts step by step in plain Python and adapts by itself.

    It keeps the experience of a task and adapts when it has as much as in training: MAML and MQL when a segment of all their
    streams is complete, PEARL after each of its segments, RL² and agents with a belief at every step. After the last segment of
    the lifetime that it was trained on, it continues to act and adapts no further, but for its memory.

        agent = jmeta.load("runs/bandit").agent()
        agent.begin(seed=0)
        observation, _ = env.reset()
        for _ in range(num_steps):
            action = agent.act(observation)
            observation, reward, terminated, truncated, _ = env.step(action)
            if agent.observe(reward, terminated, truncated, observation):
                observation, _ = env.reset()

    In the same environment and with the same keys it does what ``jmeta.live`` does.

    By default it acts in one environment. With ``num_envs`` it acts in several environments of the *same* task side by side, and
    observations, actions and rewards have a leading axis [num_envs]; the number must divide the streams that it was trained
    with. An agent that was trained with more streams than that fills one after the other before it adapts. With ``num_tasks`` it
    acts in several tasks, independently, and there is an axis [num_tasks] before.

    A mistake (another shape, a reward that is not finite, calls out of order) raises ``ValueError`` and leaves the agent's state
    as it was.

    Args:
      programs: its exported functions.
      theta: the arrays of its meta-parameters.
      observations: how an observation becomes a vector.
      actions: its actions in the environment's units.
      about: what is known of its training, for ``describe``.
      export: exports the programs again for other platforms; None for an agent that was loaded from a file.
      num_tasks: number of tasks at once; None for one, without an axis.
      num_envs: number of environments of each task; None for one, without an axis.
      greedy: whether to take the most likely action, or the mean of a continuous distribution, instead of a sampled one.
      action_bounds: (low, high) of the environment's continuous actions, if they differ from those of the training tasks.

    Raises:
      ValueError: for a number of environments that does not divide the number of streams.
    """

    def __init__(
        self,
        programs: Programs,
        theta: list[np.ndarray],
        observations: ObservationForm,
        actions: ActionBox,
        *,
        about: dict[str, Any],
        export: Callable[[Sequence[str]], Programs] | None = None,
        num_tasks: int | None = None,
        num_envs: int | None = None,
        greedy: bool = False,
        action_bounds: tuple[Any, Any] | None = None,
    ) -> None:
        layout = programs.layout
        for name, number in (("num_tasks", num_tasks), ("num_envs", num_envs)):
            if number is not None and number < 1:
                raise ValueError(f"{name}={number}: it must be at least 1, or None for one without an axis")
        if layout.num_streams % (num_envs or 1):
            raise ValueError(
                f"num_envs={num_envs} does not divide the {layout.num_streams} stream(s) of a task that the agent was trained "
                f"with: for separate tasks use num_tasks={num_envs}"
            )
        self.programs, self.theta = programs, theta
        self.observations, self.about = observations, about
        self.actions = actions if action_bounds is None else actions.with_bounds(*action_bounds)
        self.greedy = greedy
        self.num_tasks, self.num_envs = num_tasks, num_envs
        self.batch = tuple(size for size in (num_tasks, num_envs) if size is not None)
        self._rows = math.prod(self.batch)
        self._export = export
        self._compiled = Compiled(programs, theta)
        self._life: Life | None = None

    def begin(self, seed: int | jax.Array = 0) -> None:
        """Begins a lifetime in a new task: forgets everything about the task before.

        Args:
          seed: a seed or a random key, from which all of the agent's actions and adaptations are drawn. Several tasks get a key
            each, split from it as ``jmeta.evaluate`` does.

        Raises:
          ValueError: for a seed out of range, or a key of an implementation other than threefry2x32.
        """
        is_number = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
        key = jax.random.key(int(seed), impl=KEY_IMPLEMENTATION) if is_number and 0 <= seed < 2**32 else as_key(seed)
        if str(jax.random.key_impl(key)) not in (KEY_IMPLEMENTATION, "fry"):
            raise ValueError(f"seed: a key of {jax.random.key_impl(key)}; give a seed, or a key of {KEY_IMPLEMENTATION}")
        keys = key[None] if self.num_tasks is None else jax.random.split(key, self.num_tasks)
        self._life = Life.begin(self._compiled, np.asarray(jax.random.key_data(keys)), self.num_envs or 1)

    def act(self, observation: Any, *, greedy: bool | None = None, first: Any = None) -> Any:
        """Returns an action, in the environment's own units.

        Args:
          observation: what the environment shows, [*batch, ...]: numbers of any shape, which are flattened, or what the
            observation space of the training tasks says: integers, an image, or a dictionary or tuple of those.
          greedy: as in the constructor, for this action only.
          first: whether an episode begins with this observation, a boolean or [*batch]. By default one does if ``begin`` was
            just called, or if ``observe`` has said that a new one is needed.

        Raises:
          ValueError: for an observation of another shape or with a number that is not finite, or if ``begin`` was not called, or
            ``observe`` not called after the last action.
        """
        life = self._begun("act")
        if life.pending is not None:
            raise ValueError("act: the last action has no outcome yet; call observe(reward, terminated, truncated) first")
        vector = self.observations.encode(observation, self.batch).reshape(self._rows, -1)
        if greedy not in (None, False, True):
            raise ValueError(f"greedy={greedy!r}: it must be True or False")
        begins = None if first is None else self._flags("first", first)
        pending = life.act(vector, self.greedy if greedy is None else greedy, begins)
        scaled = self.actions.to_environment(pending.action, self.batch)
        life.pending = pending
        return scaled.item() if not scaled.shape else scaled

    def observe(self, reward: Any, terminated: Any = False, truncated: Any = False, next_observation: Any = None) -> Any:
        """Takes in the outcome of the last action; adapts if a segment is complete.

        Args:
          reward: the reward, a number or [*batch].
          terminated: whether the episode has ended by itself, a boolean or [*batch].
          truncated: whether the episode was ended by a time limit, likewise.
          next_observation: the observation that followed, that of the *old* episode where one has ended. Agents that learn from
            it need it; others ignore it.

        Returns:
          Whether a new episode is needed, a boolean, or [*batch]: an episode has ended, or a segment is complete, after which
          every episode in training begins anew. If your environment can't be reset then, continue with
          ``act(observation, first=False)``.

        Raises:
          ValueError: for values of another shape, a reward that is not finite, a missing ``next_observation``, or if there was
            no action.
        """
        life = self._begun("observe")
        if life.pending is None:
            raise ValueError("observe: there is no action whose outcome this is; call act(observation) first")
        rewards = self._numbers(reward)
        ended = self._flags("terminated", terminated)
        cut = self._flags("truncated", truncated) & ~ended
        if next_observation is not None:
            after = self.observations.encode(next_observation, self.batch).reshape(self._rows, -1)
        elif self.programs.layout.reads_next_observation:
            raise ValueError(
                "next_observation: this agent learns from the observation that follows an action; call "
                "observe(reward, terminated, truncated, next_observation)"
            )
        else:
            after = None
        needed = life.observe(rewards, ended, cut, after)
        return needed.reshape(self.batch) if self.batch else bool(needed[0])

    def snapshot(self) -> dict[str, np.ndarray]:
        """Returns the agent's state in its task, as arrays by name, for ``restore`` or ``numpy.savez``.

        Raises:
          ValueError: if ``begin`` was not called, or between ``act`` and ``observe``.
        """
        life = self._begun("snapshot")
        if life.pending is not None:
            raise ValueError("snapshot: the last action has no outcome yet; call observe first")
        return life.to_arrays()

    def restore(self, snapshot: Any) -> None:
        """Continues from a snapshot of the same agent with the same ``num_tasks`` and ``num_envs``.

        Raises:
          ValueError: if the snapshot is of another agent.
        """
        self._life = Life.of_arrays(self._compiled, snapshot, self.num_tasks or 1, self.num_envs or 1)

    def describe(self) -> dict[str, Any]:
        """Returns what the agent is: algorithm, task family, protocol of adaptation, spaces, training and score."""
        layout, actions = self.programs.layout, self.actions
        discrete = {"kind": "discrete", "num_actions": actions.num_actions}
        choices = {"kind": "multi-discrete", "shape": list(actions.shape), "counts": list(actions.counts)}
        low, high = ([side if math.isfinite(side) else None for side in sides] for sides in (actions.low, actions.high))
        box = {"kind": "continuous", "shape": list(actions.shape), "low": low, "high": high}
        return {
            **self.about,
            "observation": {"size": self.observations.size, "space": to_json(self.observations.space)},
            "action": choices if actions.counts else discrete if actions.is_discrete else box,
            "adaptation": {
                "num_segments": layout.num_segments,
                "segment_length": layout.segment_length,
                "num_streams": layout.num_streams,
                "needs_next_observation": layout.reads_next_observation,
            },
            "num_parameters": sum(x.size for x in self.theta),
        }

    def save(self, path: str | PathLike[str], *, platforms: Sequence[str] | None = None) -> None:
        """Writes the agent to a single file, which ``jmeta.load_agent`` reads without code for training.

        Args:
          path: the file; its name usually ends with ``.jmeta``.
          platforms: what the programs are compiled for, some of "cpu", "cuda", "rocm" and "tpu"; cpu, cuda and tpu by default. An
            agent that was loaded from a file keeps those of the file.

        Raises:
          ValueError: for another platform, or for platforms of an agent that was loaded from a file.
          OSError: if the file can't be written.
        """
        from jmeta.agent.file import save_agent

        if self._export is None:
            if platforms is not None:
                raise ValueError(
                    f"platforms={platforms}: the agent was loaded from a file, whose platforms it keeps; leave it out"
                )
            return save_agent(self, self.programs, path)
        wanted = PLATFORMS if platforms is None else tuple(platforms)
        if not wanted or not set(wanted) <= {*PLATFORMS, "rocm"}:
            raise ValueError(f"platforms={platforms!r}: give some of {', '.join(map(repr, PLATFORMS))} and 'rocm', as a tuple")
        return save_agent(self, self._export(wanted), path)

    def __repr__(self) -> str:
        algorithm, family = (self.about.get(name, "?") for name in ("algorithm", "tasks"))
        return f"Agent(algorithm={algorithm!r}, tasks={family!r}, num_tasks={self.num_tasks}, num_envs={self.num_envs})"

    def _begun(self, method: str) -> Life:
        if self._life is None:
            raise ValueError(f"{method}: no lifetime has begun; call begin(seed) first")
        return self._life

    def _numbers(self, reward: Any) -> np.ndarray:
        rewards = numbers_of("reward", reward)
        if rewards.shape != self.batch:
            raise ValueError(f"reward has shape {list(rewards.shape)}: it must be {list(self.batch) or 'one number'}")
        if not np.isfinite(rewards).all():
            raise ValueError(f"reward={reward}: it must be finite; the agent's state is unchanged")
        return rewards.reshape(self._rows)

    def _flags(self, name: str, flag: Any) -> np.ndarray:
        flags = np.asarray(flag)
        if flags.dtype != bool and not np.isin(flags, (0, 1)).all():
            raise ValueError(f"{name}={flag}: it must be True or False")
        if flags.shape not in ((), self.batch):
            raise ValueError(f"{name} has shape {list(flags.shape)}: it must be one boolean, or {list(self.batch)} of them")
        return np.broadcast_to(flags.astype(bool), self.batch).reshape(self._rows)
