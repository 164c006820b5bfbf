"""Pages go into files, whole, and directly into what is no file."""

import os
import re
import threading

import pytest

from serve_runtime.errors import OutputError
from serve_runtime.outputs.page import write_page


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "page.html"
    for content in (b"old and long", b"new"):
        write_page(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="streams have no names here")
@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_standard_output_is_gone_on_with(tmp_path, capfd, output):
    os.write(1, b"before, ")
    write_page(type(tmp_path)(output), b"page")
    assert capfd.readouterr().out == "before, page"


def test_a_closed_standard_output_is_told(tmp_path, monkeypatch):
    """Its number may be that of another file by now."""
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(OutputError, match=r"^standard output is closed: name a file with -o$"):
        write_page(type(tmp_path)("-"), b"page")


@pytest.mark.skipif(os.name != "posix", reason="pipes have no names here")
def test_a_pipe_stays_a_pipe(tmp_path):
    path, found = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    write_page(path, b"page")
    reader.join()
    assert found == [b"page"]
    assert path.is_fifo()


def test_what_cannot_be_written_is_told(tmp_path):
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "no" / "p", "No such file")):
        with pytest.raises(OutputError, match=f"^cannot write {re.escape(str(path))}: {why}"):
            write_page(path, b"page")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such device")  # noqa: PTH110
def test_a_device_stays_a_device(tmp_path):
    path = tmp_path / "link"
    path.symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"/link: No space left on device$"):
        write_page(path, b"page")
    assert path.is_symlink()
    assert path.is_char_device()


def test_a_reader_that_has_gone_is_no_error_of_the_page(tmp_path):
    ours, theirs = os.pipe()
    os.close(ours)
    with pytest.raises(BrokenPipeError):
        write_page(type(tmp_path)(f"/dev/fd/{theirs}"), b"page")
    os.close(theirs)
