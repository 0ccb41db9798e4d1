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


def in_bytes(number: int) -> str:
    """Returns a number of bytes for a message.

    Example:
      >>> in_bytes(48), in_bytes(2**16), in_bytes(3 * 2**29)
      ('48 bytes', '64.0 KiB', '1.5 GiB')
    """
    if number < 2**10:
        return f"{number} bytes"
    power = 1 + (number >= 2**20) + (number >= 2**30)
    return f"{number / 2 ** (10 * power):.1f} {('KiB', 'MiB', 'GiB')[power - 1]}"
