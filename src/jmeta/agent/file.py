"""Files of agents: weights and exported programs in one safetensors file, whose metadata is JSON.

Nothing in a file is executed but StableHLO, which JAX compiles; programs that call back into Python are refused. Its tensors are

    theta/0, theta/1, ...     the arrays of the meta-parameters
    programs/begin, ...       the bytes of each exported function, as ``jax.export.Exported.serialize`` writes them

and its metadata has the entry ``jmeta``: a JSON object with the format, the layout, the spaces, what is known of the agent's
training, the versions that wrote it, and a checksum of everything else.
"""

import dataclasses
import json
import os
import re
import tempfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import export

from jmeta.agent.agent import Agent
from jmeta.agent.programs import Layout, Programs, hash_arrays
from jmeta.agent.spaces import ActionBox, ObservationForm
from jmeta.observation_spaces import Categories, Numbers, ObservationSpace, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 2
"""Format 1 had no spaces of observations but plain numbers and one integer."""
PROGRAMS = ("begin", "act", "adapt", "extend")


def save_agent(agent: Agent, programs: Programs, path: str | PathLike[str]) -> None:
    """Writes an agent with these programs to a file; a file of that name is replaced when the new one is complete.

    Raises:
      OSError: if the file can't be written.
    """
    from safetensors.numpy import save

    tensors = {f"theta/{number}": np.array(x, order="C") for number, x in enumerate(agent.theta)}
    for name in PROGRAMS:
        program = getattr(programs, name)
        if program is not None:
            tensors[f"programs/{name}"] = np.frombuffer(bytes(program.serialize()), np.uint8)
    about = {
        "format": FORMAT,
        "layout": dataclasses.asdict(programs.layout),
        "observations": to_json(agent.observations.space),
        "actions": dataclasses.asdict(agent.actions),
        "about": agent.about,
        "platforms": list(programs.act.platforms),
        "versions": {"jax": jax.__version__, "calling_convention": programs.act.calling_convention_version},
    }
    about = json.loads(json.dumps(about))  # as it will be read
    content = save(tensors, metadata={"jmeta": json.dumps(about | {"checksum": _checksum(tensors, about)})})
    target = Path(path)
    if not target.name or target.is_dir():
        raise OSError(f"can't write {str(path)!r}: it is no name of a file; choose another path")
    partial = None
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            partial = Path(file.name)
            file.write(content)
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(target)
    except OSError as error:
        raise OSError(f"can't write {target}: {error.strerror or error}; choose another path") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


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
    if file.is_dir():
        raise FileNotFoundError(
            f"{file} is a directory: jmeta.load({str(file)!r}).agent() is the agent of a run, and `jmeta export {file} --out "
            "FILE` writes its file"
        )
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}; `jmeta export RUN --out FILE` writes one")
    tensors, about = _read(file)
    try:
        platforms = [str(platform) for platform in about["platforms"]]
        layout = Layout(**{**about["layout"], "recorded": tuple(about["layout"]["recorded"])})
        forms = (
            ObservationForm(_space(about["observations"])),
            ActionBox(**{k: _as_tuple(v) for k, v in about["actions"].items()}),
        )
        written_by, description = about["versions"]["jax"], dict(about["about"])
        serialized = {name: tensors.get(f"programs/{name}") for name in PROGRAMS}
        theta = [tensors[f"theta/{number}"] for number in range(sum(name.startswith("theta/") for name in tensors))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{file} is damaged (its metadata can't be used): write it again with `jmeta export`") from error
    names = {"gpu": ("cuda", "rocm")}.get(jax.default_backend(), (jax.default_backend(),))
    if not set(names) & set(platforms):
        raise ValueError(
            f"{file} has programs for {', '.join(platforms) or 'no platform'}, and this process runs on {names[0]}: export the "
            f"agent with --platforms {names[0]}, or set JAX_PLATFORMS to one that it has"
        )
    programs = {name: None if content is None else _program(file, content, written_by) for name, content in serialized.items()}
    needed = {"begin", "act", "extend"} | ({"adapt"} if layout.num_segments > 1 else set())
    if missing := sorted(name for name in needed if programs[name] is None):
        raise ValueError(f"{file} is damaged (it has no program {missing[0]!r}): write it again with `jmeta export`")
    return Agent(Programs(**programs, layout=layout), theta, *forms, about=description, **options)  # type: ignore[arg-type]


def _program(file: Path, content: np.ndarray, written_by: str) -> export.Exported:
    try:
        program = export.deserialize(bytearray(content.tobytes()))
        targets = re.findall(r"custom_call @([\w.]+)", program.mlir_module())
    except Exception as error:  # whatever flatbuffers or StableHLO make of another version's bytes
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ValueError(
            f"{file} was written by JAX {written_by}, and JAX {jax.__version__} can't read its programs ({reason}): install a "
            "version closer to it"
        ) from error
    if calls := sorted(target for target in targets if "callback" in target):
        raise ValueError(
            f"{file} has a program that calls back into Python ({calls[0]}), which no agent does: don't use the file"
        )
    return program


def _space(written: dict[str, Any]) -> ObservationSpace:
    if "num_values" not in written:
        return from_json(written)
    count = written["num_values"]  # format 1
    return Numbers(written["size"]) if count is None else Categories((count,))


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _read(file: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns tensors and metadata of a file, after checking both."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            written = (opened.metadata() or {}).get("jmeta")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except PermissionError as error:
        raise ValueError(f"{file} can't be read: {error.strerror or error}") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{file} is damaged or no file of an agent ({error}): write it again with `jmeta export`") from error
    if written is None:
        raise ValueError(f"{file} is a safetensors file, but no agent of jmeta's: `jmeta export RUN --out FILE` writes one")
    try:
        about = json.loads(written)
        version, checksum = about["format"], about.pop("checksum")
        if type(version) is not int or version < 1:
            raise ValueError(f"format {version!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is damaged (its metadata can't be read): write it again with `jmeta export`") from error
    if version > FORMAT:
        raise ValueError(f"{file} has format {version}, and this version of jmeta reads up to {FORMAT}: install a newer jmeta")
    if checksum != _checksum(tensors, about):
        raise ValueError(f"{file} is damaged (its content does not match its checksum): write it again with `jmeta export`")
    return tensors, about


def _checksum(tensors: "Mapping[str, np.ndarray]", about: dict[str, Any]) -> str:
    return hash_arrays(tensors, json.dumps(about, sort_keys=True).encode()).hexdigest()
