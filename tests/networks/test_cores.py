"""Every core: its unroll against its steps; and each against its own equations."""

from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jmeta.networks import (
    GRU,
    LRU,
    LSTM,
    MANN,
    SNAIL,
    Convolutions,
    CoreName,
    EpisodicLSTM,
    Network,
    Transformer,
    check_core,
    from_nnx,
    in_chunks,
    make_core,
)
from jmeta.networks.causal_attention import CausalAttention, turn
from jmeta.networks.snail import TemporalConvolutions
from jmeta.types import PyTree

CORES = get_args(CoreName)
INPUTS, WINDOW, LENGTH = 3, 6, 15


def core_network(name: str, window: int = WINDOW) -> Network:
    layers = 2 if name in ("lru", "transformer") else 1
    return from_nnx(lambda rngs: make_core(name, INPUTS, 8, num_layers=layers, window=window, rngs=rngs))  # type: ignore[arg-type]


def perturbed(parameters: PyTree, size: float = 0.3) -> PyTree:
    """So that nothing is as it was initialised."""
    return jax.tree.map(lambda x: x + size * jax.random.normal(jax.random.key(x.size), x.shape, x.dtype), parameters)


def numpy64(parameters: PyTree) -> Any:
    return jax.tree.map(lambda x: np.asarray(x, np.float64), parameters)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="module", params=CORES)
def core(request: pytest.FixtureRequest) -> tuple[Network, PyTree, jax.Array]:
    """A network, parameters and a sequence that is longer than what is within reach."""
    network = core_network(request.param)
    parameters = perturbed(network.init(jax.random.key(0)))
    return network, parameters, jax.random.normal(jax.random.key(1), (LENGTH, INPUTS))


def by_steps(network: Network, parameters: PyTree, memory: PyTree, xs: jax.Array, resets: jax.Array) -> tuple[PyTree, jax.Array]:
    def step(memory: PyTree, inputs: tuple[jax.Array, jax.Array]) -> tuple[PyTree, jax.Array]:
        x, reset = inputs
        return network.apply(parameters, network.apply(parameters, memory, reset, method="forget"), x)

    return jax.lax.scan(step, memory, (xs, resets))


@pytest.mark.parametrize("reset_at", [(), (0, 9, 10)])
def test_unroll_equals_steps(core: tuple[Network, PyTree, jax.Array], reset_at: tuple[int, ...]) -> None:
    """From a memory that holds something already, to the last memory, with resets and without."""
    network, parameters, xs = core
    resets = jnp.zeros(LENGTH, bool).at[jnp.asarray(reset_at, jnp.int32)].set(True)
    start, _ = network.apply(parameters, network.apply(parameters, method="initial_memory"), xs[:4], method="unroll")
    expected = jax.jit(lambda p: by_steps(network, p, start, xs, resets))(parameters)
    got = jax.jit(lambda p: network.apply(p, start, xs, resets if reset_at else None, method="unroll"))(parameters)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), got, expected)
    assert np.ptp(np.asarray(got[1]), axis=0).min() > 1e-3  # every output does vary


def test_a_reset_forgets_everything_and_nothing_else_does(core: tuple[Network, PyTree, jax.Array]) -> None:
    network, parameters, xs = core
    fresh = network.apply(parameters, method="initial_memory")
    last = jax.jit(lambda xs, resets: network.apply(parameters, fresh, xs, resets, method="unroll")[1][-1])
    at = jnp.arange(LENGTH) == LENGTH - 4
    other = xs.at[LENGTH - 5].add(1.0)
    np.testing.assert_array_equal(last(xs, at), last(other, at))
    assert np.abs(last(xs, at & False) - last(other, at & False)).max() > 1e-4


def test_outputs_do_not_see_the_future(core: tuple[Network, PyTree, jax.Array]) -> None:
    network, parameters, xs = core
    fresh = network.apply(parameters, method="initial_memory")
    outputs = jax.jit(lambda xs: network.apply(parameters, fresh, xs, method="unroll")[1])
    np.testing.assert_allclose(outputs(xs)[:8], outputs(xs.at[8:].add(1.0))[:8], atol=1e-6)


