"""`python -m docs.pictures`."""

import re

from click.testing import CliRunner

import docs.pictures.cli as command
from train.errors import StoppedError


def test_the_command_writes_files_and_is_quiet_in_a_pipe(tmp_path, monkeypatch):
    two = {name: command.PICTURES[name] for name in ("hours", "layers")}
    monkeypatch.setattr(command, "PICTURES", two)
    folder = tmp_path / "new" / "pictures"
    done = CliRunner().invoke(command.main, ["-o", str(folder)], catch_exceptions=False)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"2 pictures in {folder}: hours, layers\n"
    assert sorted(path.name for path in folder.iterdir()) == ["hours.svg", "layers.svg"]


def test_the_command_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(command.main, ["-o", str(tmp_path / "file")])
    assert done.exit_code == 1
    assert re.match(r"Error: cannot write .*file: File exists\n", done.stderr)


def test_a_signal_ends_it_in_silence(tmp_path, monkeypatch):
    """The training that it ends is in a folder that is gone: nothing can go on from there."""

    def stopped(_):
        raise StoppedError("go on with --resume", 130)

    monkeypatch.setattr(command, "PICTURES", {"hours": stopped})
    done = CliRunner().invoke(command.main, ["-o", str(tmp_path)])
    assert (done.exit_code, done.output) == (130, "")
    assert not list(tmp_path.iterdir())
