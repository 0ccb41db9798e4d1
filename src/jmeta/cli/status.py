"""Exit statuses of the command line."""

USAGE_ERROR, FAILURE = 2, 1
INTERRUPTED, TERMINATED = 130, 143  # 128 + the signal's number, as shells have it


def after_signal(name: str) -> int:
    """Returns the exit status of a command that ended early by a signal, SIGINT or SIGTERM."""
    return INTERRUPTED if name == "SIGINT" else TERMINATED
