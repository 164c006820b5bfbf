"""The line that tells how far a command is: on a terminal only, as wide as that, and cleared."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from light.helpers import TINY
from serve_runtime.commands import progress, terminal
from serve_runtime.commands.progress import Count, live_line

if not hasattr(os, "openpty"):
    pytest.skip("there are no terminals here", allow_module_level=True)

from light.commands.terminals import on_terminal

# A line after every batch: how many there are does not depend on the machine's speed.
SCORE = (
    "from serve_runtime import cli; from serve_runtime.commands import progress\n"
    "progress.SECONDS_BETWEEN_LINES = 0; cli.main()"
)
TOLD = "400,000 rows scored into out.csv: 0 (0.0%) labelled 1"


@pytest.fixture
def rows(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / f"{name}.csv").write_text("x1,x2\n" + "1,2\n" * 200_000)
    return tmp_path


def score(rows, *options, **settings):
    arguments = ["-c", SCORE, "score", TINY, "data", "-o", "out.csv", *options]
    return on_terminal(arguments, rows, **settings)


def test_a_terminal_shows_progress_and_is_left_clean(rows):
    seen = score(rows)
    assert seen.code == 0
    assert seen.live[0] == "scoring …"
    line = r"scoring: [\d,]+ rows, [01] of 2 files, [\d,]+ rows/s"
    assert any(re.fullmatch(line, text) for text in seen.live)
    assert seen.left == [TOLD, "all rows lie within the training ranges", ""]


def test_a_narrow_terminal_shows_what_fits(rows):
    seen = score(rows, columns=40)
    assert any(re.fullmatch(r"scoring: [\d,]+ rows, [01] of 2 files", text) for text in seen.live)
    assert max(map(len, seen.live)) < 40


def test_what_the_encoding_lacks_is_written_plainly(rows):
    seen = score(rows, PYTHONIOENCODING="ascii")
    assert seen.live[0] == "scoring ..."
    assert seen.shown.isascii()


@pytest.mark.parametrize("settings", [{"options": ["--quiet"]}, {"TERM": "dumb"}])
def test_no_line_where_it_is_not_wanted(rows, settings):
    options = settings.pop("options", [])
    seen = score(rows, *options, **settings)
    assert seen.code == 0
    assert "\x1b" not in seen.shown
    assert seen.left[0] == ("" if options else TOLD)


def test_an_interrupt_leaves_a_clean_line(rows):
    def interrupt(process, shown):
        if b"rows/s" in shown:
            process.send_signal(signal.SIGINT)

    seen = score(rows, act=interrupt)
    assert (seen.code, seen.left) == (130, [""])
    assert not (rows / "out.csv").exists()


def test_json_is_all_of_standard_output(rows):
    with (rows / "told.json").open("wb") as told:
        seen = score(rows, "--json", stdout=told)
    assert (seen.code, seen.left) == (0, [""])
    assert json.loads((rows / "told.json").read_text())["rows"] == 400_000


@pytest.fixture
def shown(monkeypatch):
    """The lines that a terminal of 60 columns gets."""
    lines = []
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    monkeypatch.setattr(progress, "status_line", lines.append)
    monkeypatch.setattr(progress, "columns", lambda stream: 60)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    return lines


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (0.25, "reading: 100 of 1,000 rows, 400 rows/s"),
        (10, "reading: 100 of 1,000 rows, 1:30 left, 10 rows/s"),
        (1000, "reading: 100 of 1,000 rows, 2:30:00 left, 0.1 rows/s"),
    ],
)
def test_a_rate_tells_how_long_the_rest_takes(shown, monkeypatch, seconds, line):
    now = [5.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with live_line():
        count = Count("reading", "rows", 1000)
        now[0] += seconds
        count.update(100)
    assert shown == ["reading …", line, ""]


@pytest.mark.parametrize(("seconds", "left"), [(4, ", 25 epochs/s"), (10, ", at most 1:30 left")])
def test_a_bound_waits_until_it_tells_something(shown, monkeypatch, seconds, left):
    now = [5.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with live_line():
        count = Count("fitting", "epochs", 1000, left="at most ")
        now[0] += seconds
        count.update(100)
    assert shown[1] == f"fitting: 100 of 1,000 epochs{left}"


def test_without_a_line_nothing_is_written(capsys):
    Count("reading", "rows").update(7)
    with live_line() as show:
        show("a step")
        Count("reading", "rows").update(7)
    assert capsys.readouterr() == ("", "")


def test_what_is_printed_stands_above_the_line(capsys):
    terminal.status_line("a step …")
    terminal.echo("a message", err=True)
    terminal.status_line("")
    terminal.echo("another", err=True)
    line = "\r\x1b[Ka step …"
    assert capsys.readouterr().err == f"{line}\r\x1b[Ka message\n{line}\r\x1b[Kanother\n"


def test_what_was_done_before_does_not_count_for_the_rate(shown, monkeypatch):
    now = [5.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with live_line():
        count = Count("fitting", "epochs", 100, first=50, left="at most ")
        now[0] += 10
        count.reach(60, 100, note="cost 0.5")
    assert shown[1] == "fitting: 60 of 100 epochs, at most 0:40 left, cost 0.5"


def test_a_reader_that_leaves_ends_a_quiet_command_too(rows):
    command = ["-m", "serve_runtime", "score", TINY, "data", "-o", "-", "--quiet"]
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=rows,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
