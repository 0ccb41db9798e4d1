"""The state of an agent in its task: phi, memory, the experience that it will adapt to, and the keys of later steps."""

from typing import Any

import jax
import numpy as np

from jmeta.agent.programs import Acted, Compiled

COUNTERS = ("segment", "turn", "step", "beyond")


class Life:
    """A lifetime in N tasks, in E environments of each, that is lived one step at a time.

    A segment has B streams. E of them are lived at a time, one *turn* after the other; their steps are the rows n = N E.

    Attributes:
      acted: what the agent did in a step whose outcome is not known yet; None otherwise.
    """

    def __init__(self, compiled: Compiled, num_tasks: int, num_envs: int) -> None:
        layout = compiled.layout
        streams = (num_tasks, layout.num_streams)
        self._compiled, self._layout = compiled, layout
        self._num_tasks, self._num_envs = num_tasks, num_envs
        self._num_turns = layout.num_streams // num_envs
        self.segment = self.turn = self.step = self.beyond = 0
        self.acted: Acted | None = None
        self._phi: list[Any] = []  # [N, ...]
        self._memory_before: list[Any] = []  # [N, B, ...] when the segment began
        self._memory_after: list[np.ndarray] = []  # [N, B, ...] of the streams whose turn is over
        self._later_keys = np.zeros((num_tasks, layout.num_segments, 2), np.uint32)
        self._act_keys = np.zeros((num_tasks, layout.segment_length, layout.num_streams, 2), np.uint32)
        self._told = {  # what each stream is told of its last step
            "action": np.zeros((*streams, layout.encoding_size), np.float32),
            "reward": np.zeros(streams, np.float32),
            "arrival": np.zeros((*streams, layout.observation_size), np.float32),
        }
        self._record: dict[str, np.ndarray] = {}  # [N, L, B, ...] by name, of the steps of this segment
        # Of the streams whose turn it is:
        self._row_phi: list[Any] = []
        self._row_memory: list[Any] = []
        self._row_action: Any = None
        self._row_reward: np.ndarray = np.zeros(0, np.float32)
        self._row_arrival: Any = None
        self._row_first: np.ndarray = np.ones(num_tasks * num_envs, bool)
        self._timestep: dict[str, Any] = {}

    @classmethod
    def begin(cls, compiled: Compiled, keys: np.ndarray, num_envs: int) -> "Life":
        """Begins a lifetime in each task, from keys [N, 2]."""
        life = cls(compiled, len(keys), num_envs)
        phi, memory, act_keys, later_keys = compiled.begin(keys)
        life._later_keys = np.asarray(later_keys)
        life._begin_segment(phi, memory, act_keys)
        return life

    def act(self, observation: np.ndarray, greedy: bool, first: np.ndarray | None) -> jax.Array:
        """Acts on observations [n, observation_size]; returns actions [n, ...]."""
        if not (self.segment or self.turn or self.step or self.beyond) or self._is_first_of_stream():
            self._row_arrival = observation
        told = {
            "timestep/observation": observation,
            "timestep/previous_action": self._row_action,
            "timestep/previous_reward": self._row_reward,
            "timestep/first": self._row_first if first is None else first,
            "timestep/arrival": self._row_arrival,
        }
        place = slice(self.turn * self._num_envs, (self.turn + 1) * self._num_envs)
        keys = self._act_keys[:, self.step, place].reshape(-1, 2)
        self.acted = self._compiled.act(self._row_phi, self._row_memory, told, keys, np.bool_(greedy))
        self._timestep = told
        return self.acted.action

    def observe(
        self, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray, next_observation: np.ndarray | None
    ) -> np.ndarray:
        """Takes in the outcome [n] of the last action; returns whether each row needs a new episode."""
        acted = self.acted
        assert acted is not None
        if self._records:
            outcome = {"reward": reward, "terminated": terminated, "truncated": truncated, "next_observation": next_observation}
            self._write({**self._timestep, "action": acted.action, **acted.decision, **outcome})
        self._row_memory, self._row_action, self._row_reward = acted.memory, acted.encoding, reward
        if next_observation is not None:
            self._row_arrival = next_observation
        self._row_first = terminated | truncated
        self.acted = None
        self.step += 1
        if self.step == self._layout.segment_length and self._end_turn():
            self._row_first = np.ones_like(self._row_first)
        return self._row_first

    @property
    def _records(self) -> bool:
        """Whether the agent adapts to this segment's steps."""
        return self.segment < self._layout.num_segments - 1 and bool(self._layout.recorded)

    def _is_first_of_stream(self) -> bool:
        return self.segment == 0 and self.step == 0 and not self.beyond

    def _end_turn(self) -> bool:
        """Goes on to the next streams, or the next segment; returns whether new episodes begin."""
        last_segment = self.segment == self._layout.num_segments - 1
        if last_segment and self.turn == self._num_turns - 1:  # a lifetime is over; the last streams go on
            self._act_keys = np.asarray(self._compiled.extend(self._later_keys[:, -1], self.beyond))
            self.beyond += 1
            self.step = 0
            return False
        self._keep_rows()
        self.step = 0
        self.turn += 1
        if self.turn < self._num_turns:
            self._load_rows()
            return True
        keys = self._later_keys[:, self.segment]
        adapted = self._compiled.adapt(self._phi, self._memory_before, self._memory_after, self._record, keys)
        self.segment += 1
        self._begin_segment(*adapted)
        return True

    def _begin_segment(self, phi: list[Any], memory: list[Any], act_keys: Any) -> None:
        self._phi, self._memory_before = phi, memory
        self._memory_after = [np.array(x) for x in memory]
        self._act_keys = np.asarray(act_keys)
        self._record = {}
        self.turn = 0
        repeat = self._num_envs
        self._row_phi = phi if repeat == 1 else [np.repeat(np.asarray(x), repeat, axis=0) for x in phi]
        self._load_rows()

    def _load_rows(self) -> None:
        rows = lambda x: jax.device_put(self._rows_of(np.asarray(x)))  # noqa: E731
        self._row_memory = [rows(x) for x in self._memory_before]
        self._row_action, self._row_arrival = rows(self._told["action"]), rows(self._told["arrival"])
        self._row_reward = self._rows_of(self._told["reward"])

    def _keep_rows(self) -> None:
        place = slice(self.turn * self._num_envs, (self.turn + 1) * self._num_envs)
        rows = {"action": self._row_action, "reward": self._row_reward, "arrival": self._row_arrival}
        for name, values in rows.items():
            self._told[name][:, place] = self._by_task(values)
        for kept, values in zip(self._memory_after, self._row_memory, strict=True):
            kept[:, place] = self._by_task(values)

    def _rows_of(self, streams: np.ndarray) -> np.ndarray:
        """Returns the rows [n, ...] of the streams whose turn it is, of [N, B, ...]."""
        place = slice(self.turn * self._num_envs, (self.turn + 1) * self._num_envs)
        return streams[:, place].reshape(self._num_tasks * self._num_envs, *streams.shape[2:])

    def _by_task(self, rows: Any) -> np.ndarray:
        rows = np.asarray(rows)
        return rows.reshape(self._num_tasks, self._num_envs, *rows.shape[1:])

    def _write(self, step: dict[str, Any]) -> None:
        """Records what the agent will read of a step, [n, ...] by name."""
        sizes = (self._num_tasks, self._layout.segment_length, self._layout.num_streams)
        place = slice(self.turn * self._num_envs, (self.turn + 1) * self._num_envs)
        for name in self._layout.recorded:
            rows = self._by_task(step[name])
            if name not in self._record:
                self._record[name] = np.zeros((*sizes, *rows.shape[2:]), rows.dtype)
            self._record[name][:, self.step, place] = rows

    # Snapshots.

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Returns the state as arrays by name."""
        named: dict[str, Any] = {name: np.int64(getattr(self, name)) for name in COUNTERS}
        for name, value in self._parts().items():
            if isinstance(value, list):
                named |= {f"{name}/{number}": each for number, each in enumerate(value)}
            elif isinstance(value, dict):
                named |= {f"{name}/{key}": each for key, each in value.items()}
            else:
                named[name] = value
        return {name: np.array(value) for name, value in named.items()}

    @classmethod
    def of_arrays(cls, compiled: Compiled, arrays: Any, num_tasks: int, num_envs: int) -> "Life":
        """Returns the state whose arrays these are.

        Raises:
          ValueError: if they are those of another agent, or of another number of tasks or environments.
        """
        like = cls.begin(compiled, np.zeros((num_tasks, 2), np.uint32), num_envs)
        names = set(arrays.keys())
        expected = like.to_arrays()
        fixed = {name for name in expected if not name.startswith("record/")}
        records = {name for name in names - fixed if name.removeprefix("record/") in compiled.layout.recorded}
        if names != fixed | records or any(
            arrays[name].shape != expected[name].shape or arrays[name].dtype != expected[name].dtype for name in fixed
        ):
            raise ValueError("snapshot: it belongs to another agent, or to another num_tasks or num_envs")
        for name in COUNTERS:
            setattr(like, name, int(arrays[name]))
        parts = {
            name: [arrays[f"{name}/{number}"] for number in range(len(value))]
            if isinstance(value, list)
            else {key: np.array(arrays[f"{name}/{key}"]) for key in value}
            if isinstance(value, dict)
            else np.array(arrays[name])
            for name, value in like._parts().items()
        }
        parts["record"] = {name.removeprefix("record/"): np.array(arrays[name]) for name in records}
        like._set_parts(parts)
        return like

    def _parts(self) -> dict[str, Any]:
        return {name: getattr(self, f"_{name}") for name in PARTS}

    def _set_parts(self, parts: dict[str, Any]) -> None:
        for name, value in parts.items():
            setattr(self, f"_{name}", value)


PARTS = (
    "phi",
    "memory_before",
    "memory_after",
    "later_keys",
    "act_keys",
    "told",
    "record",
    "row_phi",
    "row_memory",
    "row_action",
    "row_reward",
    "row_arrival",
    "row_first",
)
