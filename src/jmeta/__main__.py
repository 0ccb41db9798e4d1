"""The command line's entry: ``jmeta`` and ``python -m jmeta``. It is left light, for what needs no more than a word."""

import sys

from jmeta import __version__


def main() -> None:
    """Runs the command line; the version is said, and Ctrl-C obeyed, before the rest is imported."""
    if sys.argv[1:] == ["--version"]:
        print(f"jmeta {__version__}")
        return
    try:
        from jmeta.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT
    run()


if __name__ == "__main__":
    main()
