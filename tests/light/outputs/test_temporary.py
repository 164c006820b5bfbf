import errno
import os
import threading
from contextlib import ExitStack

import pytest

from light.outputs.blocks import names, write_folder
from serve_runtime import OutputError
from serve_runtime.outputs import temporary
from serve_runtime.outputs.keep_beside import KeptBesideError
from serve_runtime.outputs.new_file import new_file
from serve_runtime.outputs.temporary import (
    locked,
    remove_leftovers,
    temporary_file,
    temporary_folder,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no locks here")


@pytest.fixture
def no_locks(monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(temporary.fcntl, "flock", flock)


def test_names_are_taken_in_order(tmp_path):
    with ExitStack() as stack:
        paths = [stack.enter_context(temporary_file(tmp_path / "out")) for _ in range(3)]
        assert [path.name for path in paths] == [".out.part", ".out.part2", ".out.part3"]
    assert names(tmp_path) == []


def test_names_of_one_output_are_none_of_another(tmp_path):
    with temporary_folder(tmp_path / "run"), temporary_folder(tmp_path / "run.part2"):
        assert names(tmp_path) == [".run.part", ".run.part2.part"]


@pytest.mark.parametrize("name", [".out.part", ".out.part2", ".out.part5"])
def test_every_leftover_is_removed(tmp_path, name):
    for make in (temporary_file, temporary_folder):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sub").mkdir()
        with make(tmp_path / "out") as path:
            assert names(tmp_path) == [".out.part"]
            assert path.is_dir() == (make is temporary_folder)
        (tmp_path / name).write_text("half")
        remove_leftovers(tmp_path / "out")
        assert names(tmp_path) == []


def test_what_is_no_file_and_no_folder_of_ours_stays(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".out.part").symlink_to("precious")
    (tmp_path / ".out.part2").symlink_to("nowhere")
    os.mkfifo(tmp_path / ".out.part3")
    for make in (temporary_file, temporary_folder):
        with make(tmp_path / "out") as path:
            assert path.name == ".out.part4"
    assert names(tmp_path) == [".out.part", ".out.part2", ".out.part3", "precious"]


def test_without_locks_nothing_is_taken_for_a_leftover(tmp_path, no_locks):
    (tmp_path / ".out.part").mkdir()
    with temporary_folder(tmp_path / "out") as one, temporary_folder(tmp_path / "out") as other:
        assert [one.name, other.name] == [".out.part2", ".out.part3"]
    assert names(tmp_path) == [".out.part"]
    with locked(tmp_path) as alone, locked(tmp_path) as alone_too:
        assert (alone, alone_too) == (True, True)


def test_without_locks_the_second_to_end_is_kept_beside(tmp_path, no_locks):
    path = tmp_path / "out"
    with pytest.raises(KeptBesideError, match=r"kept as .*out\.new"):
        write_folder(path, "first", meanwhile=lambda: write_folder(path, "second"))
    assert (path / "marker").read_text() == "second"
    assert names(tmp_path) == ["out", "out.new"]


def test_a_lock_is_given_up_although_a_forked_process_lives(tmp_path):
    with locked(tmp_path) as alone:
        assert alone
        inherited = os.dup(next(_open_folders(tmp_path)))  # what a fork would do
    with locked(tmp_path) as alone:
        assert alone
    os.close(inherited)


def _open_folders(folder):
    wanted = folder.stat()
    for number in range(3, 1000):
        try:
            found = os.fstat(number)
        except OSError:
            continue
        if os.path.samestat(found, wanted):
            yield number


def together(count, act):
    """Call `act(number)` in so many threads at once; what each raised, or None."""
    barrier, raised = threading.Barrier(count), [None] * count

    def call(number):
        barrier.wait()
        try:
            act(number)
        except Exception as reason:
            raised[number] = reason

    threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_of_many_at_once_one_makes_the_folder(tmp_path):
    expected = []
    for turn in range(40):
        path = tmp_path / str(turn)
        path.with_name(f".{turn}.part").mkdir()  # a leftover that all want to remove
        raised = together(6, lambda number, path=path: write_folder(path, str(number)))
        winners = [number for number, reason in enumerate(raised) if reason is None]
        assert [(path / "marker").read_text()] == [str(number) for number in winners]
        assert all(isinstance(reason, OutputError) for reason in raised if reason)
        # One that was not refused at once, in the race to remove the leftover, keeps its folder.
        kept = [reason.kept.name for reason in raised if isinstance(reason, KeptBesideError)]
        expected += [path.name, *kept]
    assert names(tmp_path) == sorted(expected)


def test_many_at_once_replace_a_file_and_leave_nothing(tmp_path):
    path = tmp_path / "out"

    def write(number):
        with new_file(path) as aside:
            aside.write_text(str(number) * 1000)

    for _ in range(40):
        (tmp_path / ".out.part").touch()
        assert together(6, write) == [None] * 6
        assert path.read_text() in {str(number) * 1000 for number in range(6)}
    assert names(tmp_path) == ["out"]
