"""Names that a user may have meant, for messages about names that do not exist."""

import difflib
from collections.abc import Iterable

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    # Names that other libraries and papers use, in lower case and with hyphens, and the nearest names in jmeta.
    "a2c": ("average", "rl2"),
    "ppo": ("average", "rl2"),
    "policy-gradient": ("average", "rl2"),
    "ddpg": ("td3",),
    "trpo": ("maml-trpo",),
    "cma-es": ("rl2-cma-es",),
    "es": ("rl2-es", "es-maml"),
    "rl²": ("rl2",),
    "rl^2": ("rl2",),
    "rl-squared": ("rl2",),
    "gru": ("rl2",),
    "lstm": ("rl2",),
    "lr": ("learning-rate",),
    "outer-lr": ("learning-rate",),
    "inner-lr": ("inner-rates", "inner-rate"),
    "alpha": ("inner-rates", "inner-rate"),
    "gamma": ("discount",),
    "lambda": ("gae-lambda",),
    "entropy": ("entropy-coefficient",),
    "ent-coef": ("entropy-coefficient",),
    "clip": ("clip-epsilon",),
    "clip-range": ("clip-epsilon",),
    "steps": ("num-steps",),
    "iterations": ("num-steps",),
    "num-iterations": ("num-steps",),
    "meta-batch-size": ("num-tasks",),
    "batch-size": ("num-tasks",),
    "buffer-size": ("capacity",),
    "tau": ("target-update-rate",),
    "slow-rate": ("target-update-rate",),
    "num-collected": ("num-tasks",),
    "num-recent": ("num-contexts",),
    "trace": ("gae-lambda",),
    "moves": ("adapted-parts",),
    "normalize": ("normalize-observations", "normalize-rewards"),
    "output": ("out",),
    "out-dir": ("out",),
}


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns a message that asks whether the nearest name was meant, and lists all names."""
    names = list(names)
    there_are = f"here are: {', '.join(sorted(names))}"
    close = close_names(name, names)
    return f"did you mean {' or '.join(map(repr, close))}? T{there_are}" if close else f"t{there_are}"


def close_names(name: str, names: Iterable[str]) -> list[str]:
    """Returns the names that ``name`` may have meant.

    These are jmeta's own names for it; or else a name with almost the same spelling; or else the names that contain it as a
    word, as several contain "bandit"; or else the nearest in spelling. Capitals and underscores do not matter.
    """
    spelled = {_spelled(each): each for each in names}
    asked = _spelled(name)
    if other := [spelled[each] for each in OTHER_NAMES.get(asked, ()) if each in spelled]:
        return other
    near = difflib.get_close_matches(asked, spelled, n=1, cutoff=0.6)
    parts = sorted(whole for whole in spelled if asked in whole.split("-"))
    nearer = difflib.get_close_matches(asked, near, cutoff=0.8)
    return [spelled[each] for each in (nearer or parts or near)]


def _spelled(name: str) -> str:
    return name.lower().replace("_", "-")
