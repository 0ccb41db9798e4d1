"""Entry point of the command line: ``jmeta`` and ``python -m jmeta``. It imports little, so that ``--version`` is fast."""

import sys

from jmeta import __version__


def main() -> None:
    """Runs the command line. Prints the version, and handles Ctrl-C, without waiting for the other imports."""
    if sys.argv[1:] == ["--version"]:
        print(f"jmeta {__version__}")
        return
    try:
        from jmeta.cli.console import show_warnings_plainly
        from jmeta.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT
    show_warnings_plainly()
    run()


if __name__ == "__main__":
    main()
