"""Environments of gymnax by name."""

import difflib
import functools
from collections.abc import Iterable
from typing import Any

import gymnax
import jax
from gymnax.environments.environment import Environment


@functools.cache
def make(env_id: str, **settings: Any) -> Environment:
    """Returns the cached instance of a registered environment with these settings of its constructor."""
    if env_id not in gymnax.registered_envs:
        raise unknown_name("env_id", env_id, "registered gymnax environment", gymnax.registered_envs)
    try:
        with jax.ensure_compile_time_eval():
            return gymnax.make(env_id, **settings)[0]
    except Exception as error:
        raise ValueError(f"env_id={env_id!r}: gymnax could not make it ({type(error).__name__}: {error})") from error


def unknown_name(setting: str, name: str, what: str, known: Iterable[str]) -> ValueError:
    """Returns an error that says which names there are, and which of them is nearest."""
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    return ValueError(f"{setting}: {name!r} is not a {what}{hint}: choose from {', '.join(known) or '(none)'}")
