"""Named algorithms: documented compositions of an inner and an outer learner, one per file.

``ALGORITHMS`` is what the command line offers; each is a function of a task distribution and keyword arguments.
"""

from collections.abc import Callable

from jmeta.algorithms.anil import anil as anil
from jmeta.algorithms.average import average as average
from jmeta.algorithms.base import AlgorithmSettings as AlgorithmSettings
from jmeta.algorithms.base import algorithm as algorithm
from jmeta.algorithms.cavia import cavia as cavia
from jmeta.algorithms.dqn import dqn as dqn
from jmeta.algorithms.e_maml import e_maml as e_maml
from jmeta.algorithms.es_maml import es_maml as es_maml
from jmeta.algorithms.fomaml import fomaml as fomaml
from jmeta.algorithms.hypernetwork import hypernetwork as hypernetwork
from jmeta.algorithms.imaml import imaml as imaml
from jmeta.algorithms.maml import maml as maml
from jmeta.algorithms.maml_dqn import maml_dqn as maml_dqn
from jmeta.algorithms.maml_plus_plus import maml_plus_plus as maml_plus_plus
from jmeta.algorithms.maml_trpo import maml_trpo as maml_trpo
from jmeta.algorithms.mann import mann as mann
from jmeta.algorithms.meta_lstm import meta_lstm as meta_lstm
from jmeta.algorithms.meta_sgd import meta_sgd as meta_sgd
from jmeta.algorithms.mql import mql as mql
from jmeta.algorithms.oracle import oracle as oracle
from jmeta.algorithms.pearl import pearl as pearl
from jmeta.algorithms.promp import promp as promp
from jmeta.algorithms.recurrent_hypernetwork import recurrent_hypernetwork as recurrent_hypernetwork
from jmeta.algorithms.reptile import reptile as reptile
from jmeta.algorithms.rl2 import rl2 as rl2
from jmeta.algorithms.rl2_cma_es import rl2_cma_es as rl2_cma_es
from jmeta.algorithms.rl2_es import rl2_es as rl2_es
from jmeta.algorithms.sac import sac as sac
from jmeta.algorithms.snail import snail as snail
from jmeta.algorithms.task_inference import task_inference as task_inference
from jmeta.algorithms.td3 import td3 as td3
from jmeta.algorithms.varibad import varibad as varibad
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
"""Algorithms by name, as the command line has them."""
