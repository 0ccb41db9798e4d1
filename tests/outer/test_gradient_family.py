"""What makes each member of the gradient family different from MAML."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jmeta.algorithms import ALGORITHMS
from jmeta.objectives.advantages import episodic_advantages
from jmeta.outer.base import OuterLearner
from jmeta.outer.ppo import PPO
from jmeta.outer.promp import LEAST_COEFFICIENT
from jmeta.tasks import BernoulliBandit, GridNavi, PointNavigation, TabularMDP
from jmeta.types import PyTree

POINTS = PointNavigation(horizon=5)


def build(name: str, **fields: Any) -> Any:
    return ALGORITHMS[name](POINTS, **({"widths": (4,), "num_streams": 4, "num_tasks": 4} | fields))


def perturbed(theta: PyTree, size: float = 0.1) -> PyTree:
    return jax.tree.map(lambda x: x + size * jnp.sin(jnp.arange(x.size, dtype=x.dtype) + 1.0).reshape(x.shape), theta)


def adapted(outer: OuterLearner, key: jax.Array) -> tuple[PyTree, PyTree]:
    """Theta, and phi after one segment in a task."""
    theta = perturbed(outer.inner.init(key))

    @jax.jit
    def run(theta: PyTree) -> PyTree:
        group, _ = outer.gather(outer.init(key)._replace(theta=theta), jax.random.split(key, 4))
        segment = jax.tree.map(lambda x: x[0, :, 0], dataclasses.replace(group.lifetimes.segments, memory=()))
        phi, memory = outer.inner.begin(theta, 4, key)
        return outer.inner.adapt(theta, phi, memory, segment, key)[0]

    return theta, run(theta)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "adapted_parts"), [("anil", {"policy"}), ("cavia", {"context"}), ("maml", {"torso", "policy"})])
def test_only_those_parts_move_that_should(name: str, adapted_parts: set[str]) -> None:
    theta, phi = adapted(build(name), jax.random.key(0))
    assert set(phi.weights) == adapted_parts
    for part in adapted_parts:
        distance = [
            float(jnp.abs(a - b).max())
            for a, b in zip(*map(jax.tree.leaves, (phi.weights[part], theta.weights[part])), strict=True)
        ]
        assert max(distance) > 1e-4, part


def test_the_context_is_an_input_of_the_policy() -> None:
    outer = build("cavia", context_size=3)
    theta = outer.inner.init(jax.random.key(0))
    assert theta.weights["context"].shape == (3,)
    decide = lambda context: outer.inner.network.apply(theta.weights | {"context": context}, jnp.ones(2)).distribution.mean  # noqa: E731
    assert jnp.abs(decide(jnp.ones(3)) - decide(jnp.zeros(3))).max() > 1e-4


def test_parts_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match=r'adapted_parts=\(\'head\',\): the policy has the parts "torso" and "policy"'):
        build("anil", adapted_parts=("head",))
    outer = build("maml")
    with pytest.raises(ValueError, match=r"the network has no part \['context'\]; it has \['policy', 'torso'\]"):
        outer.inner.replace(adapted_parts=("context",)).init(jax.random.key(0))


def test_a_variant_shows_all_settings_and_takes_no_others() -> None:
    with pytest.raises(TypeError, match="meta_sgd\\(\\) has no setting 'inner_rates'"):
        build("meta-sgd", inner_rates=(0.1,))
    assert build("fomaml").inner.first_order
    assert build("e-maml", discount=0.9).credit.discount == 0.9


@pytest.mark.slow
def test_promp_adds_the_divergence_before_adaptation() -> None:
    """Of Gaussians, in closed form: log(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2, summed over two dimensions."""
    outer = build("promp", kl_coefficient=3.0)
    state = outer.init(jax.random.key(0))
    group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 4))
    moved = perturbed(state.theta)
    loss, metrics = jax.jit(outer.loss)(moved, group)
    plain, _ = jax.jit(dataclasses.replace(outer, kl_coefficient=0.0).loss)(moved, group)
    before = outer.decide_again(moved, group, (0,)).distribution.base_dist
    recorded = jax.tree.map(lambda x: x[:1], group.lifetimes.segments.decision.distribution).base_dist
    m1, s1, m2, s2 = (np.asarray(x) for x in (recorded.loc, recorded.scale, before.loc, before.scale))
    kl = (np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5).sum(-1).mean()
    assert kl > 1e-3
    np.testing.assert_allclose(metrics["policy/kl_before"], kl, rtol=1e-4)
    np.testing.assert_allclose(loss, plain + 3.0 * kl, rtol=1e-4)
    assert jax.jit(outer.loss)(state.theta, group)[1]["policy/kl_before"] < 1e-6


def test_promps_divergence_is_a_mean_over_the_segments_before_adaptation() -> None:
    """Of three segments the last has a weight: the divergence is half that of the first plus half that of the second."""
    outer = build("promp", num_inner_steps=2, kl_coefficient=3.0)
    assert outer.segment_weights == (0.0, 0.0, 1.0)
    assert outer.kl_before.segments == (0.5, 0.5, 0.0)
    assert outer.kl_before.weight == 3.0


@pytest.mark.slow
def test_reptile_moves_towards_the_mean_of_where_tasks_lead() -> None:
    outer = build("reptile", learning_rate=0.25, num_inner_steps=2)
    state = outer.init(jax.random.key(0))
    key = jax.random.key(1)
    weights, _ = jax.jit(jax.vmap(outer._adapted, in_axes=(None, 0)))(state.theta, jax.random.split(key, 4))
    after, metrics = jax.jit(outer.step)(state, key)

    def check(old: jax.Array, led: jax.Array, new: jax.Array) -> float:
        np.testing.assert_allclose(new, old + 0.25 * (led.mean(0) - old), atol=1e-6)
        return float(jnp.square(led.mean(0) - old).sum())

    squares = jax.tree.map(check, state.theta.weights, weights, after.theta.weights)
    np.testing.assert_allclose(metrics["distance"], np.sqrt(sum(jax.tree.leaves(squares))), rtol=1e-4)
    assert metrics["distance"] > 1e-3


def test_reptiles_rate_falls_over_anneal_steps() -> None:
    """After one of four outer steps the same lifetimes move theta by three quarters as much, and after four not at all."""
    outer = build("reptile", num_tasks=2, num_streams=2, anneal_steps=4)
    state, step = outer.init(jax.random.key(0)), jax.jit(outer.step)
    distances = []
    for number in (0, 1, 4):
        after, _ = step(state._replace(extra=jnp.int32(number)), jax.random.key(1))
        distances.append(float(optax.tree.norm(optax.tree.sub(after.theta, state.theta))))
    assert distances[0] > 0
    np.testing.assert_allclose(distances, distances[0] * np.array([1.0, 0.75, 0.0]), rtol=1e-3)


def test_reptile_refuses_what_has_no_way_to_go() -> None:
    outer = build("reptile")
    with pytest.raises(ValueError, match="num_segments=1: nothing adapts"):
        dataclasses.replace(outer, protocol=outer.protocol._replace(num_segments=1))
    learned = dataclasses.replace(outer, inner=build("meta-sgd").inner)
    with pytest.raises(ValueError, match="can't learn the update rule RatePerParameter: use GradientDescent"):
        learned.init(jax.random.key(0))


@pytest.mark.slow
def test_task_weights_weigh_tasks() -> None:
    """The gradient is the mean of the tasks' own gradients, each with its weight over the mean weight."""
    weigh = lambda task: 0.2 + (task.goal[0] > 0)  # noqa: E731
    outer = dataclasses.replace(build("maml"), task_weight=weigh)
    state = outer.init(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), 4)
    equal = dataclasses.replace(outer, task_weight=None, num_tasks=1)
    task_keys = jax.vmap(jax.random.split)(keys)[:, 0]
    weights = np.array([float(weigh(POINTS.sample(jax.random.split(key)[0]))) for key in task_keys])
    assert len(set(weights)) == 2

    def gradient(outer: PPO, keys: jax.Array) -> np.ndarray:
        tree = jax.jit(lambda keys: outer.gradient(state.theta, outer.gather(state, keys)[0])[0])(keys)
        return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])

    each = np.stack([gradient(equal, keys[i : i + 1]) for i in range(4)])
    expected = (each * (weights / weights.mean())[:, None]).mean(0)
    np.testing.assert_allclose(gradient(outer, keys), expected, atol=1e-5)
    assert np.abs(each.mean(0) - expected).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["maml", "imaml", "meta-lstm"])
