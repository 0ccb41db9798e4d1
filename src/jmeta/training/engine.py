"""The training engine: the host loop around compiled chunks of outer steps, of one training or of several in one program.

A chunk is a loop with a dynamic number of steps, so one program serves chunks of any length. The engine compiles it, checks its
memory, sizes chunks to about a second, donates the state from one to the next, writes checkpoints and ends at a signal. An
``Observer``, which is called between chunks, logs metrics, checks them and shows progress.
"""

import dataclasses
import math
import time
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from jmeta.parallel import SHARED
from jmeta.training.memory import check_memory
from jmeta.training.observing import Chunk, Observer
from jmeta.training.placement import made_on, moved_to, shapes_on, shardings
from jmeta.training.programs import Program
from jmeta.training.saving import Saving
from jmeta.training.supervision import Supervision
from jmeta.types import Metrics, PyTree

SECONDS_PER_CHUNK = 1.0  # target duration of a chunk; metrics, signals and progress are handled after each
MAX_CHUNK = 256  # outer steps

State = TypeVar("State")


@dataclasses.dataclass(frozen=True)
class Ended(Generic[State]):
    """The end of a training.

    Attributes:
      state: the state after the last step.
      step: total number of outer steps.
      seconds: time spent in chunks, including those before a resume.
      compile_seconds: time spent tracing, compiling and making the state.
      finished: False if a signal ended training early.
      metric_names: names of the metrics, in alphabetical order.
    """

    state: State
    step: int
    seconds: float
    compile_seconds: float
    finished: bool
    metric_names: list[str]


@dataclasses.dataclass
class Engine(Generic[State]):
    """Trains a program.

    Attributes:
      program: what is trained.
      mesh: the devices, which are also the ambient mesh.
      supervision: signals end training after the current chunk.
      observer: is called between chunks.
      saving: checkpoints, or None.
      name: what is trained, for messages where there are several; empty for a single training.
    """

    program: Program[State]
    mesh: Mesh
    supervision: Supervision
    observer: Observer[State]
    saving: Saving[State] | None = None
    name: str = ""

    def run(
        self, state: State | None, step: int, num_steps: int, *, seconds: float = 0.0, max_seconds: float = math.inf
    ) -> Ended[State]:
        """Trains from a given state, or from a fresh one if that is None; memory is checked before anything is allocated.

        Args:
          state: the state after ``step`` outer steps; it is copied, not donated.
          step: outer steps taken before.
          num_steps: outer step at which training ends.
          seconds: time spent in chunks before.
          max_seconds: time in chunks at which training ends.
        """
        of = f" of {self.name}" if self.name else ""
        self.supervision.doing(f"the compilation{of}" if of else "compiling")
        started = time.perf_counter()
        layout, everywhere = self._layouts()
        inputs = moved_to(everywhere, self.program.inputs)
        run, metric_names = self._compile(shapes_on(layout, jax.eval_shape(self.program.init, *inputs)), inputs)
        check_memory(run, self.program.outer, list(self.mesh.devices.flat))
        self.supervision.doing(f"making theta{of}")
        state = made_on(layout, self.program.init, *inputs) if state is None else moved_to(layout, state)  # ours to donate
        compile_seconds = time.perf_counter() - started
        self.observer.compiled(compile_seconds)
        if self.saving is not None and self.saving.at_start:
            self.saving.save(step, state, seconds)
        saved_step, saved_seconds, useful, count, took = step, seconds, True, 1, 0.0
        while useful and step < num_steps and seconds < max_seconds and not self.supervision.caught:
            next_save = num_steps if self.saving is None else (step // self.saving.every_steps + 1) * self.saving.every_steps
            count = min(count, MAX_CHUNK, next_save - step, num_steps - step)
            self.supervision.doing(f"outer step {step + count}{of}", usual_seconds=took)
            started = time.perf_counter()
            self.observer.before(state)
            state, buffer = run(state, inputs, jnp.int32(step), jnp.int32(count))
            metrics = {name: values[:count] for name, values in jax.device_get(buffer).items()}
            took = time.perf_counter() - started
            chunk = Chunk(step, step + count, took, seconds + took, metrics)
            useful = self.observer.after(chunk, state)
            step, seconds = chunk.step, chunk.seconds
            count = max(1, round(min(SECONDS_PER_CHUNK, max(max_seconds - seconds, 0.0)) * count / took))
            if self.saving is not None and (step == next_save or seconds - saved_seconds > self.saving.every_seconds):
                self.saving.save(step, state, seconds)
                saved_step, saved_seconds = step, seconds
            self.observer.report(chunk)
        finished = not useful or step >= num_steps or seconds >= max_seconds
        if self.saving is not None and (self.saving.at_end or not finished):
            self.supervision.doing(f"writing the checkpoint of step {step}{of}")
            if step != saved_step:
                self.saving.save(step, state, seconds)
            with self.saving.writing():
                self.saving.checkpoints.wait()
        return Ended(state, step, seconds, compile_seconds, finished, metric_names)

    def _layouts(self) -> tuple[PyTree, NamedSharding]:
        """Returns the shardings of the state, and the one that puts an array on every device."""
        return shardings(self.mesh, self.program.layout), NamedSharding(self.mesh, SHARED)

    def _compile(self, state: PyTree, inputs: PyTree) -> tuple[Any, list[str]]:
        """Compiles ``chunk(state, inputs, first_step, count)``; shapes of the state are enough. Returns it and names of metrics.

        The chunk takes ``count`` steps, and returns the state and metrics [MAX_CHUNK, ...], of which the first ``count`` count.
        """
        step = self.program.step
        _, metrics = jax.eval_shape(step, state, jnp.int32(0), *inputs)

        def chunk(state: State, inputs: tuple[PyTree, ...], first_step: jax.Array, count: jax.Array) -> tuple[State, Metrics]:
            def body(index: jax.Array, carry: tuple[State, Metrics]) -> tuple[State, Metrics]:
                state, buffer = carry
                state, metrics = step(state, first_step + index, *inputs)
                return state, jax.tree.map(lambda values, value: values.at[index].set(value), buffer, metrics)

            buffer = jax.tree.map(lambda value: jnp.zeros((MAX_CHUNK, *value.shape), value.dtype), metrics)
            return jax.lax.fori_loop(0, count, body, (state, buffer))

        example = (state, inputs, jnp.int32(0), jnp.int32(1))
        return jax.jit(chunk, donate_argnums=0, out_shardings=self._layouts()).lower(*example).compile(), sorted(metrics)