def test_every_parameter_matters(core: tuple[Network, PyTree, jax.Array]) -> None:
    network, parameters, xs = core
    fresh = network.apply(parameters, method="initial_memory")
    weights = jnp.sin(1.0 + jnp.arange(LENGTH, dtype=jnp.float32))[:, None]
    loss = lambda p: (weights * jnp.sin(network.apply(p, fresh, xs, method="unroll")[1])).sum()  # noqa: E731
    for path, gradient in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(parameters)):
        assert np.all(np.isfinite(gradient)), path
        assert np.any(gradient != 0), path


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CORES))
def test_chunks_change_nothing_but_memory(name: str) -> None:
    """The same outputs and the same gradient; cut between chunks, another gradient."""
    network = core_network(name)
    parameters, xs = perturbed(network.init(jax.random.key(0))), jax.random.normal(jax.random.key(1), (LENGTH, INPUTS))
    fresh = network.apply(parameters, method="initial_memory")

    def loss(parameters: PyTree, length: int | None, truncate: bool = False) -> jax.Array:
        def unroll(memory: PyTree, xs: jax.Array) -> tuple[jax.Array, PyTree]:
            memory, outputs = network.apply(parameters, memory, xs, method="unroll")
            return outputs, memory

        outputs, _ = in_chunks(unroll, fresh, xs, length=length, truncate=truncate) if length else unroll(fresh, xs)
        return jnp.sin(outputs).sum()

    derive = jax.jit(jax.value_and_grad(loss), static_argnums=(1, 2))
    whole, chunked, cut = derive(parameters, None), derive(parameters, 5), derive(parameters, 5, True)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), whole, chunked)
    np.testing.assert_allclose(whole[0], cut[0], rtol=1e-5)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), whole[1], cut[1])
    assert max(jax.tree.leaves(moved)) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_chunks_bound_memory(name: str) -> None:
    """Of 2,000 steps in chunks of 50, a fifth of the temporary memory at most."""
    network = core_network(name, window=50)
    parameters, xs = network.init(jax.random.key(0)), jnp.ones((2000, INPUTS))
    fresh = network.apply(parameters, method="initial_memory")

    def loss(parameters: PyTree, chunked: bool) -> jax.Array:
        def unroll(memory: PyTree, xs: jax.Array) -> tuple[jax.Array, PyTree]:
            return network.apply(parameters, memory, xs, method="unroll")[::-1]

        outputs, _ = in_chunks(unroll, fresh, xs, length=50, truncate=False) if chunked else unroll(fresh, xs)
        return outputs.sum()

    lowered = (jax.jit(jax.grad(loss), static_argnums=1).lower(parameters, chunked) for chunked in (False, True))
    whole, chunked = (low.compile().memory_analysis().temp_size_in_bytes for low in lowered)
    assert chunked < whole / 5, (chunked, whole)


def test_lstm_equals_its_equations() -> None:
    network = from_nnx(lambda rngs: LSTM(3, 4, rngs=rngs))
    parameters = perturbed(network.init(jax.random.key(0)))
    rng = np.random.default_rng(0)
    c, h, x = rng.normal(size=4), rng.normal(size=4), rng.normal(size=3)
    p = numpy64(parameters)
    total = x @ p["inputs"]["kernel"] + p["inputs"]["bias"] + h @ p["recurrent_kernel"]
    i, f, o = (sigmoid(total[4 * k : 4 * k + 4]) for k in range(3))
    cell = f * c + i * np.tanh(total[12:])
    single = lambda x: jnp.asarray(x, jnp.float32)  # noqa: E731
    (got_cell, got_hidden), output = network.apply(parameters, (single(c), single(h)), single(x))
    np.testing.assert_allclose(got_cell, cell, atol=1e-5)
    np.testing.assert_allclose(got_hidden, o * np.tanh(cell), atol=1e-5)
    np.testing.assert_array_equal(output, got_hidden)


def test_lstm_forget_gates_begin_open() -> None:
    bias = from_nnx(lambda rngs: LSTM(2, 3, rngs=rngs)).init(jax.random.key(0))["inputs"]["bias"]
    np.testing.assert_array_equal(bias, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])


