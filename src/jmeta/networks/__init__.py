"""Networks: the NNX boundary, torsos, heads and recurrent cores."""

from jmeta.networks.context_encoders import ContextEncoder, EncoderName, MeanEmbedding, ProductOfGaussians, RecurrentContext
from jmeta.networks.core import Core, in_chunks
from jmeta.networks.cores import CoreName, check_core, make_core
from jmeta.networks.critics import TwinActionValues, TwinCritic
from jmeta.networks.episodic_lstm import EpisodicLSTM
from jmeta.networks.heads import Categorical, PolicyHead, TanhNormal, TanhNormalHead
from jmeta.networks.hypernetwork import Hypernetwork
from jmeta.networks.initializers import orthogonal
from jmeta.networks.linear import Linear
from jmeta.networks.linear_recurrence import LRU
from jmeta.networks.mann import MANN
from jmeta.networks.multi_categorical import MultiCategorical
from jmeta.networks.network import Network, from_nnx
from jmeta.networks.recurrent import GRU, LSTM
from jmeta.networks.snail import SNAIL
from jmeta.networks.soft_clip import inverse_soft_clip, soft_clip
from jmeta.networks.torsos import MLP, Convolutions
from jmeta.networks.transformer import Transformer

__all__ = [
    "GRU",
    "LRU",
    "LSTM",
    "MANN",
    "MLP",
    "SNAIL",
    "Categorical",
    "ContextEncoder",
    "Convolutions",
    "Core",
    "CoreName",
    "EncoderName",
    "EpisodicLSTM",
    "Hypernetwork",
    "Linear",
    "MeanEmbedding",
    "MultiCategorical",
    "Network",
    "PolicyHead",
    "ProductOfGaussians",
    "RecurrentContext",
    "TanhNormal",
    "TanhNormalHead",
    "Transformer",
    "TwinActionValues",
    "TwinCritic",
    "check_core",
    "from_nnx",
    "in_chunks",
    "inverse_soft_clip",
    "make_core",
    "orthogonal",
    "soft_clip",
]
