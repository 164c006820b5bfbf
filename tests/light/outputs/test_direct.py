import os

import pytest

from serve_runtime.outputs.direct import is_direct, is_stdout, open_direct, open_stream

pytestmark = pytest.mark.skipif(os.name != "posix", reason="streams have no names here")


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("/dev/stdout", 1),
        ("/dev/stderr", 2),
        ("/dev/fd/63", 63),
        ("/dev/../dev/fd/3", 3),
        ("/proc/self/fd/4", 4),
        ("/proc/PID/fd/4", 4),
        ("/proc/1/fd/4x", None),
        ("/dev/null", None),
        ("out.csv", None),
        ("/dev/fd/", None),
        ("/dev/fd/²", None),
    ],
)
def test_names_of_open_streams(tmp_path, name, stream):
    name = name.replace("PID", str(os.getpid()))
    link, loop = tmp_path / "link", tmp_path / "loop"
    link.symlink_to(name)
    loop.symlink_to("loop")
    assert open_stream(type(link)(name)) == stream
    assert open_stream(link) == stream
    assert open_stream(loop) is None
    assert is_stdout(link) == (stream == 1)


def test_a_dash_is_standard_output(tmp_path):
    assert is_stdout(type(tmp_path)("-"))
    assert not is_stdout(tmp_path / "-")


def test_pipes_and_devices_are_written_to_directly(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    kinds = ("pipe", "file", "none", ".")
    assert [is_direct(tmp_path / name) for name in kinds] == [True, False, False, False]
    assert is_direct(type(tmp_path)("/dev/null"))


def test_an_open_stream_is_gone_on_with(tmp_path):
    path = tmp_path / "out"
    path.write_text("old, ")
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    with open_direct(type(path)(f"/dev/fd/{handle}")) as stream:
        stream.write(b"new")
    os.close(handle)  # it was not closed with the stream
    assert path.read_text() == "old, new"