def test_linear_recurrence_equals_its_equations() -> None:
    """One layer, step by step in complex NumPy."""
    network = from_nnx(lambda rngs: LRU(2, 4, rngs=rngs))
    parameters = perturbed(network.init(jax.random.key(0)), 0.1)
    xs = np.random.default_rng(0).normal(size=(6, 2))
    p = numpy64(parameters)
    layer = p["layers"][0]

    def norm(x: np.ndarray, by: Any) -> np.ndarray:
        return (x - x.mean()) / np.sqrt(x.var() + 1e-6) * by["scale"] + by["bias"]

    def gelu(x: np.ndarray) -> np.ndarray:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    eigenvalue = np.exp(-np.exp(layer["log_decay"]) + 1j * np.exp(layer["log_phase"]))
    h, expected = np.zeros(4, complex), []
    for x in xs:
        x = x @ p["inputs"]["kernel"] + p["inputs"]["bias"]
        u = norm(x, layer["norm"])
        b = u @ layer["drive"]["kernel"]
        h = eigenvalue * h + np.exp(layer["log_scale"]) * (b[:4] + 1j * b[4:])
        y = np.concatenate([h.real, h.imag]) @ layer["read"]["kernel"] + layer["direct"] * u
        both = gelu(y) @ layer["gate"]["kernel"] + layer["gate"]["bias"]
        expected.append(norm(x + both[:4] * sigmoid(both[4:]), p["norm"]))
    fresh = network.apply(parameters, method="initial_memory")
    _, got = network.apply(parameters, fresh, jnp.asarray(xs, jnp.float32), method="unroll")
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_linear_recurrence_is_stable_and_begins_with_a_long_memory() -> None:
    parameters = from_nnx(lambda rngs: LRU(2, 400, rngs=rngs)).init(jax.random.key(0))["layers"][0]
    modulus = np.exp(-np.exp(np.asarray(parameters["log_decay"])))
    assert 0.9 <= modulus.min() < 0.91
    assert 0.998 < modulus.max() <= 0.999
    # Evenly over the ring: the squared modulus is uniform.
    assert np.square(modulus).mean() == pytest.approx((0.9**2 + 0.999**2) / 2, abs=0.02)
    np.testing.assert_allclose(np.exp(2 * np.asarray(parameters["log_scale"])), 1 - modulus**2, rtol=1e-3)


@pytest.mark.parametrize("rotary", [False, True])
def test_attention_is_a_softmax_over_the_last_steps(rotary: bool) -> None:
    window, length = 4, 9
    build = lambda rngs: CausalAttention(  # noqa: E731
        3, num_heads=2, key_size=4, value_size=5, window=window, rotary=rotary, rngs=rngs
    )
    network = from_nnx(build)
    parameters = perturbed(network.init(jax.random.key(0)))
    xs = jax.random.normal(jax.random.key(1), (length, 3))
    whole = (xs @ parameters["project"]["kernel"] + parameters["project"]["bias"]).reshape(length, 2, 13)
    query, key, value = np.asarray(whole[..., :4]), np.asarray(whole[..., 4:8]), np.asarray(whole[..., 8:])
    if rotary:
        query, key = (np.asarray(turn(jnp.asarray(x), jnp.arange(length))) for x in (query, key))
    expected = np.zeros((length, 2, 5))
    for t in range(length):
        for head in range(2):
            seen = slice(max(0, t - window + 1), t + 1)
            weights = np.exp(key[seen, head] @ query[t, head] / 2.0)  # sqrt(4)
            expected[t, head] = weights @ value[seen, head] / weights.sum()
    _, got = network.apply(parameters, network.apply(parameters, method="initial_cache"), xs, None, method="unroll")
    np.testing.assert_allclose(got, expected.reshape(length, 10), atol=1e-5)


def test_turned_vectors_know_their_distance_only() -> None:
    q, k = jax.random.normal(jax.random.key(0), (2, 1, 1, 6))
    product = lambda s, t: jnp.sum(turn(q, jnp.asarray([s])) * turn(k, jnp.asarray([t])))  # noqa: E731
    np.testing.assert_allclose(product(3, 1), product(103, 101), rtol=1e-3)
    np.testing.assert_allclose(jnp.linalg.norm(turn(q, jnp.asarray([7]))), jnp.linalg.norm(q), rtol=1e-5)
    assert abs(float(product(3, 1) - product(3, 2))) > 1e-2


def test_a_transformer_begins_close_to_one_without_memory() -> None:
    """Its gates let little through at first: a past step changes the output a quarter as much as the present one, on average."""
    network = from_nnx(lambda rngs: Transformer(INPUTS, 16, num_layers=2, window=8, rngs=rngs))
    parameters = network.init(jax.random.key(0))
    fresh = network.apply(parameters, method="initial_memory")
    last = lambda xs: network.apply(parameters, fresh, xs, method="unroll")[1][-1]  # noqa: E731
    by_step = jnp.linalg.norm(jax.jit(jax.jacobian(last))(jax.random.normal(jax.random.key(1), (8, INPUTS))), axis=(0, 2))
    assert float(by_step[:-1].mean()) < 0.25 * float(by_step[-1])


