"""``make bench``: how fast algorithms train, on a quiet machine.

Reports, apart: seconds to trace and compile, outer steps per second, environment steps per second (training included), peak
memory, and the fraction of the machine's measured matrix rate. FLOPs are counted by hand from the networks, forward and
backward (twice a forward), the second-order part included where there is one.
"""

import argparse
import dataclasses
import itertools
import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from rich.console import Console
from rich.table import Table

import jmeta
from jmeta import struct
from jmeta.comparison import SPECS, read_spec
from jmeta.outer.base import STATE_LAYOUT, OuterLearner
from jmeta.outer.off_policy import OffPolicy
from jmeta.parallel import BY_TASK, TASK_AXIS, mean_over_devices, over_tasks, task_mesh
from jmeta.training.provenance import device, git_commit, versions
from jmeta.types import MetaState, Metrics

RESULTS = Path(__file__).parent / "results" / "throughput.json"


@dataclasses.dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
      outer: what is trained.
      flops: floating-point operations of matrix products in one outer step.
      num_updates: gradient steps in it, where they are what is counted.
    """

    outer: OuterLearner
    flops: float
    num_updates: int | None = None


def rl2_case() -> Case:
    """RL² on the bandit: GRU 64, 4,096 lifetimes of 10 steps, 4 epochs of 4 minibatches."""
    outer = jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit())
    hidden, inputs, outputs = 64, 1 + 5 + 2, 5 + 1
    forward = 2 * (3 * hidden * (hidden + inputs) + hidden * outputs)
    env_steps = outer.num_env_steps
    return Case(outer, env_steps * forward * (1 + 4 * 3))


def maml_case() -> Case:
    """MAML on point navigation: 20 tasks x 20 trajectories x 100 steps, MLP 100-100, one second-order inner step."""
    outer = jmeta.algorithms.maml(jmeta.tasks.PointNavigation())
    forward = 2 * (2 * 100 + 100 * 100 + 100 * 2)
    segment = outer.num_tasks * 100 * 20
    rollouts = 2 * segment * forward  # both segments
    adapt = segment * forward * 3  # a gradient, when living
    # In the replay: the inner gradient again, the post-update decisions forward and backward, and the derivative of the inner
    # gradient in one direction (a jvp of a gradient: twice its cost).
    replay = segment * forward * (3 + 3 + 6)
    return Case(outer, rollouts + adapt + replay)


def recurrent_ppo_case(num_tasks: int) -> Case:
    """PureJaxRL's recurrent PPO: CartPole, lifetimes of 128 steps, GRU 128, layers of 128 before and after it, 4 x 4 updates.

    As there, memory is forgotten when an episode begins. A device replays eight lifetimes at once, which stay in its cache.
    """
    tasks = jmeta.tasks.CartPole(max_steps=128)
    outer = jmeta.algorithms.rl2(
        tasks,
        hidden_size=128,
        encoder_widths=(128,),
        head_widths=(128,),
        memory_span="episode",
        num_tasks=num_tasks,
        num_epochs=4,
        num_minibatches=4,
        microbatch_size=8,
    )
    inputs = tasks.observation_size + 2 + 2
    forward = 2 * (inputs * 128 + 3 * 128 * 256 + 2 * 128 * 128 + 128 * (2 + 1))
    return Case(outer, outer.num_env_steps * forward * (1 + 4 * 3))


def varibad_case() -> Case:
    """VariBAD on GridNavi, as in ``specs/grid-navi.toml``: lifetimes of 60 steps."""
    outer = next(cell.learner for cell in read_spec(SPECS / "grid-navi.toml").cells if cell.algorithm == "varibad")
    hidden, inputs, latent, cells, length = 64, 25 + 5 + 2, 10, 25, 60
    encoder = 2 * (inputs * 32 + 3 * hidden * (32 + hidden) + hidden * 2 * latent)
    policy = mlp(cells + 1 + 2 * latent, 128, 128, 5) + mlp(cells + 1 + 2 * latent, 128, 128, 1)
    decoder = mlp(latent, 64, 64, cells) + 2 * 2 * cells * length  # each belief against every step
    lived = outer.num_env_steps * (encoder + policy)
    improved = outer.num_env_steps * outer.num_epochs * (encoder + 3 * policy)
    learned = outer.num_belief_updates * outer.belief_batch_size * 3 * length * (encoder + decoder)
    return Case(outer, lived + improved + learned)


def mlp(*sizes: int) -> int:
    """Floating-point operations of an input's way through layers."""
    return sum(2 * rows * columns for rows, columns in itertools.pairwise(sizes))


