"""Outer learners, which train meta-parameters over a distribution of tasks. ``OuterLearner`` is their interface."""

from jmeta.outer.ask_tell import AskTell
from jmeta.outer.base import OuterLearner
from jmeta.outer.belief_ppo import BeliefPPO
from jmeta.outer.credit import (
    Credit,
    CreditAssignment,
    EpisodeBaseline,
    EpisodeCritic,
    Exploration,
    LifetimeCritic,
    SharedCritic,
)
from jmeta.outer.evolution import OpenAIES
from jmeta.outer.maml_plus_plus import MAMLPlusPlus
from jmeta.outer.matrix_cma import MatrixCMA
from jmeta.outer.normalised import Normalising
from jmeta.outer.off_policy import OffPolicy
from jmeta.outer.on_policy import OnPolicy
from jmeta.outer.population import Evolution
from jmeta.outer.ppo import PPO
from jmeta.outer.promp import ProMP
from jmeta.outer.reptile import Reptile
from jmeta.outer.terms import Record, Term
from jmeta.outer.trust_region import TrustRegion

__all__ = [
    "PPO",
    "AskTell",
    "BeliefPPO",
    "Credit",
    "CreditAssignment",
    "EpisodeBaseline",
    "EpisodeCritic",
    "Evolution",
    "Exploration",
    "LifetimeCritic",
    "MAMLPlusPlus",
    "MatrixCMA",
    "Normalising",
    "OffPolicy",
    "OnPolicy",
    "OpenAIES",
    "OuterLearner",
    "ProMP",
    "Record",
    "Reptile",
    "SharedCritic",
    "Term",
    "TrustRegion",
]
