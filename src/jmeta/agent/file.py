"""Files of agents: weights and exported programs in one safetensors file, whose metadata is JSON.

Nothing in a file is executed when it is loaded but StableHLO, which JAX compiles. Its tensors are

    theta/0, theta/1, ...     the arrays of the meta-parameters
    programs/begin, ...       the bytes of each exported function, as ``jax.export.Exported.serialize`` writes them

and its metadata has the entry ``jmeta``: a JSON object with the format, the layout, the spaces, what is known of the agent's
training, the versions that wrote it, and a checksum of all tensors.
"""

import dataclasses
import hashlib
import json
import os
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import export

from jmeta.agent.agent import Agent
from jmeta.agent.programs import Layout, Programs
from jmeta.agent.spaces import ActionBox, ObservationForm

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
PROGRAMS = ("begin", "act", "adapt", "extend")


def save_agent(agent: Agent, programs: Programs, path: str | PathLike[str]) -> None:
    """Writes an agent with these programs to a file; a file of that name is replaced when the new one is complete.

    Raises:
      OSError: if the file can't be written.
    """
    from safetensors.numpy import save

    tensors = {f"theta/{number}": np.ascontiguousarray(x) for number, x in enumerate(agent.theta)}
    for name in PROGRAMS:
        program = getattr(programs, name)
        if program is not None:
            tensors[f"programs/{name}"] = np.frombuffer(bytes(program.serialize()), np.uint8)
    about = {
        "format": FORMAT,
        "layout": dataclasses.asdict(programs.layout),
        "observations": dataclasses.asdict(agent.observations),
        "actions": dataclasses.asdict(agent.actions),
        "about": agent.about,
        "platforms": list(programs.act.platforms),
        "versions": {"jax": jax.__version__, "calling_convention": programs.act.calling_convention_version},
        "checksum": _checksum(tensors),
    }
    content = save(tensors, metadata={"jmeta": json.dumps(about)})
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(f"can't write {target}: {error.strerror or error}; choose another path") from error


def load_agent(path: str | PathLike[str], **options: Any) -> Agent:
    """Loads an agent from a file that ``Agent.save`` wrote.

    This needs JAX, NumPy, safetensors and flatbuffers alone, and imports no code for training.

    Args:
      path: the file.
      **options: those of ``Agent``: num_tasks, num_envs, greedy and action_bounds.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is damaged, no file of an agent, of a newer version, or has no programs for this machine's platform.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}; `jmeta export RUN --out FILE` writes one")
    tensors, about = _read(file)
    platform = jax.default_backend().replace("gpu", "cuda")
    if platform not in about["platforms"]:
        raise ValueError(
            f"{file} has programs for {', '.join(about['platforms'])}, and this process runs on {platform}: save the agent "
            f"with platforms=({platform!r},), or set JAX_PLATFORMS={about['platforms'][0]}"
        )
    try:
        programs = {
            name: export.deserialize(bytearray(tensors[f"programs/{name}"].tobytes())) if f"programs/{name}" in tensors else None
            for name in PROGRAMS
        }
    except Exception as error:  # whatever flatbuffers or StableHLO make of another version's bytes
        raise ValueError(
            f"{file} was written by JAX {about['versions']['jax']}, and JAX {jax.__version__} can't read its programs "
            f"({str(error).splitlines()[0][:200] if str(error) else type(error).__name__}): install a version closer to it"
        ) from error
    theta = [tensors[f"theta/{number}"] for number in range(sum(name.startswith("theta/") for name in tensors))]
    layout = Layout(**{**about["layout"], "recorded": tuple(about["layout"]["recorded"])})
    actions: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in about["actions"].items()
    }
    return Agent(
        Programs(**programs, layout=layout),  # type: ignore[arg-type]
        theta,
        ObservationForm(**about["observations"]),
        ActionBox(**actions),
        about=about["about"],
        **options,
    )


def _read(file: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns tensors and metadata of a file, after checking both."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            written = (opened.metadata() or {}).get("jmeta")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{file} is damaged or no file of an agent ({error}): write it again with `jmeta export`") from error
    if written is None:
        raise ValueError(f"{file} is a safetensors file, but no agent of jmeta's: `jmeta export RUN --out FILE` writes one")
    try:
        about = json.loads(written)
        version = about["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged (its metadata can't be read): write it again with `jmeta export`") from error
    if version > FORMAT:
        raise ValueError(f"{file} has format {version}, and this version of jmeta reads up to {FORMAT}: install a newer jmeta")
    if about.get("checksum") != _checksum(tensors):
        raise ValueError(f"{file} is damaged (its content does not match its checksum): write it again with `jmeta export`")
    return tensors, about


def _checksum(tensors: "Mapping[str, np.ndarray]") -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
