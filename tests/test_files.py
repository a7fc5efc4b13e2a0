"""Files appear whole and together, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowreform.errors import ExperimentError
from flowreform.files import PIECE, read_plain, write_file, write_files, write_text


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def put(text: str):
    return lambda path: path.write_text(text, encoding="utf-8")


def fail(path: Path) -> None:
    path.write_text("half", encoding="utf-8")
    raise ValueError("stopped half-way")


def test_files_appear_together_in_a_new_folder(tmp_path: Path) -> None:
    write_files(tmp_path / "a" / "b", {"one.txt": put("1"), "two.txt": put("2")})
    assert content(tmp_path / "a" / "b") == {"one.txt": "1", "two.txt": "2"}


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half-way"):
        write_files(tmp_path / "a" / "b", {"one.txt": put("1"), "two.txt": fail})
    assert list(tmp_path.iterdir()) == []


def test_older_files_stay_when_a_later_one_fails(tmp_path: Path) -> None:
    old = {"one.txt": "old", "mine.txt": "kept"}
    write_files(tmp_path, {name: put(text) for name, text in old.items()})
    with pytest.raises(ValueError, match="half-way"):
        write_files(tmp_path, {"one.txt": put("new"), "two.txt": fail})
    assert content(tmp_path) == {"mine.txt": "kept", "one.txt": "old"}


def test_older_files_are_replaced_and_others_kept(tmp_path: Path) -> None:
    write_text(tmp_path / "mine.txt", "kept")
    write_text(tmp_path / "one.txt", "old")
    write_file(tmp_path / "one.txt", put("new"))
    assert content(tmp_path) == {"mine.txt": "kept", "one.txt": "new"}


def test_a_writer_that_forgot_to_write_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="No such file"):
        write_file(tmp_path / "one.txt", lambda path: None)


def test_line_ends_do_not_depend_on_the_system(tmp_path: Path) -> None:
    write_text(tmp_path / "one.txt", "a\nb\n")
    assert (tmp_path / "one.txt").read_bytes() == b"a\nb\n"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "x")
    with pytest.raises(ExperimentError, match=r"file is a file, not a folder"):
        write_text(tmp_path / "file" / "out" / "one.txt", "1")
    assert content(tmp_path) == {"file": "x"}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc, which nobody can write to")
def test_a_folder_that_cannot_be_made_is_one_finding() -> None:
    with pytest.raises(ExperimentError) as caught:
        write_text(Path("/proc/self/out/one.txt"), "1")
    assert len(caught.value.findings) == 1
    assert caught.value.findings[0].rule == "cannot-write"


def test_the_file_gets_the_users_own_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "written.txt", "1")
    (tmp_path / "plain.txt").write_text("1", encoding="utf-8")
    assert os.stat(tmp_path / "written.txt").st_mode == os.stat(tmp_path / "plain.txt").st_mode


def test_a_limit_of_any_size_costs_no_memory(tmp_path: Path) -> None:
    """So many bytes were asked for at once: with a limit of 10^18 there was never enough memory."""
    place = tmp_path / "data"
    content = bytes(range(256)) * (PIECE // 256) + b"and more"
    place.write_bytes(content)
    for limit in (10**18, len(content)):
        assert read_plain(place, limit) == content
    for limit in (len(content) - 1, PIECE, 0):
        with pytest.raises(OSError, match=f"larger than {limit:,} bytes"):
            read_plain(place, limit)
