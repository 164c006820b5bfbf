import errno
import os
import signal
import stat
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from light.outputs.blocks import (
    BlockError,
    another_process,
    fail_after_writing,
    names,
    write_folder,
)
from serve_runtime import OutputError
from serve_runtime.bundle.replaced import moved_aside
from serve_runtime.outputs import new_folder as module
from serve_runtime.outputs import rename
from serve_runtime.outputs.keep_beside import KeptBesideError
from serve_runtime.outputs.new_folder import new_folder


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
    foreign, file, link, dead = (tmp_path / name for name in ("foreign", "file", "link", "dead"))
    foreign.mkdir()
    (foreign / "precious").touch()
    file.touch()
    link.symlink_to(foreign)
    dead.symlink_to("dead")
    for path in (foreign, link):
        with pytest.raises(OutputError, match="holds no marker: --force replaces only what"):
            write_folder(path, "new", force=True)
    for path in (file, dead):
        with pytest.raises(OutputError, match="is no plain folder: --force replaces only a"):
            write_folder(path, "new", force=True)
    assert (names(tmp_path), names(foreign)) == (["dead", "file", "foreign", "link"], ["precious"])


def test_force_replaces_an_empty_folder(tmp_path):
    (tmp_path / "out").mkdir()
    write_folder(tmp_path / "out", "new", force=True)
    assert names(tmp_path / "out") == ["marker"]


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*out: (Not a directory|File exists)"):
        write_folder(tmp_path / "file" / "out", "new")


@pytest.fixture(params=["renameat2", "two renames"])
def renames(request, monkeypatch):
    """With and without the system's way to replace nothing and to exchange names."""
    if request.param == "two renames":
        monkeypatch.setattr(rename, "_load", lambda: None)
    return request.param


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_gets_the_users_mode(tmp_path):
    mask = os.umask(0o027)
    try:
        write_folder(tmp_path / "out", "new")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)
    assert (mode(tmp_path / "out"), mode(tmp_path / "out" / "marker")) == (0o750, 0o640)


def test_a_folder_keeps_the_modes_of_what_it_replaces(tmp_path, renames):
    path = tmp_path / "out"
    write_folder(path, "old")
    path.chmod(0o2710)
    (path / "marker").chmod(0o600)
    with new_folder(path, marker="marker", force=True) as aside:
        assert mode(aside) & 0o007 == 0
        for name in ("marker", "more"):
            (aside / name).write_text("new")
    assert (mode(path), mode(path / "marker")) == (0o2710, 0o600)
    assert mode(path / "more") == 0o666 & ~umask()
    assert (path / "marker").read_text() == "new"


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


THEIRS = {
    "folder": lambda path: (path.mkdir(), (path / "precious").touch()),
    "empty folder": lambda path: path.mkdir(0o711),
    "same command": lambda path: (path.mkdir(), (path / "marker").write_text("theirs")),
    "file": lambda path: path.write_text("precious"),
    "link": lambda path: path.symlink_to("nowhere"),
}


def tree(path):
    """What is at `path` and below it: the kind, mode, size and time of each."""
    found = [path, *path.rglob("*")]
    return {p: tuple(p.lstat()[i] for i in (0, 1, 6, 8)) for p in found}


@pytest.mark.parametrize("theirs", THEIRS.values(), ids=THEIRS)
def test_what_appeared_meanwhile_is_left_alone(tmp_path, renames, theirs):
    path, before = tmp_path / "out", []
    with pytest.raises(KeptBesideError, match=r"out appeared .* kept as .*out\.new: ") as caught:
        write_folder(path, "new", meanwhile=lambda: (theirs(path), before.append(tree(path))))
    assert before == [tree(path)]
    assert (caught.value.kept / "marker").read_text() == "new"
    assert names(tmp_path) == ["out", "out.new"]


@pytest.mark.parametrize("name", ["folder", "file"])
def test_force_leaves_what_it_may_not_replace(tmp_path, renames, name):
    path = tmp_path / "out"
    with pytest.raises(KeptBesideError, match=r"--force replaces only .* kept as .*out\.new"):
        write_folder(path, "new", force=True, meanwhile=lambda: THEIRS[name](path))
    assert (path / "precious").exists() if name == "folder" else path.read_text() == "precious"
    assert names(tmp_path) == ["out", "out.new"]


def test_force_replaces_what_the_command_made_meanwhile(tmp_path, renames):
    path = tmp_path / "out"
    write_folder(path, "new", force=True, meanwhile=lambda: THEIRS["same command"](path))
    assert ((path / "marker").read_text(), names(tmp_path)) == ("new", ["out"])


def test_results_that_are_kept_do_not_replace_each_other(tmp_path, renames):
    path = tmp_path / "out"
    for content in ("first", "second"):
        with pytest.raises(KeptBesideError, match="kept as"):
            write_folder(path, content, meanwhile=path.mkdir)
        path.rmdir()
    assert names(tmp_path) == ["out.new", "out.new2"]
    assert (tmp_path / "out.new" / "marker").read_text() == "first"


