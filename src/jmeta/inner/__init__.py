"""Inner learners: agents that adapt to a task.

``InnerLearner`` is the base class. ``InContextLearner`` is the base class of learners that adapt only through memory.
"""

from jmeta.inner.base import InContextLearner, InnerLearner
from jmeta.inner.belief import BeliefAgent
from jmeta.inner.discrete_sac import DiscreteSAC
from jmeta.inner.dqn import DQN
from jmeta.inner.fixed_policy import FixedPolicy
from jmeta.inner.generated_policy import GeneratedPolicy
from jmeta.inner.imaml import IMAML
from jmeta.inner.maml import MAML
from jmeta.inner.maml_dqn import MAMLDQN
from jmeta.inner.meta_lstm import LSTMRule
from jmeta.inner.mql import MQL
from jmeta.inner.normalised import Normalised
from jmeta.inner.off_policy import OffPolicyAgent, Reactive
from jmeta.inner.pearl import PEARL
from jmeta.inner.q_learner import QLearner
from jmeta.inner.rl2 import RL2
from jmeta.inner.sac import SAC
from jmeta.inner.task_inference import TaskInference
from jmeta.inner.td3 import TD3
from jmeta.inner.update_rules import GradientDescent, RatePerParameter, RatePerStep, UpdateRule
from jmeta.inner.varibad import VariBAD
from jmeta.inner.zero_order import EvolutionGradient, HillClimbing, ZeroOrder
from jmeta.networks.beliefs import Belief

__all__ = [
    "DQN",
    "IMAML",
    "MAML",
    "MAMLDQN",
    "MQL",
    "PEARL",
    "RL2",
    "SAC",
    "TD3",
    "Belief",
    "BeliefAgent",
    "DiscreteSAC",
    "EvolutionGradient",
    "FixedPolicy",
    "GeneratedPolicy",
    "GradientDescent",
    "HillClimbing",
    "InContextLearner",
    "InnerLearner",
    "LSTMRule",
    "Normalised",
    "OffPolicyAgent",
    "QLearner",
    "RatePerParameter",
    "RatePerStep",
    "Reactive",
    "TaskInference",
    "UpdateRule",
    "VariBAD",
    "ZeroOrder",
]
