"""The state of an agent in its task: phi, memory, the experience that it will adapt to, and the keys of later steps."""

from typing import Any, NamedTuple

import jax
import numpy as np

from jmeta.agent.programs import Acted, Compiled

COUNTERS = ("segment", "turn", "step", "beyond")


class Pending(NamedTuple):
    """An action whose outcome is not known yet."""

    acted: Acted
    told: dict[str, Any]  # the arrays [n, ...] that it was chosen by, by their names in a segment
    action: np.ndarray  # [n, ...] in the agent's units


class Life:
    """A lifetime in N tasks, in E environments of each, that is lived one step at a time.

    A segment has B streams. E of them are lived at a time, one *turn* after the other; their steps are the rows n = N E.
    An exception in one of the methods leaves the state as it was.

    Attributes:
      pending: the action whose outcome is not known yet; None otherwise.
    """

    def __init__(self, compiled: Compiled, num_tasks: int, num_envs: int) -> None:
        layout = compiled.layout
        streams = (num_tasks, layout.num_streams)
        self._compiled, self._layout = compiled, layout
        self._num_tasks, self._num_envs = num_tasks, num_envs
        self._num_turns = layout.num_streams // num_envs
        self.segment = self.turn = self.step = self.beyond = 0
        self.pending: Pending | None = None
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

    @classmethod
    def begin(cls, compiled: Compiled, keys: np.ndarray, num_envs: int) -> "Life":
        """Begins a lifetime in each task, from keys [N, 2]."""
        life = cls(compiled, len(keys), num_envs)
        phi, memory, act_keys, later_keys = compiled.begin(keys)
        life._later_keys = np.asarray(later_keys)
        life._begin_segment(phi, memory, act_keys)
        return life

    def act(self, observation: np.ndarray, greedy: bool, first: np.ndarray | None) -> Pending:
        """Acts on observations [n, observation_size]; the caller sets ``pending`` to the result."""
        begins_life = self.segment == 0 and self.step == 0 and not self.beyond
        told = {
            "timestep/observation": observation,
            "timestep/previous_action": self._row_action,
            "timestep/previous_reward": self._row_reward,
            "timestep/first": self._row_first if first is None else first,
            "timestep/arrival": observation if begins_life else self._row_arrival,
        }
        keys = self._act_keys[:, self.step, self._place].reshape(-1, 2)
        acted = self._compiled.act(self._row_phi, self._row_memory, told, keys, np.bool_(greedy))
        return Pending(acted, told, np.asarray(acted.action))

    def observe(
        self, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray, next_observation: np.ndarray | None
    ) -> np.ndarray:
        """Takes in the outcome [n] of the pending action; returns whether each row needs a new episode."""
        if self.step + 1 < self._layout.segment_length:
            return self._observe(reward, terminated, truncated, next_observation)
        before = self._copy()
        try:
            return self._observe(reward, terminated, truncated, next_observation)
        except BaseException:  # an interrupt while an adaptation is compiled, for instance
            vars(self).update(before)
            raise

    def _observe(
        self, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray, next_observation: np.ndarray | None
    ) -> np.ndarray:
        assert self.pending is not None
        acted, told, _ = self.pending
        if self.segment < self._layout.num_segments - 1:
            outcome = {"reward": reward, "terminated": terminated, "truncated": truncated, "next_observation": next_observation}
            self._write({**told, "action": acted.action, **acted.decision, **outcome})
        self._row_memory, self._row_action, self._row_reward = acted.memory, acted.encoding, reward
        self._row_arrival = told["timestep/arrival"] if next_observation is None else next_observation
        self._row_first = terminated | truncated
        self.pending = None
        self.step += 1
        if self.step == self._layout.segment_length and self._end_turn():
            self._row_first = np.ones_like(self._row_first)
        return self._row_first.copy()

    @property
    def _place(self) -> slice:
        """The streams whose turn it is."""
        return slice(self.turn * self._num_envs, (self.turn + 1) * self._num_envs)

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
        rows = lambda x: jax.device_put(self._rows_of(np.array(x)))  # noqa: E731
        self._row_memory = [rows(x) for x in self._memory_before]
        self._row_action, self._row_arrival = rows(self._told["action"]), rows(self._told["arrival"])
        self._row_reward = self._rows_of(self._told["reward"]).copy()

    def _keep_rows(self) -> None:
        rows = {"action": self._row_action, "reward": self._row_reward, "arrival": self._row_arrival}
        for name, values in rows.items():
            self._told[name][:, self._place] = self._by_task(values)
        for kept, values in zip(self._memory_after, self._row_memory, strict=True):
            kept[:, self._place] = self._by_task(values)

    def _rows_of(self, streams: np.ndarray) -> np.ndarray:
        """Returns the rows [n, ...] of the streams whose turn it is, of [N, B, ...]."""
        return streams[:, self._place].reshape(self._num_tasks * self._num_envs, *streams.shape[2:])

    def _by_task(self, rows: Any) -> np.ndarray:
        rows = np.asarray(rows)
        return rows.reshape(self._num_tasks, self._num_envs, *rows.shape[1:])

    def _write(self, step: dict[str, Any]) -> None:
        """Records what the agent will read of a step, [n, ...] by name."""
        sizes = (self._num_tasks, self._layout.segment_length, self._layout.num_streams)
        read = {name: self._by_task(step[name]) for name in self._layout.recorded}
        for name, rows in read.items():
            if name not in self._record:
                self._record[name] = np.zeros((*sizes, *rows.shape[2:]), rows.dtype)
            self._record[name][:, self.step, self._place] = rows

    def _copy(self) -> dict[str, Any]:
        """Returns the state, with copies of the arrays that are written in place."""
        copies = {"_memory_after": [x.copy() for x in self._memory_after]}
        named = {name: {key: x.copy() for key, x in getattr(self, name).items()} for name in ("_told", "_record")}
        return vars(self) | copies | named

    # Snapshots.

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Returns the state as arrays by name."""
        named: dict[str, Any] = {name: np.int64(getattr(self, name)) for name in COUNTERS}
        for name in PARTS:
            value = getattr(self, f"_{name}")
            if isinstance(value, list):
                named |= {f"{name}/{number}": each for number, each in enumerate(value)}
            elif isinstance(value, dict):
                named |= {f"{name}/{key}": each for key, each in value.items()}
            else:
                named[name] = value
        return {"theta": self._compiled.fingerprint, **{name: np.array(value) for name, value in named.items()}}

    @classmethod
    def of_arrays(cls, compiled: Compiled, arrays: Any, num_tasks: int, num_envs: int) -> "Life":
        """Returns the state whose arrays these are.

        Raises:
          ValueError: if they are those of another agent, or of another number of tasks or environments.
        """
        life = cls.begin(compiled, np.zeros((num_tasks, 2), np.uint32), num_envs)
        given = {name: np.array(arrays[name]) for name in arrays}
        expected = life.to_arrays()
        counters = {name: int(given.get(name, -1)) for name in COUNTERS}
        layout = compiled.layout
        limits = {"segment": layout.num_segments, "turn": life._num_turns, "step": layout.segment_length, "beyond": 2**31}
        sound = all(0 <= counters[name] < limit for name, limit in limits.items())
        adapts = counters["segment"] < layout.num_segments - 1
        if adapts and (counters["step"] or counters["turn"]):
            sizes = (num_tasks, layout.segment_length, layout.num_streams)
            like = compiled.recorded_shapes()
            expected |= {f"record/{name}": np.zeros((*sizes, *like[name].shape), like[name].dtype) for name in layout.recorded}
        sound = sound and given.keys() == expected.keys() and np.array_equal(given["theta"], expected["theta"])
        if not sound or any(given[name].shape != x.shape or given[name].dtype != x.dtype for name, x in expected.items()):
            raise ValueError("snapshot: it belongs to another agent, or to another num_tasks or num_envs, or is damaged")
        for name, number in counters.items():
            setattr(life, name, number)
        for name in PARTS:
            value: Any = given.get(name)
            if value is None:
                under = {key.removeprefix(f"{name}/"): x for key, x in given.items() if key.startswith(f"{name}/")}
                is_list = isinstance(getattr(life, f"_{name}"), list)
                value = [under[str(number)] for number in range(len(under))] if is_list else under
            setattr(life, f"_{name}", value)
        return life


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
