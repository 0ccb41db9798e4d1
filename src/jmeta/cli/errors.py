"""Distinguishes errors that are messages for the user from faults in jmeta's or the user's code, and reports both."""

import dis
import sysconfig
import traceback
from pathlib import Path
from types import FrameType, TracebackType

import jax

from jmeta.cli.console import PACKAGE, say_error
from jmeta.cli.status import FAILURE, USAGE_ERROR

LIBRARIES = tuple(Path(path).resolve() for path in sysconfig.get_paths().values())
REMEDIES = {
    jax.errors.TracerBoolConversionError: "This function is compiled, so an `if`, `while` or `and` can't depend on an array: "
    "write jnp.where(condition, a, b) or jax.lax.cond, and & and | for `and` and `or`",
    jax.errors.TracerIntegerConversionError: "This function is compiled, so a list or a range can't be indexed by an array: "
    "write jnp.asarray(values)[index]",
    jax.errors.TracerArrayConversionError: "This function is compiled, so NumPy can't read its arrays: use jax.numpy",
    jax.errors.ConcretizationTypeError: "This function is compiled, so int(), float() and shapes can't depend on an array: use "
    "x.astype(dtype), and fixed shapes",
}
USER_ERRORS = (ValueError, OSError, ModuleNotFoundError, FloatingPointError)


def report(error: Exception) -> int:
    """Prints an error that ended a command, a fault with its traceback, and returns the exit status. Call it in ``except``."""
    if not is_message(error) and (own_frame(error) or not isinstance(error, USER_ERRORS) or isinstance(error, ValueError)):
        traceback.print_exc()
        say_error("error", _whose_it_is(error))
        return FAILURE
    say_error("error:", str(error))
    return USAGE_ERROR if isinstance(error, ValueError) else FAILURE


def _whose_it_is(error: Exception) -> str:
    """Returns where in the user's own code the error comes from, or that it is a fault of jmeta's."""
    if frame := own_frame(error) or (error.__cause__ and own_frame(error.__cause__)):
        remedy = next((f" {text}" for kind, text in REMEDIES.items() if isinstance(error, kind)), "")
        return f"in your own code, {frame.filename}, line {frame.lineno}, in {frame.name}: {_short(error)}{remedy}"
    return f"{type(error).__name__} inside jmeta, not in your code: please report it with the lines above"


def _short(error: BaseException) -> str:
    """Returns an error's type and message; of JAX's errors of tracing, whose messages say where jmeta traces, the first line."""
    message = str(error).splitlines()[0].rstrip(".") + "." if isinstance(error, tuple(REMEDIES)) else str(error)
    return f"{type(error).__name__}: {message}"


def is_message(error: BaseException) -> bool:
    """Returns whether jmeta raised this error on purpose, to tell the user what to do."""
    return _raised_by_jmeta(error) and (error.__cause__ is None or own_frame(error.__cause__) is None)


def own_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Returns the innermost frame in the user's own code, which is not jmeta's, a library's or Python's."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if _is_own(frame):
            found = traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)
    return found


def _is_own(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    if name.startswith("<"):  # <frozen importlib>, <string>
        return False
    path = Path(name).resolve()
    return not any(path.is_relative_to(place) for place in (PACKAGE, *LIBRARIES))


def _raised_by_jmeta(error: BaseException) -> bool:
    """Returns whether the innermost frame is jmeta's and stands at a ``raise``."""
    last: TracebackType | None = error.__traceback__
    if last is None:
        return False
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code
    inside = Path(code.co_filename).resolve().is_relative_to(PACKAGE)
    return inside and code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]
