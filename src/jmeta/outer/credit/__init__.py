"""Credit assignment: advantages and value targets of the decisions of a lifetime.

``LifetimeCritic`` uses a learned critic and assigns credit across episodes up to the end of the lifetime, so exploration in the
first episode is credited with rewards of the last. It is for learners that adapt through their memory. ``EpisodeBaseline`` fits
a linear baseline to each task's data and assigns credit within the episode. It is for learners that adapt between segments;
``Exploration`` adds credit for the data of an adaptation. ``EpisodeCritic`` is the critic for learners that do not adapt at all.
"""

from jmeta.outer.credit.base import Credit, CreditAssignment
from jmeta.outer.credit.baselines import EpisodeBaseline
from jmeta.outer.credit.critics import CreditSpanSettings, CriticSettings, EpisodeCritic, LifetimeCritic, SharedCritic, critic
from jmeta.outer.credit.exploration import Exploration
from jmeta.outer.credit.return_scale import ReturnScale

__all__ = [
    "Credit",
    "CreditAssignment",
    "CreditSpanSettings",
    "CriticSettings",
    "EpisodeBaseline",
    "EpisodeCritic",
    "Exploration",
    "LifetimeCritic",
    "ReturnScale",
    "SharedCritic",
    "critic",
]
