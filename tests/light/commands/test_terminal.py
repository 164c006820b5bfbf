"""What commands say never ends their work, and never reaches a terminal raw."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from light.commands.running import invoke, run_command
from light.helpers import TINY, reseal, run_python, tiny_card, write_model
from serve_runtime.features.column import number_columns

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
ODD = "größe \u03c3\x1b[31m\u202e"


def run_in(encoding, code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
        encoding=encoding,
        errors="replace",  # click takes ASCII for a mistake, and writes its help in UTF-8
        timeout=60,
        check=False,
    )


@pytest.fixture
def odd_model(tmp_path):
    card = tiny_card()
    odd = replace(
        card,
        columns=number_columns((ODD, "x" * 10_000), (0, 0), (1, 1)),
        classes=("\u03c3\r", "b\x1b]0;title\x07"),
    )
    return write_model(tmp_path / "model.onnx", odd)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("command", ["inspect", "selftest"])
def test_any_encoding_takes_any_name_and_label(odd_model, encoding, command):
    code = "from serve_runtime.__main__ import main; main()"
    done = run_in(encoding, code, command, odd_model)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace("\n", "").isprintable()
    if command == "inspect":
        assert max(map(len, done.stdout.splitlines())) < 200
        assert r"\x1b[31m\u202e" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("program", [["--help"], ["score", "--help"]])
def test_help_is_shown_in_any_encoding(encoding, program):
    code = (
        "from serve_runtime.__main__ import main; from serve_runtime.cli import score\n"
        "score.help = 'σ ≥ \\x85'; main()"
    )
    done = run_in(encoding, code, *program)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: serve-runtime" in done.stdout


@FULL
def test_scores_are_whole_where_standard_error_is_full(table, tmp_path):
    done = run_command("score", TINY, table, "-o", "out.csv", cwd=tmp_path, prefix="2> /dev/full")
    assert done.returncode == 1
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("prefix", ["2>&-", "2>/dev/null"])
def test_a_closed_standard_error_is_no_failure(table, tmp_path, prefix):
    done = run_command("score", TINY, table, "-o", "out.csv", cwd=tmp_path, prefix=prefix)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@FULL
@pytest.mark.parametrize("arguments", [["--help"], ["inspect", TINY], ["selftest", TINY]])
def test_a_full_disk_is_one_line_and_exit_code_1(tmp_path, arguments):
    done = run_command(*arguments, cwd=tmp_path, prefix="> /dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_standard_output_is_told_at_the_end(tmp_path):
    done = run_command("selftest", TINY, cwd=tmp_path, prefix=">&-")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: standard output took no more (it is closed): the work is")


@pytest.mark.parametrize(
    "arguments", [["in\x1b[31mspect", TINY], ["score", TINY, "--pa\x1b[2Jrts"]]
)
def test_what_the_command_line_holds_is_escaped_too(arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.output.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\rb", "a\u202eb", "a\nb"])
def test_names_of_files_and_columns_never_come_raw(tmp_path, name):
    pytest.importorskip("pyarrow")
    path = tmp_path / f"{name}.csv"
    path.write_bytes(f'x1,"{name}"\n1,2\n'.encode())
    for arguments in (
        ["score", TINY, path, "-o", tmp_path / "out.csv"],
        ["score", TINY, path, "-o", tmp_path / "out.csv", "--keep", f'"{name}"'],
        ["score", tmp_path / name, path, "-o", tmp_path / "out.csv"],
        ["inspect", path],
        ["selftest", path],
    ):
        result = invoke(*arguments)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
        assert result.output.replace("\n", "").isprintable()
        assert len(result.output) < 1500


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX")
def test_a_path_that_is_no_text_is_escaped(tmp_path):
    path = os.fsencode(tmp_path) + b"/m\xff\x1b"
    shutil.copytree(os.fsencode(TINY), path)
    done = run_command("inspect", os.fsdecode(path), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"m\udcff\x1b" in done.stdout


def test_a_table_of_100_000_columns_gets_a_short_answer(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"column{i}" for i in range(100_000)) + "\n")
    for options in ([], ["--keep", "colum3"]):
        result = invoke("score", TINY, path, "-o", tmp_path / "out.csv", *options)
        assert result.exit_code == 1
        assert "and 99,992 more" in result.output
        assert len(result.output) < 600


@pytest.mark.parametrize(
    "training",
    [
        {
            "rows": "many",
            "holdout_rows": [1],
            "data_sha256": {"a": 1},
            "metrics": 5,
            "versions": [],
        },
        {
            "rows": 10**900,
            "metrics": {"training": {"auc": "\x1b", "cost": 10**400, "accuracy": []}},
        },
        {"metrics": {"x" * 9999: [], "training": None}, "versions": {"a\r": "\x1b", "b": {"c": 1}}},
        {
            "metrics": {f"m{i}": {} for i in range(9999)},
            "versions": {f"v{i}": i for i in range(9999)},
        },
        json.loads('{"a":' * 50 + "1" + "}" * 50),
    ],
    ids=["kinds", "numbers", "texts", "many", "deep"],
)
def test_inspect_survives_any_card_that_loads(card, tmp_path, training):
    path = write_model(tmp_path / "model.onnx", replace(card, training=training))
    result = invoke("inspect", path)
    assert (result.exit_code, result.exception) == (0, None)
    assert result.output.replace("\n", "").isprintable()
    assert len(result.output) < 4000
    assert (
        invoke("inspect", path, "--json").output
        == replace(card, training=training).to_json() + "\n"
    )
    assert invoke("selftest", path).exit_code == 0


def test_a_warning_of_python_is_one_line(bundle, monkeypatch):
    code = (
        "import sys, warnings; from serve_runtime.bundle import model_file\n"
        "old = model_file.read_models\n"
        "def read(path): warnings.warn('be\\x1bware', RuntimeWarning); return old(path)\n"
        "model_file.read_models = read\n"
        "from serve_runtime.cli import main; main(['selftest', sys.argv[1]])"
    )
    done = run_python("-c", code, bundle, cwd=bundle)
    assert (done.returncode, done.stderr) == (0, "warning: be\\x1bware\n")


def test_a_resealed_manifest_of_odd_names_is_refused_plainly(bundle):
    reseal(bundle, **{"a\x1b": "\r"})
    assert invoke("inspect", bundle).exit_code == 0
