import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

from light.outputs.blocks import BlockError, another_process, fail_after_writing, names
from serve_runtime import OutputError
from serve_runtime.outputs.keep_beside import KeptBesideError
from serve_runtime.outputs.new_file import new_file

WRITE = """
from serve_runtime.outputs.new_file import new_file
with new_file(Path(sys.argv[1])) as aside:
    aside.write_text("half")
    print("ready", flush=True)
    input()
"""


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def write(path, content="new", *, meanwhile=lambda: None, **options):
    with new_file(path, **options) as aside:
        aside.write_text(content)
        meanwhile()


@pytest.fixture
def no_rename(monkeypatch):
    """`no_rename(number)`: renames fail with this errno, as to a mount point they do."""

    def arm(number):
        def replace(self, target):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(Path, "replace", replace)

    return arm


def test_a_file_appears_when_the_block_succeeds(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    with new_file(path) as aside:
        aside.write_text("new")
        assert aside.parent == tmp_path
        assert path.read_text() == "old"
    assert (path.read_text(), names(tmp_path)) == ("new", ["out"])


@pytest.mark.parametrize("error", [BlockError("reason"), KeyboardInterrupt("reason")])
@pytest.mark.parametrize("before", [[], ["out"]])
def test_a_failed_block_leaves_what_was_there(tmp_path, error, before):
    path = tmp_path / "out"
    for name in before:
        (tmp_path / name).write_text("old")
    with pytest.raises(type(error), match="reason"):
        fail_after_writing(new_file(path), error)
    assert names(tmp_path) == before
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"] * len(before)


def test_a_file_that_cannot_be_written_says_where(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "none" / "out", tmp_path / "file" / "out"):
        with pytest.raises(OutputError, match=r"cannot write .*out: No"), new_file(path):
            pytest.fail("the block began")


def test_a_full_disk_inside_the_block_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match=r"out: No space left"), new_file(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == []


def test_a_new_file_gets_the_users_mode(tmp_path):
    mask = os.umask(0o027)
    try:
        write(tmp_path / "out")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)
    assert mode(tmp_path / "out") == 0o640


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o400, 0o2755])
def test_a_file_keeps_the_mode_of_what_it_replaces(tmp_path, kept):
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(kept)
    with new_file(path) as aside:
        assert mode(aside) & 0o077 & ~kept == 0  # not even for a moment can more people read it
        aside.write_text("new")
    assert (path.read_text(), mode(path)) == ("new", kept)


def test_a_file_removed_meanwhile_keeps_its_mode(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o600)
    with new_file(path):
        path.unlink()
    assert mode(path) == 0o600


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, exists):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real"
    if exists:
        target.write_text("old")
    (tmp_path / "out").symlink_to(target)
    write(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert (names(target.parent), target.read_text()) == (["real"], "new")


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM])
def test_a_mount_point_is_written_in_place(tmp_path, no_rename, number):
    path, said = tmp_path / "out", []
    path.write_text("old, and longer")
    path.chmod(0o640)
    inode = path.stat().st_ino
    no_rename(number)
    write(path, notice=said.append)
    assert (path.read_text(), path.stat().st_ino, mode(path)) == ("new", inode, 0o640)
    assert names(tmp_path) == ["out"]
    assert said == [
        f"{path} was written in place, since it cannot be replaced ({os.strerror(number)}): a "
        "program that read it meanwhile may have seen a part of it"
    ]


def test_other_errors_of_a_rename_leave_the_old_file(tmp_path, no_rename):
    path = tmp_path / "out"
    path.write_text("old")
    no_rename(errno.ENOSPC)
    with pytest.raises(OutputError, match="No space left"):
        write(path)
    assert (path.read_text(), names(tmp_path)) == ("old", ["out"])


def test_a_file_in_a_closed_folder_is_written_in_place(tmp_path, monkeypatch):
    folder, elsewhere, said = tmp_path / "closed", tmp_path / "tmp", []
    folder.mkdir()
    elsewhere.mkdir()
    path = folder / "out"
    path.write_text("old")
    access = os.access  # root may change any folder, so that a mode would not do
    monkeypatch.setattr(os, "access", lambda p, m: Path(p) != folder and access(p, m))
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    with new_file(path, notice=said.append) as aside:
        assert aside.parent == elsewhere
        aside.write_text("new")
    assert (path.read_text(), names(folder), names(elsewhere)) == ("new", ["out"], [])
    assert said[0].startswith(f"{path} was written in place, since {folder} may not be changed: ")


def test_a_file_that_appeared_is_left_where_it_must(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(KeptBesideError, match=r"out appeared .* kept as .*out\.new: ") as caught:
        write(path, replace=False, meanwhile=lambda: path.write_text("theirs"))
    assert (path.read_text(), caught.value.kept.read_text()) == ("theirs", "new")
    assert names(tmp_path) == ["out", "out.new"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "out"
    with another_process(WRITE, path):
        assert names(tmp_path) == [".out.part"]
    assert names(tmp_path) == [".out.part"]
    write(path)
    assert (names(tmp_path), path.read_text()) == (["out"], "new")


def test_what_another_process_writes_is_left_alone(tmp_path):
    path = tmp_path / "out"
    with another_process(WRITE, path) as other:
        write(path)
        assert names(tmp_path) == [".out.part", "out"]
        other.stdin.write(b"\n")
        other.stdin.close()
        assert other.wait(30) == 0
    assert (names(tmp_path), path.read_text()) == (["out"], "half")
