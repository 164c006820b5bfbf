"""What a person sees on a terminal while a model is trained, and what stays there."""

import json
import os
import re
import signal
import sys
from types import SimpleNamespace

import pytest

from pipeline.train.test_cli import CSV
from train.watch import Watch

if not hasattr(os, "openpty"):
    pytest.skip("there are no terminals here", allow_module_level=True)

from light.commands.terminals import Seen, on_terminal

EPOCHS = ("--epochs", "60", "--tolerance", "0", "--log-every", "50", "--lr", "0.5")
LONG = ("--epochs", "3000", "--tolerance", "0", "--log-every", "3000")
MARK = "===== "
CURVES = r"(?m)^cost      \d\.\d{6}  ([▁-█]+)  \d\.\d{6}\nhold-out  \d\.\d{6}  ([▁-█]+)  "

# Several trainings, one after the other, as loading torch takes seconds: `changed` is what changes
# for one. The line is shown after every update.
PROGRAM = f"""
import fcntl, json, os, struct, sys, termios
from serve_runtime.commands import progress
from train.cli import main
progress.SECONDS_BETWEEN_LINES = 0
terminal = sys.stdout
for name, options, changed in json.loads(sys.argv[1]):
    print({MARK!r} + name, flush=True)
    size = struct.pack("HHHH", 24, changed.get("columns", 80), 0, 0)
    fcntl.ioctl(2, termios.TIOCSWINSZ, size)
    os.environ["TERM"] = changed.get("TERM", "xterm")
    for stream in (terminal, sys.stderr):
        stream.reconfigure(encoding=changed.get("encoding", "utf-8"))
    sys.stdout = open("told.json", "w") if "--json" in options else terminal
    try:
        main(["table.csv", "--bend", "none", *options])
    except SystemExit as ended:
        code = ended.code
    sys.stdout = terminal
    print("code", code, flush=True)
"""
TRAININGS = [
    ("usual", ["--out", "run", *EPOCHS, "--l2", "auto"], {}),
    ("records", ["--out", "records", *EPOCHS], {}),
    ("narrow", ["--out", "narrow", *EPOCHS], {"columns": 40}),
    ("ascii", ["--out", "ascii", *EPOCHS], {"encoding": "ascii"}),
    ("dumb", ["--out", "dumb", *EPOCHS], {"TERM": "dumb"}),
    ("quiet", ["--out", "quiet", *EPOCHS, "--quiet"], {}),
    ("json", ["--out", "json", *EPOCHS, "--json"], {}),
    ("interrupted", ["--out", "long", *LONG], {}),
    ("resumed", ["--out", "long", *LONG, "--resume"], {}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "table.csv").write_text(CSV)
    return folder


@pytest.fixture(scope="module")
def seen(folder, repository):
    """What each of the trainings showed, by name."""
    so_far = b""

    def interrupt(process, shown):
        nonlocal so_far
        after = so_far.partition(b"interrupted")[2]
        so_far += shown
        now = so_far.partition(b"interrupted")[2]
        if b"fitting: 1" in now and b"fitting: 1" not in after:
            process.send_signal(signal.SIGINT)

    command = ["-c", PROGRAM, json.dumps(TRAININGS)]
    every = on_terminal(command, folder, act=interrupt, PYTHONPATH=str(repository))
    assert every.code == 0, every.shown
    found = {}
    for piece in every.shown.split(MARK)[1:]:
        name, _, shown = piece.partition("\r\n")
        shown, _, code = shown.rpartition("code ")
        found[name] = Seen(int(code), shown, 80)
    return found


def test_one_line_shows_every_step_and_goes(seen):
    shown = seen["usual"]
    assert shown.code == 0
    steps = list(dict.fromkeys(line.split(":")[0].removesuffix(" …") for line in shown.live))
    assert steps == ["reading", "choosing", "preparing", "fitting", "measuring"]
    line = r"fitting: \d+ of 60 epochs, (\d:\d\d left, )?cost \d\.\d{6}, [\d.,]+ epochs/s"
    assert sum(bool(re.fullmatch(line, text)) for text in shown.live) >= 59
    assert shown.left[-4:-2] == ["run: run", "look: python -m report run -o reports/run.html"]
    assert shown.left[-2:] == ["next: python -m export bundle run bundles/run", ""]
    assert max(map(len, shown.live)) < 80
    assert max(map(len, shown.left)) < 80


def test_the_curve_has_points_between_the_records(seen, folder):
    bars = re.search(CURVES, "\n".join(seen["records"].left)).groups()
    assert list(map(len, bars)) == [9, 9]  # epochs 0, 1, 2, 4, 8, 16, 32, 50 and the end
    assert bars[0][0] == "█"
    assert len((folder / "records" / "history.csv").read_text().splitlines()) == 3


def test_a_terminal_changes_no_byte_of_the_run(seen, folder):
    assert {seen[name].code for name in ("records", "dumb")} == {0}
    runs = [
        {path.name: path.read_bytes() for path in (folder / name).iterdir()}
        for name in ("records", "dumb")  # one is looked at, the other is not
    ]
    assert runs[0] == runs[1]


def test_a_narrow_terminal_gets_narrow_lines(seen):
    shown = seen["narrow"]
    assert max(map(len, shown.live)) < 40
    told = [line for line in shown.left if "python -m" not in line]
    assert max(map(len, told)) < 40
    assert "            training    holdout" in told
    assert re.search(CURVES, "\n".join(told))


def test_an_encoding_without_blocks_gets_plain_characters(seen):
    shown = seen["ascii"]
    assert shown.shown.isascii()
    assert "reading ..." in shown.live
    assert re.search(r"(?m)^cost      \d\.\d{6}  #[_.,=+*#-]+  \d\.\d{6}$", "\n".join(shown.left))


def test_a_terminal_that_clears_no_line_has_none(seen):
    assert (seen["dumb"].code, seen["dumb"].live, "\x1b" in seen["dumb"].shown) == (0, [], False)


def test_quiet_and_json_keep_their_words_on_a_terminal(seen, folder):
    assert (seen["quiet"].code, seen["quiet"].shown) == (0, "")
    assert json.loads((folder / "told.json").read_text())["run"] == "json"
    assert any(line.startswith("fitting: ") for line in seen["json"].live)
    assert "32 rows, 2 features, positive class 1, on cpu" in seen["json"].left


def test_an_interrupt_leaves_a_clean_line_and_resumes(seen):
    shown, again = seen["interrupted"], seen["resumed"]
    assert (shown.code, again.code) == (130, 0)
    assert "--resume" in shown.left[-2]
    assert not any("fitting" in line for line in shown.left)
    after = next(line for line in again.left if line.startswith("going on after update "))
    first = next(line for line in again.live if line.startswith("fitting: "))
    assert int(first.split()[1].replace(",", "")) >= int(after.split()[-1].replace(",", ""))


def test_several_processes_show_one_line(repository, table, workplace):
    table(CSV)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--no-python", sys.executable, "-m", "train", "table.csv", "--bend", "none"]
    command += ["--out", "run", *EPOCHS]
    shown = on_terminal(command, workplace, PYTHONPATH=str(repository), OMP_NUM_THREADS="1")
    assert shown.code == 0, shown.shown
    for once in ("run: run", "epoch       0", "cost "):
        assert sum(line.startswith(once) for line in shown.left) == (once != "cost "), once
    assert len([line for line in shown.live if line.startswith("preparing")]) <= 3


def test_without_a_terminal_nothing_is_measured_besides():
    class Recorded:
        """A fit that cannot be measured."""

        spec = SimpleNamespace(tolerance="auto", patience=0, epochs=3)
        state = SimpleNamespace(epoch=0)
        updated = staticmethod(lambda: None)
        records = ()

        def __iter__(self):
            for self.state.epoch in range(3):
                yield None

    said = []
    watch = Watch(said.append, look=True)
    assert list(watch(Recorded())) == [None] * 3
    assert (said, watch.curve) == ([], [])
