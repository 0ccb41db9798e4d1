"""Networks: the NNX boundary, torsos, heads and recurrent cores."""

from jmeta.networks.heads import MLP, PolicyHead
from jmeta.networks.initializers import orthogonal
from jmeta.networks.network import Network, from_nnx
from jmeta.networks.recurrent import GRU

__all__ = ["GRU", "MLP", "Network", "PolicyHead", "from_nnx", "orthogonal"]
