"""Named algorithms: documented compositions of an inner and an outer learner, one per file.

``ALGORITHMS`` is what the command line offers; each is a function of a task distribution and keyword arguments.
"""

from collections.abc import Callable

from jmeta.algorithms.anil import anil
from jmeta.algorithms.average import average
from jmeta.algorithms.cavia import cavia
from jmeta.algorithms.dqn import dqn
from jmeta.algorithms.e_maml import e_maml
from jmeta.algorithms.es_maml import es_maml
from jmeta.algorithms.fomaml import fomaml
from jmeta.algorithms.hypernetwork import hypernetwork
from jmeta.algorithms.imaml import imaml
from jmeta.algorithms.maml import maml
from jmeta.algorithms.maml_dqn import maml_dqn
from jmeta.algorithms.maml_plus_plus import maml_plus_plus
from jmeta.algorithms.maml_trpo import maml_trpo
from jmeta.algorithms.mann import mann
from jmeta.algorithms.meta_lstm import meta_lstm
from jmeta.algorithms.meta_sgd import meta_sgd
from jmeta.algorithms.mql import mql
from jmeta.algorithms.oracle import oracle
from jmeta.algorithms.pearl import pearl
from jmeta.algorithms.promp import promp
from jmeta.algorithms.recurrent_hypernetwork import recurrent_hypernetwork
from jmeta.algorithms.reptile import reptile
from jmeta.algorithms.rl2 import rl2
from jmeta.algorithms.rl2_cma_es import rl2_cma_es
from jmeta.algorithms.rl2_es import rl2_es
from jmeta.algorithms.sac import sac
from jmeta.algorithms.snail import snail
from jmeta.algorithms.task_inference import task_inference
from jmeta.algorithms.td3 import td3
from jmeta.algorithms.varibad import varibad
from jmeta.outer.base import OuterLearner

ALGORITHMS: dict[str, Callable[..., OuterLearner]] = {
    "anil": anil,
    "average": average,
    "cavia": cavia,
    "dqn": dqn,
    "e-maml": e_maml,
    "es-maml": es_maml,
    "fomaml": fomaml,
    "hypernetwork": hypernetwork,
    "imaml": imaml,
    "maml": maml,
    "maml-dqn": maml_dqn,
    "maml-plus-plus": maml_plus_plus,
    "maml-trpo": maml_trpo,
    "mann": mann,
    "meta-lstm": meta_lstm,
    "meta-sgd": meta_sgd,
    "mql": mql,
    "oracle": oracle,
    "pearl": pearl,
    "promp": promp,
    "recurrent-hypernetwork": recurrent_hypernetwork,
    "reptile": reptile,
    "rl2": rl2,
    "rl2-cma-es": rl2_cma_es,
    "rl2-es": rl2_es,
    "sac": sac,
    "snail": snail,
    "task-inference": task_inference,
    "td3": td3,
    "varibad": varibad,
}

__all__ = [
    "ALGORITHMS",
    "anil",
    "average",
    "cavia",
    "dqn",
    "e_maml",
    "es_maml",
    "fomaml",
    "hypernetwork",
    "imaml",
    "maml",
    "maml_dqn",
    "maml_plus_plus",
    "maml_trpo",
    "mann",
    "meta_lstm",
    "meta_sgd",
    "mql",
    "oracle",
    "pearl",
    "promp",
    "recurrent_hypernetwork",
    "reptile",
    "rl2",
    "rl2_cma_es",
    "rl2_es",
    "sac",
    "snail",
    "task_inference",
    "td3",
    "varibad",
]