def test_rematerialised_inner_steps_have_the_same_gradient(name: str) -> None:
    outer = build(name, num_inner_steps=2)
    state = outer.init(jax.random.key(0))
    group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 4))
    kept, again = (jax.jit(dataclasses.replace(outer, rematerialise=r).gradient)(state.theta, group)[0] for r in (False, True))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), kept, again)


@pytest.mark.parametrize(
    ("algorithm", "setting", "message"),
    [
        ("maml", {"surrogate": "lvc"}, "surrogate='lvc': choose from low-variance-curvature, loaded-dice, naive"),
        ("maml", {"inner_optimizer": "rmsprop"}, "inner_optimizer='rmsprop': choose from sgd, momentum, adam"),
        ("maml", {"baseline": "none"}, "baseline='none': choose from linear, critic"),
        ("es-maml", {"adaptation": "climbing"}, "adaptation='climbing': choose from gradient, hill-climbing"),
        ("rl2-cma-es", {"covariance": "none"}, "covariance='none': choose from full, diagonal"),
    ],
)
def test_a_setting_that_is_none_of_its_choices_is_refused(algorithm: str, setting: dict[str, str], message: str):
    with pytest.raises(ValueError, match=message):
        ALGORITHMS[algorithm](POINTS, **setting)


@pytest.mark.slow
def test_the_surrogate_decides_the_meta_gradient():
    def norm(surrogate: str) -> float:
        outer = build("maml", surrogate=surrogate)

        @jax.jit
        def of_gradient() -> jax.Array:
            state = outer.init(jax.random.key(0))
            state = state._replace(theta=perturbed(state.theta))
            group, _ = outer.gather(state, jax.random.split(jax.random.key(1), outer.num_tasks))
            return optax.tree.norm(outer.gradient(state.theta, group)[0])

        return float(of_gradient())

    assert len({norm(name) for name in ("low-variance-curvature", "loaded-dice", "naive")}) == 3