def test_temporal_convolutions_equal_their_equations_and_reach_as_far_as_they_say() -> None:
    network = from_nnx(lambda rngs: TemporalConvolutions(2, 3, 8, rngs=rngs))  # dilations 1, 2, 4
    parameters = perturbed(network.init(jax.random.key(0)))
    xs = np.random.default_rng(0).normal(size=(12, 2))
    expected = xs
    for dilation, layer in zip((1, 2, 4), numpy64(parameters)["layers"].values(), strict=True):
        earlier = np.concatenate([np.zeros((dilation, expected.shape[1])), expected[:-dilation]])
        both = np.concatenate([earlier, expected], 1) @ layer["kernel"] + layer["bias"]
        expected = np.concatenate([expected, np.tanh(both[:, :3]) * sigmoid(both[:, 3:])], 1)
    past = network.apply(parameters, method="initial_past")
    unroll = lambda xs: network.apply(parameters, past, xs, None, method="unroll")[1]  # noqa: E731
    np.testing.assert_allclose(unroll(jnp.asarray(xs, jnp.float32)), expected, atol=1e-5)
    reach = np.abs(jax.jit(jax.jacobian(lambda xs: unroll(xs)[-1]))(jnp.asarray(xs, jnp.float32))).max((0, 2)) > 0
    np.testing.assert_array_equal(reach, [False] * 4 + [True] * 8)


def test_snail_sees_all_of_its_window() -> None:
    network = from_nnx(lambda rngs: SNAIL(INPUTS, 4, window=10, rngs=rngs))
    parameters = perturbed(network.init(jax.random.key(0)))
    fresh = network.apply(parameters, method="initial_memory")
    last = lambda xs: network.apply(parameters, fresh, xs, method="unroll")[1][-1]  # noqa: E731
    influence = np.abs(jax.jit(jax.jacobian(last))(jax.random.normal(jax.random.key(1), (10, INPUTS)))).max((0, 2))
    assert influence.min() > 1e-6


def test_mann_equals_its_equations() -> None:
    """Two steps in NumPy, from a memory with contents."""
    heads, slots, size = 2, 5, 3
    network = from_nnx(lambda rngs: MANN(2, size, num_slots=slots, num_heads=heads, rngs=rngs))
    parameters = perturbed(network.init(jax.random.key(0)))
    p, rng = numpy64(parameters), np.random.default_rng(0)
    memory = network.apply(parameters, method="initial_memory")
    lstm = from_nnx(lambda rngs: LSTM(2 + heads * size, size, rngs=rngs))
    M, u = rng.normal(size=(slots, size)), rng.uniform(size=slots)
    r, found = rng.dirichlet(np.ones(slots), size=heads), rng.normal(size=heads * size)
    single = lambda x: jnp.asarray(x, jnp.float32)  # noqa: E731
    memory = memory._replace(slots=single(M), usage=single(u), read=single(r), found=single(found))
    controller = memory.controller
    for x in rng.normal(size=(2, 2)):
        memory, output = network.apply(parameters, memory, single(x))
        controller, hidden = lstm.apply(parameters["controller"], controller, single(np.concatenate([x, found])))
        h = np.asarray(hidden, np.float64)
        k = np.tanh(h @ p["key"]["kernel"] + p["key"]["bias"]).reshape(heads, size)
        alpha = sigmoid(h @ p["write_gate"]["kernel"] + p["write_gate"]["bias"])[:, None]
        close = k @ M.T / np.linalg.norm(k, axis=1)[:, None] / np.linalg.norm(M, axis=1)
        read = np.exp(np.exp(p["log_sharpness"])[:, None] * close)
        read /= read.sum(1, keepdims=True)
        found = (read @ M).reshape(-1)
        least = np.argsort(u)[:heads]
        marks = np.eye(slots)[least]
        write = alpha * r + (1 - alpha) * marks
        M[least] = 0.0
        M = M + write.T @ k
        u, r = 0.95 * u + read.sum(0) + write.sum(0), read
        np.testing.assert_allclose(memory.slots, M, atol=1e-4)
        np.testing.assert_allclose(memory.usage, u, atol=1e-4)
        np.testing.assert_allclose(output, np.concatenate([h, found]), atol=1e-4)


