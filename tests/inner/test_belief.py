"""Beliefs: what they are learned from, against the same computed by hand."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jmeta
from jmeta.inner.belief import Record, choose
from jmeta.inner.varibad import VariBAD
from jmeta.networks import from_nnx
from jmeta.networks.beliefs import Belief
from jmeta.networks.decoders import OneStateReward, PairMLP
from jmeta.tasks import BernoulliBandit, SparsePointNavigation
from jmeta.types import Lifetime, PyTree, Segment, Timestep

LENGTH = 6


def learner(algorithm: str = "varibad", **fields: Any) -> Any:
    tasks = SparsePointNavigation(horizon=3, episodes=2)
    settings = {"hidden_size": 8, "num_tasks": 4, "num_minibatches": 2, "belief_batch_size": 4} | fields
    return jmeta.algorithms.ALGORITHMS[algorithm](tasks, **settings)


def lived(outer: Any, reward: Any = None) -> tuple[PyTree, Record]:
    """A theta some way from its beginning, and one record, with these rewards if they are given."""
    state = jax.jit(outer.init)(jax.random.key(0))
    theta = jax.tree.map(lambda x: x + 0.3 * jax.random.normal(jax.random.key(x.size), x.shape), state.theta)
    state = state._replace(theta=theta)
    gather = jax.jit(lambda state, keys: outer.records(outer.gather(state, keys)[0]))
    record = jax.tree.map(lambda x: x[0], gather(state, jax.random.split(jax.random.key(1), 4)))
    return theta, record if reward is None else dataclasses.replace(record, reward=jnp.asarray(reward, jnp.float32))


def test_a_pair_of_inputs_is_decoded_as_if_they_were_one_vector() -> None:
    network = from_nnx(lambda rngs: PairMLP(3, 2, (5, 4), 2, rngs=rngs))
    p = jax.tree.map(np.asarray, network.init(jax.random.key(0)))
    latents, inputs = np.random.default_rng(0).normal(size=(3, 2)), np.random.default_rng(1).normal(size=(4, 3))
    got = network.apply(p, jnp.asarray(latents, jnp.float32), jnp.asarray(inputs, jnp.float32))
    kernel = np.concatenate([p["of_latent"]["kernel"], p["of_input"]["kernel"]])
    for i, latent in enumerate(latents):
        for j, x in enumerate(inputs):
            hidden = np.maximum(np.concatenate([latent, x]) @ kernel + p["of_input"]["bias"], 0)
            layer = p["hidden"]["layers"][0]
            hidden = np.maximum(hidden @ layer["kernel"] + layer["bias"], 0)
            np.testing.assert_allclose(got[i, j], hidden @ p["output"]["kernel"] + p["output"]["bias"], atol=1e-5)


@pytest.mark.parametrize("reward_decoder", ["step", "arrival"])
def test_a_reward_may_depend_on_where_a_step_leads_alone(reward_decoder: str) -> None:
    """Then nothing of where it came from or what was done gives the goal away."""
    inner: VariBAD = learner(reward_decoder=reward_decoder).inner
    theta = inner.init(jax.random.key(0))
    latent, before, action, after = jnp.ones((1, 5)), jnp.ones((1, 2)), jnp.ones((1, 2)), jnp.ones((1, 2))
    gradients = jax.grad(lambda *step: inner.decoder.apply(theta["decoder"], *step)[0].sum(), argnums=(0, 1, 2, 3))
    of_latent, of_before, of_action, of_after = (np.abs(x).max() for x in gradients(latent, before, action, after))
    assert min(of_latent, of_after) > 0
    alone = reward_decoder == "arrival"
    assert ((of_before == 0), (of_action == 0)) == (alone, alone)


def test_states_share_one_probability_of_paying() -> None:
    """What one state pays is a softmax over all, so finding one lowers the others; sure beliefs stay finite."""
    network = from_nnx(lambda rngs: OneStateReward(4, 2, (8,), rngs=rngs))
    theta = network.init(jax.random.key(0))
    latents, states = jax.random.normal(jax.random.key(1), (3, 2)), jnp.eye(4)
    pays = jnp.exp(network.apply(theta, latents, states, states))
    np.testing.assert_allclose(pays.sum(-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(pays[..., 1].sum(-1), 1.0, atol=1e-6)

    def surprise(bias: jax.Array) -> jax.Array:
        sure = theta | {"output": theta["output"] | {"bias": bias}}
        return -network.apply(sure, latents, states, states)[..., 0].min()

    value, gradient = jax.value_and_grad(surprise)(jnp.array([60.0, 0.0, 0.0, 0.0]))
    assert 50 < value < 70  # "this state pays" is all but certain, and it did not
    assert gradient[0] == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("reward_values", [(), (0.0, 1.0)])
def test_the_bound_is_the_sum_over_the_whole_lifetime_of_every_belief(reward_values: tuple[float, ...]) -> None:
    """Belief by belief and step by step, each decoded alone."""
    outer = learner(reward_values=reward_values, kl_weight=0.3)
    inner: VariBAD = outer.inner
    theta, record = lived(outer, [0, 1, 0, 0, 1, 1])
    key = jax.random.key(5)
    loss, metrics = jax.jit(inner.belief_loss)(theta, record, key)
    mean, log_variance = (np.asarray(x, np.float64) for x in inner.beliefs(theta, record.timesteps))
    noise = np.asarray(jax.random.normal(jax.random.split(key, 3)[2], mean.shape))
    latents = jnp.asarray(mean + np.exp(log_variance / 2) * noise, jnp.float32)
    total, kls = 0.0, []
    decode = jax.jit(inner.decoder.apply)
    assert len(mean) == LENGTH + 1
    for t in range(LENGTH + 1):
        before = (mean[t - 1], log_variance[t - 1]) if t else (np.zeros(5), np.zeros(5))
        ratio = np.exp(log_variance[t] - before[1])
        kl = 0.5 * (before[1] - log_variance[t] + ratio + (mean[t] - before[0]) ** 2 / np.exp(before[1]) - 1).sum()
        kls.append(kl)
        total -= 0.3 * kl
        for i in range(LENGTH):
            at = slice(i, i + 1)
            reward, following = decode(
                theta["decoder"],
                latents[t][None],
                record.timestep.observation[at],
                record.action[at],
                record.next_observation[at],
            )
            if reward_values:
                logits = np.asarray(reward[0, 0], np.float64)
                total += logits[int(record.reward[i])] - np.log(np.exp(logits).sum())
            else:
                total -= 0.5 * (float(reward[0, 0, 0]) - float(record.reward[i])) ** 2
            total -= 0.5 * np.square(np.asarray(following[0, 0]) - np.asarray(record.next_observation[i])).sum()
    assert float(loss) == pytest.approx(-total / (LENGTH + 1) / LENGTH, rel=1e-4)
    assert float(metrics["belief/kl"]) == pytest.approx(np.mean(kls), rel=1e-4)


@pytest.mark.slow
def test_drawing_some_beliefs_and_steps_estimates_the_whole() -> None:
    """Unbiased: the mean over 2,000 draws of 2 beliefs x 3 steps, within 4 standard errors. Latents hardly vary."""
    whole, some = learner(), learner(num_beliefs=2, num_decoded=3)
    theta, record = lived(whole, [0, 1, 0, 0, 1, 1])
    head = theta["encoder"]["heads"]["log_variance"]
    theta["encoder"]["heads"]["log_variance"] = jax.tree.map(lambda x: jnp.zeros_like(x) - 5.0, head)
    exact = float(jax.jit(whole.inner.belief_loss)(theta, record, jax.random.key(0))[0])
    keys = jax.random.split(jax.random.key(1), 2000)
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: some.inner.belief_loss(theta, record, key)[0]))(keys))
    assert drawn.std() > 0
    assert abs(drawn.mean() - exact) < 4 * drawn.std() / np.sqrt(2000) + 1e-3 * abs(exact)


def test_policy_and_critic_see_the_clock_which_stops_when_the_lifetime_is_over() -> None:
    """One timestep, one belief, and four times of the day."""
    agent = learner().inner
    theta = agent.init(jax.random.key(0))
    _, record = lived(learner(), [0] * LENGTH)
    timestep = jax.tree.map(lambda x: x[0], record.timestep)
    memory = agent.initial_memory(theta)
    at = lambda time: agent.act(theta, (), memory._replace(num_steps=jnp.float32(time)), timestep)[0]  # noqa: E731
    early, late, over, long_over = (at(time) for time in (0, LENGTH // 2, LENGTH, 3 * LENGTH))
    assert float(early.value) != float(late.value) != float(over.value)
    leaves = [jax.tree.leaves(decision.distribution) for decision in (early, late)]
    assert any(np.abs(a - b).max() > 1e-6 for a, b in zip(*leaves, strict=True))
    assert float(over.value) == float(long_over.value)


@pytest.mark.parametrize("algorithm", ["varibad", "task-inference"])
def test_a_belief_sees_what_an_episode_ends_with(algorithm: str) -> None:
    """And not what the next one begins with, which the policy sees; a lifetime's last record is after its last step."""
    outer = learner(algorithm)
    theta, record = lived(outer)
    end, anew = record.timestep.arrival[3], record.timestep.observation[3]
    np.testing.assert_array_equal(end, record.next_observation[2])
    assert bool(record.timestep.first[3])
    assert np.abs(end - anew).max() > 0.01
    after = jax.tree.map(lambda x: x[-1], record.timesteps)
    expected = (record.next_observation[-1], record.action[-1], record.reward[-1], True, record.next_observation[-1])
    jax.tree.map(np.testing.assert_array_equal, tuple(after), expected)

    change = lambda x: x.at[3].add(0.5)  # noqa: E731
    beliefs, unroll = jax.jit(outer.inner.beliefs), jax.jit(outer.inner.unroll)
    timesteps, memory = record.timesteps, outer.inner.initial_memory(theta)
    elsewhere = timesteps._replace(observation=change(timesteps.observation))
    otherwise = timesteps._replace(arrival=change(timesteps.arrival))
    before, same, moved = (beliefs(theta, x).mean for x in (timesteps, elsewhere, otherwise))
    np.testing.assert_array_equal(before, same)
    assert np.abs(before - moved)[3:].min() > 0 == np.abs(before - moved)[:3].max()
    values = [unroll(theta, (), memory, x)[0].value for x in (timesteps, elsewhere)]
    assert [t for t in range(LENGTH + 1) if values[0][t] != values[1][t]] == [3]


