"""MAML: a meta-learned initialisation that adapts to a task by a few gradient steps (Finn et al. 2017, arXiv 1703.03400)."""

import jax

from jmeta import struct
from jmeta.axes import split_axis
from jmeta.inner.gradient_agent import GradientAgent, Initialisation, TaskWeights
from jmeta.objectives import mixed_mode_grad
from jmeta.types import Empty, Protocol, Segment


@struct.dataclass
class MAML(GradientAgent):
    """Adapts a policy by policy-gradient steps from a meta-learned initialisation.

    An inner step applies an update rule, in the simplest case ``weights <- weights - rate * grad L(weights)``, where L is minus
    the surrogate of the segment's advantages, averaged over steps. The meta-gradient differentiates the surrogate twice. Whether
    its *second* derivative is unbiased depends on the surrogate: see ``jmeta.objectives.surrogates``.

    References:
      Finn et al. 2017, arXiv 1703.03400.
    """

    def memory_remedies(self, protocol: Protocol) -> tuple[str, ...]:
        if self.stream_chunks == protocol.num_streams:
            return ()
        chunked = "" if self.mixed_mode else " with mixed_mode=True"
        return (f"more than stream_chunks={self.stream_chunks}, up to num_streams={protocol.num_streams}{chunked}",)

    def adapt(
        self, theta: Initialisation, phi: TaskWeights, memory: Empty, segment: Segment, key: jax.Array
    ) -> tuple[TaskWeights, Empty]:
        data, frozen = self.shared_out(self.judge(segment)), self.frozen(theta.weights)
        if not self.mixed_mode:
            gradient = jax.grad(self.loss)(phi.weights, frozen, data)
        elif self.stream_chunks == 1:
            gradient = mixed_mode_grad(self.loss)(phi.weights, frozen, data)
        else:
            gradient = mixed_mode_grad(self.loss, chunked=True)(phi.weights, frozen, split_axis(data, 1, self.stream_chunks))
        if self.first_order:
            gradient = jax.lax.stop_gradient(gradient)
        weights, state = self.rule.update(
            theta.rule, phi.rule_state, phi.weights, gradient, -segment.reward.mean(), phi.num_updates
        )
        return TaskWeights(weights, state, phi.num_updates + 1), memory