def test_an_episodic_lstm_finds_the_cell_it_kept_under_a_like_input() -> None:
    """With sharp attention, what comes back under a key is the cell written with it."""
    network = from_nnx(lambda rngs: EpisodicLSTM(4, 6, num_slots=5, rngs=rngs))
    parameters = perturbed(network.init(jax.random.key(0)))
    parameters["log_sharpness"] = jnp.log(jnp.float32(200.0))
    xs = 3.0 * jnp.eye(4)
    memory, _ = network.apply(parameters, network.apply(parameters, method="initial_memory"), xs, method="unroll")
    np.testing.assert_array_equal(memory.num_steps, 4)
    lstm = from_nnx(lambda rngs: LSTM(4, 6, rngs=rngs))
    _, hidden = memory.controller
    for s in range(4):
        (plain, _), _ = lstm.apply(parameters["lstm"], memory.controller, xs[s])
        after, _ = network.apply(parameters, memory, xs[s])
        gate = jax.nn.sigmoid(
            jnp.concatenate([xs[s], hidden]) @ parameters["reinstate"]["kernel"] + parameters["reinstate"]["bias"]
        )
        np.testing.assert_allclose(after.controller[0], plain + gate * jnp.tanh(memory.cells[s]), atol=2e-3)


def test_an_episodic_lstm_looks_at_what_it_has_written_and_nothing_else() -> None:
    """After one step there is one pair, so that its cell comes back whole, whatever the input; before it nothing does."""
    network = from_nnx(lambda rngs: EpisodicLSTM(4, 6, num_slots=5, rngs=rngs))
    parameters = perturbed(network.init(jax.random.key(0)))
    lstm = from_nnx(lambda rngs: LSTM(4, 6, rngs=rngs))
    memory, (first, second) = (
        network.apply(parameters, method="initial_memory"),
        jnp.array([[1.0, -1.0, 0.0, 2.0], [-2.0, 0.5, 1.0, 0.0]]),
    )

    def cell_after(memory: PyTree, x: jax.Array, found: jax.Array | float) -> jax.Array:
        (plain, _), _ = lstm.apply(parameters["lstm"], memory.controller, x)
        both = jnp.concatenate([x, memory.controller[1]])
        gate = jax.nn.sigmoid(both @ parameters["reinstate"]["kernel"] + parameters["reinstate"]["bias"])
        return plain + gate * jnp.tanh(found)

    for x, found in ((first, 0.0), (second, cell_after(memory, first, 0.0))):
        after, _ = network.apply(parameters, memory, x)
        np.testing.assert_allclose(after.controller[0], cell_after(memory, x, found), atol=1e-5)
        memory = after


def test_convolutions_see_neighbours() -> None:
    """One layer against a sum over the nine cells around each, with zeros beyond the edge."""
    shape = (4, 5, 2)
    network = from_nnx(lambda rngs: Convolutions(shape, (3,), rngs=rngs))
    parameters = perturbed(network.init(jax.random.key(0)))
    picture = np.random.default_rng(0).normal(size=shape)
    layer = numpy64(parameters)["layers"][0]
    around = np.pad(picture, ((1, 1), (1, 1), (0, 0)))
    expected = np.zeros((4, 5, 3))
    for i in range(4):
        for j in range(5):
            patch = around[i : i + 3, j : j + 3]
            expected[i, j] = np.maximum(np.tensordot(patch, layer["kernel"], 3) + layer["bias"], 0)
    got = network.apply(parameters, jnp.asarray(picture.reshape(-1), jnp.float32))
    np.testing.assert_allclose(got, expected.reshape(-1), atol=1e-5)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (("rnn", 8, 1, 5), "core='rnn': choose from gru, lstm"),
        (("gru", 0, 1, 5), "hidden_size=0"),
        (("gru", 8, 2, 5), "num_layers=2: it must be 1 for core='gru'"),
        (("lru", 8, 0, 5), "num_layers=0: it must be at least 1"),
        (("transformer", 12, 1, 5), "multiple of 8"),
        (("mann", 8, 1, 4), "context_length=4: core='mann' needs at least 5"),
    ],
)
def test_what_can_not_be_built_is_refused(mistake: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_core(*mistake)


def test_every_core_is_made_by_its_name() -> None:
    kinds = {GRU, LSTM, LRU, Transformer, SNAIL, MANN, EpisodicLSTM}
    made = {type(make_core(name, 2, 8, num_layers=1, window=5, rngs=nnx.Rngs(0))) for name in CORES}
    assert made == kinds
