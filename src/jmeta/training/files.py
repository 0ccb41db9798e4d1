"""Files that are replaced as a whole, so that none is ever half-written."""

from pathlib import Path


def replace_file(file: Path, content: bytes) -> None:
    """Replaces a file atomically: a process that is killed leaves the old content or the new."""
    temporary = temporary_file(file)
    temporary.write_bytes(content)
    temporary.replace(file)


def temporary_file(file: Path) -> Path:
    """Returns the file beside ``file`` that a process which is killed in ``replace_file`` may leave."""
    return file.with_name(file.name + ".tmp")


def say_bytes(number: float) -> str:
    """Returns a number of bytes in words.

    Example:
      >>> say_bytes(3000), say_bytes(3_000_000)
      ('2.9 KiB', '2.9 MiB')
    """
    return f"{number / 2**20:.1f} MiB" if number >= 2**20 else f"{number / 2**10:.1f} KiB"