SINGULAR = {
    "random MDP": TabularMDP(num_states=4, num_actions=2, horizon=10, num_episodes=2),
    "one-hot grid": GridNavi(size=3, horizon=5, sight="one-hot"),
    "long bandit": BernoulliBandit(5, 100),
}
"""Where features of the linear baseline determine each other; 20 streams are more than 255 steps of the bandit."""


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        pytest.param(name, tasks, marks=() if (name, tasks) == ("maml", "long bandit") else pytest.mark.slow)
        for name in ("maml", "reptile", "imaml", "e-maml", "maml-trpo", "promp")
        for tasks in SINGULAR
    ],
)
def test_one_hot_and_constant_observations_train(name: str, tasks: str) -> None:
    outer = ALGORITHMS[name](SINGULAR[tasks], widths=(4,), num_streams=20, num_tasks=2)
    state = outer.init(jax.random.key(0))
    after, metrics = jax.jit(outer.step)(state, jax.random.key(1))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.theta, metrics)))
    moved = jax.tree.map(lambda new, old: float(jnp.abs(new - old).max()), after.theta.weights, state.theta.weights)
    assert max(jax.tree.leaves(moved)) > 1e-6 or metrics.get("policy/refused")  # a trust region may refuse a step


@pytest.mark.slow
@pytest.mark.parametrize("name", ["promp", "maml"])
def test_later_epochs_follow_the_gradient_of_the_papers_objective(name: str) -> None:
    """ProMP's equation 12, written out: inner steps ascend ratios to the *recorded* probabilities, wherever theta has gone."""
    outer = build(name, num_epochs=3, **({"kl_coefficient": 0.0} if name == "promp" else {}))
    state = outer.init(jax.random.key(0))
    group, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 4))
    network, rate = outer.inner.network, outer.inner.rule.rates[0]
    segments = group.lifetimes.segments

    def log_probs(weights: PyTree, k: int, task: int) -> jax.Array:
        one = lambda o, a: network.apply(weights, o).distribution.log_prob(a)  # noqa: E731
        return jax.vmap(jax.vmap(one))(segments.timestep.observation[k, :, task], segments.action[k, :, task])

    def objective(theta: PyTree, task: int) -> jax.Array:
        first = jax.tree.map(lambda x: x[0, :, task], dataclasses.replace(segments, memory=()))
        advantage, _ = episodic_advantages(first, outer.inner.discount)
        inner = lambda w: jnp.mean(jnp.exp(log_probs(w, 0, task) - group.behaviour[0, :, task]) * advantage)  # noqa: E731
        adapted = jax.tree.map(lambda w, g: w + rate * g, theta, jax.grad(inner)(theta))
        ratio = jnp.exp(log_probs(adapted, 1, task) - group.behaviour[1, :, task])
        judged = group.credit.advantage[1, :, task]
        epsilon = outer.clip_epsilon
        return jnp.mean(jnp.minimum(ratio * judged, jnp.clip(ratio, 1 - epsilon, 1 + epsilon) * judged))

    def flat(tree: PyTree) -> np.ndarray:
        return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])

    papers = jax.jit(jax.grad(lambda w: sum(objective(w, task) for task in range(4)) / 4))
    ours = jax.jit(lambda theta: outer.gradient(theta, group)[0])
    for size in (0.0, 0.02, 0.1, 0.3):
        theta = state.theta._replace(weights=perturbed(state.theta.weights, size))
        expected, found = flat(papers(theta.weights)), -flat(ours(theta).weights)
        cosine = expected @ found / np.linalg.norm(expected) / np.linalg.norm(found)
        assert cosine > 0.9999, (size, cosine)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_promps_coefficient_follows_the_divergence() -> None:
    """It doubles where the divergence exceeds 1.5 times its target, halves below two thirds of it, and else stays."""
    key, coefficients = jax.random.key(1), {}
    for target in (1e-9, 1e3, None):
        outer = build("promp", num_epochs=2, target_kl=target, learning_rate=0.05)
        state, metrics = jax.jit(outer.step)(outer.init(jax.random.key(0)), key)
        assert float(metrics["policy/kl_coefficient"]) == pytest.approx(5e-4)
        coefficients[target] = float(state.extra.kl_coefficient)
    assert coefficients == pytest.approx({1e-9: 1e-3, 1e3: 2.5e-4, None: 5e-4})
    with pytest.raises(ValueError, match="target_kl=0: give a number above 0"):
        build("promp", target_kl=0)


