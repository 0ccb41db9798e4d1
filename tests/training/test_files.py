"""Files that are replaced as a whole: whatever happens, a file holds its old content or its new one."""

from pathlib import Path

import pytest

from jmeta.training.files import replace_file, temporary_file


def test_a_file_is_written_and_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    for content in (b"old, and longer than the new one", b"new"):
        replace_file(file, content)
        assert file.read_bytes() == content
        assert list(tmp_path.iterdir()) == [file]


def test_a_process_that_dies_while_it_writes_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leaves beside the file is the temporary file, and does not hinder the next process."""
    file = tmp_path / "config.json"
    replace_file(file, b"old")
    write = Path.write_bytes

    def write_half(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write_half)
        with pytest.raises(KeyboardInterrupt):
            replace_file(file, b"new content")
    assert file.read_bytes() == b"old"
    assert set(tmp_path.iterdir()) == {file, temporary_file(file)}
    replace_file(file, b"new content")
    assert file.read_bytes() == b"new content"
    assert list(tmp_path.iterdir()) == [file]
