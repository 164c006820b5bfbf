"""The export command: what it prints, what it refuses, and that it leaves nothing half-made."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from light.commands.terminals import on_terminal

from benchmarks.harness.random_run import random_run
from export import proof as proof_module
from export.cli import main
from export.errors import ParityError
from export.verdict import WIDTH
from export.verify import verify_bundle
from pipeline.run_files import forge
from serve_runtime import Predictor
from serve_runtime.commands import progress
from serve_runtime.commands.progress import live_line


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def in_width(output: str, *long: Path, width: int = WIDTH) -> bool:
    """Whether no line is wider than a terminal, but for those that name one of these paths."""
    lines = [line for line in output.splitlines() if not any(str(p) in line for p in long)]
    return max(map(len, lines)) <= width


def test_the_next_command_can_be_typed(run_folder: Path, tmp_path: Path) -> None:
    result = run("bundle", run_folder, tmp_path / "it's mine")
    *_, command, bundle = shlex.split(result.output.splitlines()[-1])
    assert (command, bundle) == ("selftest", str(tmp_path / "it's mine"))


def test_bundle_says_what_was_proven_and_what_comes_next(run_folder: Path, tmp_path: Path) -> None:
    result = run("bundle", run_folder, tmp_path / "b")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.output.startswith("PROVEN: 17 scorers × 18,")
    assert f"\n\nbundle: {tmp_path / 'b'}  (6 files, " in result.output
    assert "parity.json holds 256 rows of your data" in result.output
    assert result.output.endswith(f"\nnext:   serve-runtime selftest {tmp_path / 'b'}\n")
    assert f"\nlook:   python -m report {run_folder} {tmp_path / 'b'} -o reports/" in result.output
    assert "scored by" not in result.output
    assert in_width(result.output, tmp_path, run_folder)


def test_bundle_without_the_sample_says_of_which_rows_it_speaks(
    run_folder: Path, tmp_path: Path
) -> None:
    result = run("bundle", run_folder, tmp_path / "b", "--no-sample")
    assert result.exit_code == 0
    assert "(the largest bound of 256 rows sampled from your data)" in result.output
    assert "parity.json holds" not in result.output
    verified = run("verify", tmp_path / "b").output
    assert "\n  within the training ranges a probability is within " in verified
    assert "sampled" not in verified


def test_the_table_shows_every_scorer_in_79_columns(
    run_folder: Path, pristine: Path, tmp_path: Path
) -> None:
    for arguments in (["bundle", run_folder, tmp_path / "b"], ["verify", pristine]):
        result = run(*arguments, "--table")
        assert result.exit_code == 0
        assert result.output.startswith("The worst error of each scorer on 18,")
        assert " far outside your\ndata on purpose" in result.output
        for name in ("float64, math.fsum", "torch float32", "onnx reference, rows",
                     "onnxruntime, rows, 1", "onnxruntime, columns, 1"):  # fmt: skip
            assert f"\n{name} " in result.output
        assert in_width(result.output, tmp_path, pristine, run_folder)


def test_verify_says_that_every_file_is_the_one_exported(pristine: Path) -> None:
    result = run("verify", pristine)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.output.startswith("PROVEN: 17 scorers × 18,")
    assert "every file is the one exported, every contract holds" in result.output
    assert f"\nnext:   serve-runtime selftest {pristine}" in result.output
    assert in_width(result.output, pristine)


def test_verify_shows_the_ranges_of_the_logit_when_asked(pristine: Path) -> None:
    result = run("verify", pristine, "--by-logit", "--rows", 70000)
    assert result.exit_code == 0
    assert "\nexact logit in " in result.output
    assert "\n[-8, 0) " in result.output
    assert result.output.startswith("PROVEN: 17 scorers × 88,")


def test_the_steps_are_shown_on_a_terminal_and_leave_nothing(
    pristine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with live_line() as show:
        verify_bundle(pristine, show=show)
    steps = capsys.readouterr().err.split("\r\x1b[K")
    assert steps[0] == steps[-1] == ""
    assert "opening the files …" in steps
    scored = r"scoring: [\d,]+ of 31\d,\d+ scores(, .*)?"
    assert sum(bool(re.fullmatch(scored, step)) for step in steps) > 17
    assert any(", model.torchscript.pt" in step for step in steps)
    assert max(map(len, steps)) < 80


def test_a_narrow_terminal_gets_narrow_lines(repository: Path, pristine: Path) -> None:
    seen = on_terminal(["-m", "export", "verify", pristine], repository, columns=40)
    assert seen.code == 0
    assert re.fullmatch(r"PROVEN: 17 scorers × 18,\d+ rows, none", seen.left[0])
    assert in_width("\n".join(seen.left), pristine, width=40)
    assert max(map(len, seen.live)) < 40
    assert "opening the files …" in seen.live
    assert seen.left[-2].startswith("next:   serve-runtime selftest ")


def test_quiet_says_nothing_of_a_proven_bundle(run_folder: Path, tmp_path: Path) -> None:
    assert run("bundle", run_folder, tmp_path / "b", "--quiet").output == ""
    assert run("verify", tmp_path / "b", "-q", "--table").output == ""


def test_json_has_the_verdict_the_figures_and_the_paths(run_folder: Path, tmp_path: Path) -> None:
    made = run("bundle", run_folder, tmp_path / "b", "--json")
    verified = run("verify", tmp_path / "b", "--json", "--quiet")
    assert (made.exit_code, made.stderr, verified.stderr) == (0, "", "")
    told = json.loads(made.stdout)
    assert told == json.loads(verified.stdout)
    parity = json.loads((tmp_path / "b" / "parity.json").read_text())
    assert told["proven"] is True
    assert told["bundle"] == str(tmp_path / "b")
    assert sorted(told["scorers"]) == sorted(parity["subjects"])
    assert told["contracts"] == parity["contracts"]
    assert told["worst_share"] == max(
        each[what]["share"]
        for each in told["scorers"].values()
        for what in ("logit", "probability")
    )
    assert told["files"]["model.onnx"]["size"] == (tmp_path / "b" / "model.onnx").stat().st_size
    assert told["model_id"] == Predictor(tmp_path / "b").card.model_id
    assert shlex.split(told["next"])[1:] == ["selftest", str(tmp_path / "b")]


def test_json_repeats_warnings_that_stand_on_standard_error(tmp_path: Path) -> None:
    far = random_run(tmp_path / "far-run", 2, offset=1e6)
    for options in (["--json"], ["--quiet"]):
        result = run("bundle", far, tmp_path / "far", "--force", *options)
        assert result.exit_code == 0
        assert result.stderr.startswith("warning: feature 'c")
        told = json.loads(result.stdout)["warnings"] if result.stdout else []
        assert [f"warning: {each}\n" for each in told] == [result.stderr] * len(told)
        assert bool(told) == (options == ["--json"])


def test_a_failure_writes_no_json(bundle: Path) -> None:
    (bundle / "model.pt2").write_bytes(b"")
    for options in (["--json"], ["--quiet"], ["--json", "--quiet"]):
        result = run("verify", bundle, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "model.pt2 is not the file that was exported" in result.stderr


def test_verify_of_a_damaged_bundle_exits_1_and_names_the_file(bundle: Path) -> None:
    (bundle / "model.pt2").write_bytes(b"")
    result = run("verify", bundle)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "model.pt2 is not the file that was exported" in result.output


def test_an_existing_bundle_is_replaced_only_by_force(bundle: Path, tmp_path: Path) -> None:
    other = random_run(tmp_path / "run", 3)
    before = (bundle / "model.onnx").read_bytes()
    result = run("bundle", other, bundle)
    assert (result.exit_code, (bundle / "model.onnx").read_bytes()) == (1, before)
    assert "exists: choose another name, or replace it with --force" in result.output
    assert run("bundle", other, bundle, "--force").exit_code == 0
    assert run("verify", bundle).exit_code == 0
    assert (bundle / "model.onnx").read_bytes() != before


def test_force_replaces_nothing_but_a_bundle(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    result = run("bundle", run_folder, tmp_path / "home", "--force")
    assert result.exit_code == 1
    assert "holds no MANIFEST.json" in result.output
    assert (tmp_path / "home" / "thesis.txt").read_text() == "years of work"


def test_a_failed_proof_keeps_the_old_bundle(
    run_folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ParityError("model.pt2, random rows, row 3: logit 1.0, exact 2.0")

    before = (bundle / "MANIFEST.json").read_bytes()
    monkeypatch.setattr(proof_module, "measure", refuse)
    result = run("bundle", run_folder, bundle, "--force")
    assert result.exit_code == 1
    assert "model.pt2, random rows, row 3" in result.output
    assert (bundle / "MANIFEST.json").read_bytes() == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("missing", ["checkpoint.pt", "metrics.json"])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, missing: str) -> None:
    folder = random_run(tmp_path / "run", 2)
    (folder / missing).unlink()
    result = run("bundle", folder, tmp_path / "b")
    assert result.exit_code == 1
    assert f"is not a run: cannot read {folder / missing}" in result.output
    assert not (tmp_path / "b").exists()


def test_an_altered_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = random_run(tmp_path / "run", 2)
    content = bytearray((folder / "checkpoint.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "checkpoint.pt").write_bytes(content)
    result = run("bundle", folder, tmp_path / "b")
    assert result.exit_code == 1
    assert "it was truncated or altered; train again" in result.output


def test_a_run_whose_weights_differ_from_its_card_is_refused(tmp_path: Path) -> None:
    folder = random_run(tmp_path / "run", 2)

    def double(saved: dict[str, Any]) -> None:
        saved["state_dict"]["0.weight"] *= 2

    forge(folder, double)
    result = run("bundle", folder, tmp_path / "b")
    assert result.exit_code == 1
    assert "its weights are not those of its standardised model, folded" in result.output


def test_a_feature_far_from_zero_is_warned_about(tmp_path: Path) -> None:
    result = run("bundle", random_run(tmp_path / "run", 2, spread=0.1), tmp_path / "near")
    assert "warning" not in result.output
    from train.persistence import run_folder

    far = random_run(tmp_path / "far-run", 2, offset=1e6)
    assert run_folder.read(far).card.feature_min[0] > 9e5
    result = run("bundle", far, tmp_path / "far")
    assert result.exit_code == 0
    assert "warning: feature 'c" in result.output


@pytest.mark.parametrize(
    "arguments", [["bundle"], ["verify"], ["nothing"], ["bundle", "a", "b", "c"]]
)
def test_a_wrong_command_exits_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("command", [[], ["bundle"], ["verify"]])
def test_every_command_has_help(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output
    assert "..." not in result.output.replace("[OPTIONS] COMMAND [ARGS]...", "")


def test_the_maintainers_commands_come_last() -> None:
    listed = run("--help").output.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed if line] == [
        "bundle", "verify", "For", "runtimes", "sigmoid",
    ]  # fmt: skip


def test_the_threshold_is_written_and_said(run_folder: Path, tmp_path: Path) -> None:
    result = run("bundle", run_folder, tmp_path / "b", "--threshold", "0.25")
    assert result.exit_code == 0
    positive = Predictor(tmp_path / "b").card.classes[1]
    assert f"        {positive!r} where the probability is 0.25 or more\n" in result.output
    assert Predictor(tmp_path / "b").card.threshold == 0.25


@pytest.mark.parametrize("threshold", ["-0.1", "1.5", "nan", "half"])
def test_a_threshold_that_is_no_probability_is_a_wrong_command(
    run_folder: Path, tmp_path: Path, threshold: str
) -> None:
    result = run("bundle", run_folder, tmp_path / "b", "--threshold", threshold)
    assert result.exit_code == 2
    assert "Invalid value for '--threshold'" in result.stderr
    assert not (tmp_path / "b").exists()