def test_promps_coefficient_by_hand() -> None:
    """A target of 0.3: above 0.45 it doubles, below 0.2 it halves, and what is next to nothing, or nothing, can grow again."""
    outer = build("promp", target_kl=0.3)
    after = lambda coefficient, kl: float(outer.adapted(jnp.float32(coefficient), jnp.float32(kl)))  # noqa: E731
    assert [after(1.0, kl) for kl in (0.46, 0.44, 0.21, 0.19)] == [2.0, 1.0, 1.0, 0.5]
    assert after(0.0, 1.0) == after(1e-6, 0.0) == pytest.approx(LEAST_COEFFICIENT)
    assert after(LEAST_COEFFICIENT, 1.0) == pytest.approx(2 * LEAST_COEFFICIENT)


def test_what_would_learn_nothing_or_half_is_refused() -> None:
    with pytest.raises(ValueError, match=r"num_tasks=1: the second term's baseline is the mean of the other tasks"):
        build("e-maml", num_tasks=1)
    outer = build("maml-plus-plus")
    for changes in (
        {"segment_weights": (1.0, 1.0)},
        {"protocol": outer.protocol._replace(num_segments=1), "segment_weights": (1.0,)},
    ):
        with pytest.raises(ValueError, match=r"MAML\+\+ weighs the segments after inner steps by itself"):
            dataclasses.replace(outer, **changes)  # type: ignore[type-var]


def test_the_schedules_of_maml_plus_plus() -> None:
    outer = build("maml-plus-plus", num_inner_steps=4, multi_step_steps=10, first_order_steps=3)
    # at first 1 / 4 each; after 4 of 10 steps .6 / 4 = .15 each and 1 - 3 * .15 = .55; after 10 and later the last alone
    for step, expected in {0: [0, 0.25, 0.25, 0.25, 0.25], 4: [0, 0.15, 0.15, 0.15, 0.55], 10: [0, 0, 0, 0, 1]}.items():
        np.testing.assert_allclose(outer.annealed_weights(jnp.int32(step)), expected, atol=1e-6)
    np.testing.assert_allclose(outer.replace(multi_step_steps=0).annealed_weights(jnp.int32(0)), [0, 0, 0, 0, 1])
    # a cosine: 1 at first, 1 / 2 half-way, (1 - cos(pi / 4)) / 2 after three quarters, 0 at the end
    left = jax.vmap(outer.schedule)(jnp.array([1.0, 0.5, 0.25, 0.0]))
    np.testing.assert_allclose(left, [1.0, 0.5, 0.1464466, 0.0], atol=1e-6)
    with pytest.raises(ValueError, match="first_order_steps=-1: give a whole number of at least 0"):
        build("maml-plus-plus", first_order_steps=-1)


@pytest.mark.slow
def test_maml_plus_plus_weighs_segments_and_leaves_second_derivatives_out_at_first() -> None:
    outer = build("maml-plus-plus", num_inner_steps=2, multi_step_steps=4, first_order_steps=2, learning_rate=0.1)
    state = outer.init(jax.random.key(0))
    group, statistics = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 4))
    by_hand = PPO(**{field.name: getattr(outer, field.name) for field in dataclasses.fields(PPO)})

    for number, first_order, weights in (
        (1, True, (0.0, 0.375, 0.625)),
        (2, False, (0.0, 0.25, 0.75)),
        (5, False, (0.0, 0.0, 1.0)),
    ):
        now = state._replace(extra=state.extra._replace(num_steps=jnp.int32(number)))
        _, metrics = jax.jit(outer.improve)(now, group, statistics)
        plain = by_hand.replace(segment_weights=weights, inner=outer.inner.replace(first_order=first_order))
        gradient, _ = jax.jit(plain.gradient)(state.theta, group)
        np.testing.assert_allclose(metrics["gradient_norm"], optax.tree.norm(gradient), rtol=1e-4)