@struct.dataclass
class Collecting(OffPolicy):
    """Lives, and does not learn."""

    def step_on_device(self, state: MetaState, keys: jax.Array) -> tuple[MetaState, Metrics]:
        records, lifetimes = self.collect(state, keys)
        extra = state.extra._replace(num_steps=state.extra.num_steps + 1)
        return state._replace(by_task=records, extra=extra), mean_over_devices({"reward": lifetimes.segments.reward.mean()})


@struct.dataclass
class Learning(OffPolicy):
    """Learns, and does not live once there is a lifetime of every task."""

    def init(self, key: jax.Array) -> MetaState:
        state = super().init(key)
        collect = over_tasks(lambda state, keys: self.collect(state, keys)[0], shared=STATE_LAYOUT, output=BY_TASK)
        return state._replace(by_task=collect(state, jax.random.split(key, self.num_tasks)))

    def step_on_device(self, state: MetaState, keys: jax.Array) -> tuple[MetaState, Metrics]:
        learner = (state.theta, state.opt_state, state.extra.target_parameters)
        (theta, opt_state, target_parameters), metrics = self.learn(learner, state.by_task, keys)
        extra = state.extra._replace(target_parameters=target_parameters)
        state = state._replace(theta=theta, opt_state=opt_state, extra=extra)
        return state, mean_over_devices(metrics)


def pearl_case(kind: type[OffPolicy]) -> Case:
    """The authors' PEARL on the sparse semicircle: 16 tasks x 256 transitions, contexts of 1,024, three layers of 300 units.

    Only gradient steps, or only living.
    """
    tasks = jmeta.tasks.SparsePointNavigation(episodes=60)
    num_updates, batch_size, context_size = 4, 256, 1024
    outer = jmeta.algorithms.pearl(
        tasks,
        widths=(300, 300, 300),
        encoder_widths=(200, 200, 200),
        num_training_tasks=16,
        num_passes=num_updates,
        batch_size=batch_size,
        context_size=context_size,
        capacity=2 * tasks.lifetime_length,
    )
    outer = kind(**{field.name: getattr(outer, field.name) for field in dataclasses.fields(outer)})
    latent = outer.inner.latent_size
    actor, critic = mlp(2 + latent, 300, 300, 300, 4), mlp(2 + 2 + latent, 300, 300, 300, 1)
    encoder = mlp(2 + 2 + 1, 200, 200, 200, 2 * latent)
    if kind is Collecting:
        return Case(outer, outer.num_env_steps * (actor + encoder))
    # Targets: actor and two critics. Critics: forward and backward. Actor: forward and backward, through what two critics say of
    # its action, forward and backward in the action alone.
    transition = (actor + 2 * critic) + 3 * 2 * critic + 3 * actor + 2 * 2 * critic
    update = 16 * (batch_size * transition + context_size * 3 * encoder)
    return Case(outer, num_updates * update, num_updates)


CASES = {
    "rl2": rl2_case,
    "maml": maml_case,
    "recurrent-ppo, 64 lifetimes": partial(recurrent_ppo_case, 64),
    "recurrent-ppo, 1024 lifetimes": partial(recurrent_ppo_case, 1024),
    "varibad": varibad_case,
    "pearl, learning": partial(pearl_case, Learning),
    "pearl, collecting": partial(pearl_case, Collecting),
}


