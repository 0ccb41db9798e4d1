"""Distinguishes errors that are messages for the user from faults in jmeta's or the user's code."""

import dis
import sysconfig
import traceback
from pathlib import Path
from types import FrameType, TracebackType

import jmeta

PACKAGE = Path(jmeta.__file__).resolve().parent
LIBRARIES = tuple(Path(path).resolve() for path in sysconfig.get_paths().values())


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
