import os

import pytest

from serve_runtime import OutputError
from serve_runtime.atomic import new_file, new_folder


class BlockError(Exception):
    """What a block raises that fails."""


def fail_after_writing(block, error):
    with block as aside:
        (aside / "half" if aside.is_dir() else aside).write_text("half")
        raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


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


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_files_and_folders_get_the_users_mode(tmp_path):
    mask = os.umask(0o027)
    try:
        with new_file(tmp_path / "file") as aside:
            assert aside.stat().st_mode & 0o777 == 0o600
        with new_folder(tmp_path / "folder", marker="m"):
            pass
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "folder")]
    assert modes == [0o640, 0o750]


def write_folder(path, content, *, force=False):
    with new_folder(path, marker="marker", force=force) as aside:
        (aside / "marker").write_text(content)


def test_a_folder_and_its_parents_appear_on_success(tmp_path):
    path = tmp_path / "a" / "b"
    write_folder(path, "new")
    assert (names(path), names(path.parent)) == (["marker"], ["b"])


def test_a_failed_block_leaves_no_folder_and_the_old_one_whole(tmp_path):
    path = tmp_path / "out"
    write_folder(path, "old")
    with pytest.raises(BlockError, match="reason"):
        fail_after_writing(new_folder(path, marker="marker", force=True), BlockError("reason"))
    assert (names(tmp_path), names(path)) == (["out"], ["marker"])


def test_a_folder_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "out"
    write_folder(path, "old")
    (path / "more").touch()
    with pytest.raises(OutputError, match=r"out exists: choose another name, or .*--force"):
        write_folder(path, "new")
    assert names(path) == ["marker", "more"]
    write_folder(path, "new", force=True)
    assert (names(tmp_path), names(path)) == (["out"], ["marker"])
    assert (path / "marker").read_text() == "new"


def test_force_replaces_nothing_that_this_project_did_not_write(tmp_path):
    foreign, file, link = (tmp_path / name for name in ("foreign", "file", "link"))
    foreign.mkdir()
    (foreign / "precious").touch()
    file.touch()
    link.symlink_to(foreign)
    with pytest.raises(OutputError, match="holds no marker: --force replaces only what"):
        write_folder(foreign, "new", force=True)
    for path in (file, link):
        with pytest.raises(OutputError, match="is no plain folder: --force replaces only a"):
            write_folder(path, "new", force=True)
    assert (names(tmp_path), names(foreign)) == (["file", "foreign", "link"], ["precious"])


def test_force_replaces_an_empty_folder(tmp_path):
    (tmp_path / "out").mkdir()
    write_folder(tmp_path / "out", "new", force=True)
    assert names(tmp_path / "out") == ["marker"]


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*out: (Not a directory|File exists)"):
        write_folder(tmp_path / "file" / "out", "new")