def test_a_result_that_cannot_be_renamed_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "out"
    write_folder(path, "old")

    def refuse(*_):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(module, "exchange", refuse)
    with pytest.raises(
        KeptBesideError, match=r"out cannot be put in place \(.*busy\); the finished"
    ):
        write_folder(path, "new", force=True)
    assert [(tmp_path / n / "marker").read_text() for n in names(tmp_path)] == ["old", "new"]


def test_a_mount_point_is_refused_before_the_block(monkeypatch, tmp_path):
    write_folder(tmp_path / "out", "old")
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "out")
    with (
        pytest.raises(OutputError, match="is a mount point, which cannot be replaced: name a "),
        new_folder(tmp_path / "out", marker="marker", force=True),
    ):
        pytest.fail("the block began")


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_folder_is_replaced(tmp_path, renames, exists):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real"
    if exists:
        write_folder(target, "old")
    (tmp_path / "out").symlink_to(target)
    write_folder(tmp_path / "out", "new", force=exists)
    assert (tmp_path / "out").is_symlink()
    assert (names(target.parent), (target / "marker").read_text()) == (["real"], "new")


def test_the_current_folder_has_a_name_too(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    write_folder(Path(), "new", force=True)
    assert (tmp_path / "out" / "marker").read_text() == "new"


MAKE = """
from serve_runtime.outputs.new_folder import new_folder
with new_folder(Path(sys.argv[1]), marker="marker", force="force" in sys.argv) as aside:
    (aside / "marker").write_text("half")
    print("ready", flush=True)
    input()
"""


def test_two_processes_that_make_one_folder(tmp_path):
    path = tmp_path / "out"
    with another_process(MAKE, path) as other:
        for force in (False, True):
            with pytest.raises(OutputError, match=r"another process is writing .*out: wait until"):
                write_folder(path, "new", force=force)
        other.stdin.write(b"\n")
        other.stdin.close()
        assert other.wait(30) == 0
    assert (names(tmp_path), (path / "marker").read_text()) == (["out"], "half")


def test_what_a_killed_process_left_is_removed(tmp_path):
    with another_process(MAKE, tmp_path / "out"):
        pass
    assert names(tmp_path) == [".out.part"]
    with another_process(MAKE, tmp_path / "other"):
        write_folder(tmp_path / "out", "new")
        assert names(tmp_path) == [".other.part", "out"]


KILLED_BETWEEN_RENAMES = """
import os, signal
from serve_runtime.outputs import new_folder as module, rename
rename._load = lambda: None
once = module.rename_new
def kill(source, target):
    if target == Path(sys.argv[1]):
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    once(source, target)
module.rename_new = kill
with module.new_folder(Path(sys.argv[1]), marker="marker", force=True) as aside:
    (aside / "marker").write_text("new")
"""


def test_a_kill_between_two_renames_loses_nothing(tmp_path):
    path = tmp_path / "out"
    write_folder(path, "old")
    with another_process(KILLED_BETWEEN_RENAMES, path) as process:
        assert process.wait(30) == -signal.SIGKILL
    assert names(tmp_path) == [".out.part", ".out.part.old"]
    assert moved_aside(path) == str(tmp_path / ".out.part.old")
    with pytest.raises(OutputError, match="out exists: choose another name, or replace it"):
        write_folder(path, "new")
    assert (names(tmp_path), (path / "marker").read_text()) == (["out"], "old")
    write_folder(path, "new", force=True)
    assert (names(tmp_path), (path / "marker").read_text()) == (["out"], "new")


@pytest.mark.skipif(sys.platform != "linux", reason="no other system exchanges names here")
def test_a_folder_that_is_replaced_is_always_there(tmp_path):
    path, missing, stop = tmp_path / "out", [], threading.Event()
    write_folder(path, "old")

    def look():
        while not stop.is_set():
            if not path.exists():
                missing.append(True)

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(200):
        write_folder(path, "new", force=True)
    stop.set()
    looking.join()
    assert not missing


AS_NOBODY = """
import os
from serve_runtime.outputs import rename
from serve_runtime.outputs.new_folder import new_folder
rename._load()  # it imports from where perhaps only root may read
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
path = Path(sys.argv[1])
for content in ("old", "new"):
    with new_folder(path, marker="marker", force=True) as aside:
        (aside / "sub").mkdir()
        for file in (aside / "marker", aside / "sub" / "file"):
            file.write_text(content)
    for each in (path / "sub" / "file", path / "sub", path / "marker", path):
        each.chmod(0o555)
print("ready", flush=True)
input()
"""


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_read_only_folder_is_replaced_and_removed():
    """By somebody who is bound by modes, as root is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)  # a tmp_path is in folders that only its owner may enter
        with another_process(AS_NOBODY, folder / "out"):
            assert names(folder) == ["out"]
            assert (folder / "out" / "marker").read_text() == "new"
            assert [mode(folder / "out" / name) for name in ("", "marker", "sub")] == [0o555] * 3