def test_the_likelihood_of_a_reward_without_values_is_a_gaussian_of_variance_one() -> None:
    """Rewards of 1 and 2 under a decoded 3: -(3 - 1)^2 / 2 and -(3 - 2)^2 / 2, up to a constant."""
    found = learner().inner.reward_log_likelihood(jnp.full((1, 2, 1), 3.0), jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(found, [[-2.0, -0.5]])


def test_choosing_steps() -> None:
    np.testing.assert_array_equal(choose(jax.random.key(0), 4, None), [0, 1, 2, 3])
    np.testing.assert_array_equal(choose(jax.random.key(0), 4, 9), [0, 1, 2, 3])
    some = np.asarray(choose(jax.random.key(0), 10, 4))
    assert len(set(some)) == 4
    assert (np.diff(some) > 0).all()


@pytest.mark.slow
def test_labels_are_made_likely() -> None:
    outer = learner("task-inference")
    theta, record = lived(outer)
    mean, log_variance = (np.asarray(x, np.float64) for x in outer.inner.beliefs(theta, record.timesteps))
    description = np.asarray(record.description, np.float64)
    assert np.linalg.norm(description) == pytest.approx(1.0, abs=1e-5)  # the goal, on the unit circle
    expected = -scipy.stats.norm.logpdf(description, mean, np.exp(log_variance / 2)).sum(-1).mean()
    assert float(outer.inner.belief_loss(theta, record, jax.random.key(0))[0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [("varibad", {}), ("varibad", {"hypernetwork": True, "policy_widths": (6,)}), ("task-inference", {})],
    ids=["varibad", "hypernetwork", "task-inference"],
)
def test_policy_and_belief_learn_from_different_things(algorithm: str, fields: dict[str, Any]) -> None:
    outer = learner(algorithm, **fields)
    theta, record = lived(outer)
    state = outer.init(jax.random.key(0))._replace(theta=theta)
    experience, _ = jax.jit(outer.gather)(state, jax.random.split(jax.random.key(1), 4))
    of_policy = jax.jit(outer.gradient)(theta, experience)[0]
    of_belief = jax.jit(jax.grad(outer.inner.belief_loss, has_aux=True))(theta, record, jax.random.key(0))[0]
    is_zero = lambda tree: all(not np.any(x) for x in jax.tree.leaves(tree))  # noqa: E731
    assert is_zero({name: part for name, part in of_policy.items() if name != "policy"})
    assert is_zero(of_belief["policy"])
    assert not is_zero(of_policy["policy"])
    assert not is_zero(of_belief["encoder"])


def test_what_is_refused() -> None:
    tasks = BernoulliBandit()
    for fields, said in (
        ({"latent_size": 0}, "latent_size=0"),
        ({"decoder_widths": ()}, "at least one hidden layer"),
        ({"reward_values": (1.0,)}, "nothing to predict"),
        ({"num_decoded": 0}, "num_decoded=0"),
        ({"num_tasks": 96, "belief_batch_size": 64}, "a belief batch of 64"),
        ({"buffer_steps": 0}, "buffer_steps=0"),
        ({"policy_widths": (0,)}, "policy_widths"),
        ({"core": "elman"}, "choose from gru"),
    ):
        with pytest.raises(ValueError, match=said):
            jmeta.algorithms.varibad(tasks, **fields)
    with pytest.raises(ValueError, match="does not describe its tasks"):
        jmeta.algorithms.task_inference(Undescribed())


class Undescribed(BernoulliBandit):
    def describe(self, task: PyTree) -> jax.Array:
        return jnp.zeros(0, jnp.float32)


def test_a_record_is_a_lifetime_and_what_is_known_after_its_last_step() -> None:
    """Numbers tell steps apart: step t sees t, does action t, is paid 10 + t, and leads to 100 + t; the last ends an episode."""
    outer = jmeta.algorithms.varibad(BernoulliBandit(num_arms=2, num_pulls=3), hidden_size=4, num_tasks=8, belief_batch_size=8)
    steps = jnp.arange(3.0).reshape(1, 3, 1)
    action = jnp.array([0, 1, 1]).reshape(1, 3, 1)
    timestep = Timestep(steps[..., None], jnp.zeros((1, 3, 1, 2)), 9.0 + steps, steps == 0, 99.0 + steps[..., None])
    done = steps == 2
    segment = Segment((), timestep, action, 10.0 + steps, done, ~done & False, 100.0 + steps[..., None], ())  # type: ignore[arg-type]
    task = outer.tasks.sample(jax.random.key(0))
    record = outer._record(task, Lifetime(segment, ()))  # type: ignore[arg-type]
    np.testing.assert_array_equal(record.reward, [10.0, 11.0, 12.0])
    np.testing.assert_array_equal(record.next_observation[:, 0], [100.0, 101.0, 102.0])
    np.testing.assert_array_equal(record.action, [[1, 0], [0, 1], [0, 1]])
    np.testing.assert_array_equal(record.timesteps.observation[:3, 0], [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(record.timesteps.arrival[:, 0], [99.0, 100.0, 101.0, 102.0])
    np.testing.assert_array_equal(record.timesteps.previous_reward, [9.0, 10.0, 11.0, 12.0])
    np.testing.assert_array_equal(record.timesteps.previous_action[3], [0, 1])
    np.testing.assert_array_equal(record.timesteps.first, [True, False, False, True])
    np.testing.assert_array_equal(record.description, outer.tasks.describe(task))


def test_what_may_be_so_has_the_variance_of_the_belief() -> None:
    """Mean 3 and log-variance log 4: 4,000 draws of standard deviation 2, within 4 standard errors."""
    drawn = np.asarray(Belief(jnp.array([3.0]), jnp.log(jnp.array([4.0]))).sample(jax.random.key(0), (4000,)))
    assert drawn.mean() == pytest.approx(3.0, abs=4 * 2 / np.sqrt(4000))
    assert drawn.std() == pytest.approx(2.0, abs=4 * 2 / np.sqrt(8000))