def matrix_rate() -> float:
    """The machine's peak float32 matrix rate in FLOP/s over all devices, the best of several shapes."""
    mesh = task_mesh()
    best = 0.0
    for rows, size in ((512, 512), (1024, 1024), (2048, 256)):

        def products(x: jax.Array, w: jax.Array) -> jax.Array:
            return jax.lax.scan(lambda x, _: (jnp.tanh(x @ w), None), x, None, length=40)[0]

        split = PartitionSpec(TASK_AXIS)
        program = jax.jit(jax.shard_map(products, mesh=mesh, in_specs=(split, PartitionSpec()), out_specs=split))
        x, w = jnp.ones((rows * mesh.size, size)), jnp.full((size, size), 0.01)
        jax.block_until_ready(program(x, w))
        for _ in range(8):
            started = time.perf_counter()
            jax.block_until_ready(program(x, w))
            best = max(best, 2 * rows * mesh.size * size * size * 40 / (time.perf_counter() - started))
    return best


def measure(name: str, seconds: float) -> dict[str, Any]:
    """Runs one case in this process for about ``seconds`` after compiling, in chunks of about a second."""
    case = CASES[name]()
    outer = case.outer
    with jax.set_mesh(task_mesh()):
        layout = jax.tree.map(partial(NamedSharding, task_mesh()), STATE_LAYOUT)
        state = jax.jit(outer.init, out_shardings=layout)(jax.random.key(0))

        def chunk(state: Any, key: jax.Array, count: jax.Array) -> Any:
            body = lambda i, state: outer.step(state, jax.random.fold_in(key, i))[0]  # noqa: E731
            return jax.lax.fori_loop(0, count, body, state)

        started = time.perf_counter()
        compiled = jax.jit(chunk).lower(state, jax.random.key(1), jnp.int32(1)).compile()
        compile_seconds = time.perf_counter() - started
        temporary = compiled.memory_analysis().temp_size_in_bytes
        state = jax.block_until_ready(compiled(state, jax.random.key(1), jnp.int32(1)))
        per_chunk, rates = 5, []
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            started = time.perf_counter()
            state = jax.block_until_ready(compiled(state, jax.random.key(2 + len(rates)), jnp.int32(per_chunk)))
            rates.append((time.perf_counter() - started) / per_chunk)
    rates.sort()
    median = rates[len(rates) // 2]
    env_steps = outer.num_env_steps
    rate = matrix_rate()
    return {
        "compile_seconds": compile_seconds,
        "seconds_per_outer_step": {"min": rates[0], "median": median, "max": rates[-1]},
        "outer_steps_per_second": 1 / median,
        "env_steps_per_second": env_steps / median,
        "updates_per_second": case.num_updates and case.num_updates / median,
        "program_temporary_bytes": temporary,
        "process_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "flops_per_outer_step": case.flops,
        "matrix_rate": rate,
        "fraction_of_matrix_rate": case.flops / median / rate,
    }


def main() -> None:
    """Measures each case in a process of its own, so that peak memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, help="measure one case here and print JSON")
    parser.add_argument("--seconds", type=float, default=20.0, help="of steady running for each case")
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(options.case, options.seconds)))
        return
    results = {}
    for name in CASES:
        command = [sys.executable, "-m", "benchmarks.throughput", "--case", name, "--seconds", str(options.seconds)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results[name] = json.loads(output.splitlines()[-1])
    table = Table("", "compile s", "s / outer step", "per second", "temporary MB", "process peak MB", "of matrix rate")
    for name, r in results.items():
        step = r["seconds_per_outer_step"]
        table.add_row(
            name,
            f"{r['compile_seconds']:.1f}",
            f"{step['median']:.4f} ({step['min']:.4f} to {step['max']:.4f})",
            f"{r['updates_per_second']:.2f} updates"
            if r["updates_per_second"]
            else f"{r['env_steps_per_second']:,.0f} env steps",
            f"{r['program_temporary_bytes'] / 1e6:.0f}",
            f"{r['process_peak_bytes'] / 1e6:.0f}",
            f"{r['fraction_of_matrix_rate']:.0%} of {r['matrix_rate'] / 1e9:.0f} GFLOP/s",
        )
    Console(width=140).print(table)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    record = {"results": results, "versions": versions(), "device": device(), "git_commit": git_commit()}
    options.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
