"""The package gymnasium, an optional dependency of jmeta."""

import importlib.util
from typing import Any


def is_installed() -> bool:
    """Returns whether gymnasium can be imported."""
    return importlib.util.find_spec("gymnasium") is not None


def installed_gymnasium() -> Any:
    """Returns the module ``gymnasium``; raises ImportError that says how to install it."""
    try:
        import gymnasium
        import gymnasium.vector
    except ImportError as error:
        raise ImportError("gymnasium is not installed: pip install 'jmeta[gymnasium]'") from error
    return gymnasium
