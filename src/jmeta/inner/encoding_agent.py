"""Off-policy agents that encode their experience: PEARL and MQL."""

from typing import TypedDict

from typing_extensions import TypeVar

from jmeta.inner.off_policy import OffPolicyAgent
from jmeta.types import Memory, Phi, PyTree


class EncodingTheta(TypedDict):
    """Meta-parameters of an ``EncodingAgent``."""

    encoder: PyTree
    q_learner: PyTree  # policy and critics


EncodingThetaT = TypeVar("EncodingThetaT", bound=EncodingTheta)


class EncodingAgent(OffPolicyAgent[EncodingThetaT, Phi, Memory]):
    """An off-policy agent that encodes its experience for a policy and critics."""

    def target_parameters(self, theta: EncodingThetaT) -> PyTree:
        return self.q_learner.target_parameters(theta["q_learner"])

    def parts(self, theta: EncodingThetaT) -> PyTree:
        return {"encoder": "encoder", "q_learner": self.q_learner.parts(theta["q_learner"])}
