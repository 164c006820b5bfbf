"""`python -m train`: what it prints, and the run folder that it leaves."""

import gzip
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
import torch
from torch import nn

from train.cli import main
from train.persistence import history, run_folder
from train.recipe.recipe import Recipe
from train.recipe.toml_file import read_toml

FILES = ["checkpoint.pt", "history.csv", "metrics.json", "profile.json", "recipe.toml"]
CSV = "a,b,y\n" + "".join(f"{i % 7},{(i * i) % 11},{int(i % 7 > 3)}\n" for i in range(40))


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def ok(result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_run_folder_holds_four_files_and_nothing_else(command, table, workplace):
    ok(command(table(CSV), "--epochs", "5", "--out", "deep/er/run"))
    assert sorted(contents(workplace / "deep/er/run")) == FILES
    assert sorted(p.name for p in workplace.rglob("*")) == sorted(
        ["table.csv", "deep", "er", "run", *FILES]
    )


def test_the_run_folder_has_the_usual_permissions(command, table, workplace):
    old = os.umask(0o022)
    try:
        ok(command(table(CSV), "--epochs", "1", "--out", "run"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((workplace / "run").stat().st_mode) == 0o755


def test_checkpoint_loads_into_the_plain_model_on_raw_features(command, table, workplace):
    ok(command(table(CSV), "--bend", "none", "--epochs", "300", "--holdout", "0", "--out", "run"))
    saved = torch.load(workplace / "run" / "checkpoint.pt", weights_only=True)
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    model.load_state_dict(saved["state_dict"], strict=True)
    rows = torch.tensor([[float(v) for v in line.split(",")] for line in CSV.split()[1:]])
    with torch.no_grad():
        hits = (model(rows[:, :2])[:, 0] >= 0.5) == (rows[:, 2] == 1)
    metrics = json.loads((workplace / "run" / "metrics.json").read_text())["metrics"]
    assert float(hits.double().mean()) == metrics["training"]["accuracy"] > 0.9


def test_history_has_a_row_for_every_hundredth_epoch(command, table, workplace):
    options = ("--epochs", "250", "--tolerance", "0", "--holdout", "0", "--out", "run")
    ok(command(table(CSV), *options))
    lines = (workplace / "run" / "history.csv").read_text().splitlines()
    assert lines[0] == ",".join(history.COLUMNS) == "epoch,cost,accuracy"
    assert [int(line.split(",")[0]) for line in lines[1:]] == [0, 100, 200]


def test_history_has_validation_columns_where_rows_are_held_out(command, table, workplace):
    ok(command(table(CSV), "--epochs", "9", "--log-every", "4", "--out", "run"))
    lines = (workplace / "run" / "history.csv").read_text().splitlines()
    assert lines[0] == ",".join(history.COLUMNS + history.VALIDATION_COLUMNS)
    assert [len(line.split(",")) for line in lines] == [5, 5, 5, 5]


def test_the_resolved_recipe_trains_to_the_same_run(command, table, workplace):
    (workplace / "my.toml").write_text("[optimizer]\nepochs = 9\nlr = 0.5\n[log]\nevery = 3\n")
    options = ("--set", "optimizer.lr=0.25", "--momentum", "0.5", "--seed", "7")
    ok(command(table(CSV), "--recipe", "my.toml", *options, "--out", "first"))
    resolved = read_toml(workplace / "first" / "recipe.toml")
    assert resolved["optimizer"]["epochs"] == 9
    assert resolved["optimizer"]["lr"] == 0.25
    assert resolved["optimizer"]["momentum"] == 0.5
    assert (resolved["model"]["seed"], resolved["log"]["every"]) == (7, 3)
    assert resolved["data"]["file"] == "table.csv"
    ok(command("--recipe", "first/recipe.toml", "--out", "second"))
    assert contents(workplace / "first") == contents(workplace / "second")


def test_flags_go_before_overrides_and_these_before_the_recipe(command, workplace):
    (workplace / "r.toml").write_text("[optimizer]\nepochs = 3\nlr = 0.5\nmomentum = 0.1\n")
    overrides = ("--set", "optimizer.lr=0.25", "--set", "optimizer.momentum=0.2")
    points = ("--set", "data.points={x=[[1.0],[2.0]],y=[0,1]}", "--holdout", "0")
    ok(command("--recipe", "r.toml", *overrides, *points, "--momentum", "0.3", "--out", "run"))
    found = Recipe.from_dict(read_toml(workplace / "run" / "recipe.toml")).optimizer
    assert (found.epochs, found.lr, found.momentum) == (3, 0.25, 0.3)


def test_options_of_weights_are_those_of_the_recipe(command, table, workplace):
    (workplace / "r.toml").write_text(
        '[data]\nweights = "b"\n'
        "[model]\nclass_weight = {0 = 0.5, 1 = 3.0}\nprior_correction = false\n"
    )
    ok(command(table(CSV), "--recipe", "r.toml", "--out", "first"))
    options = ("--weights", "b", "--class-weight", "0=0.5,1=3", "--no-prior-correction")
    said = ok(command(table(CSV), *options, "--out", "second"))
    assert "rows count by 'b', from 1 to 9" in said
    assert contents(workplace / "first") == contents(workplace / "second")
    result = command(table(CSV), "--class-weight", "most", "--out", "third")
    assert result.exit_code == 1
    assert "model.class_weight must be" in result.output


@pytest.mark.parametrize("batch_size", ["0", "8"])
def test_training_twice_gives_the_same_bytes(batch_size, command, table, workplace):
    options = ("--epochs", "20", "--momentum", "0.9", "--batch-size", batch_size)
    for seed, name in enumerate(("first", "second")):
        torch.manual_seed(seed)  # the caller's generator must not matter
        ok(command(table(CSV), *options, "--out", name))
    assert contents(workplace / "first") == contents(workplace / "second")
    ok(command("table.csv", *options, "--seed", "2", "--out", "third"))
    assert contents(workplace / "first") != contents(workplace / "third")


def test_training_leaves_the_callers_random_numbers_alone(command, table, workplace):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ok(command(table(CSV), "--epochs", "2", "--batch-size", "8", "--out", "run"))
    assert torch.equal(torch.rand(3), expected)


def test_the_card_tells_how_the_model_was_trained_and_no_path(command, table, workplace):
    (workplace / "secret").mkdir()
    data = str(workplace / "secret" / table(CSV, "secret/t.csv").rsplit("/", 1)[1])
    ok(command(data, "--epochs", "2", "--holdout", data, "--out", "run"))
    card = run_folder.read(workplace / "run").card
    assert card.feature_names == ("a", "b")
    assert card.classes == (0, 1)
    assert (card.feature_min, card.feature_max) == ((0, 0), (6, 9))
    assert (card.training["rows"], card.training["holdout_rows"]) == (40, 40)
    assert card.training["recipe"]["data"]["file"] == "t.csv"
    assert sorted(card.training["versions"]) == ["numpy", "python", "torch"]
    assert "secret" not in card.to_json()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["table.v2.csv.gz"], "table"),
        (["table.csv", "--recipe", "my.recipe.toml"], "my"),
        ([], "breast-cancer"),
    ],
)
def test_the_run_is_named_after_the_recipe_or_the_data(arguments, name, command, table, workplace):
    table(CSV)
    table(gzip.compress(CSV.encode()), "table.v2.csv.gz")
    table("[data]\nholdout = 0", "my.recipe.toml")
    output = ok(command(*arguments, "--epochs", "1"))
    assert f"\nrun: {Path('runs', name)}\n" in output
    assert sorted(contents(workplace / "runs" / name)) == FILES


def test_a_hidden_file_still_names_its_run(command, table, workplace):
    ok(command(table(CSV, ".hidden.csv"), "--epochs", "1"))
    assert [p.parent.parent for p in workplace.rglob("checkpoint.pt")] == [workplace / "runs"]


def test_the_output_has_a_line_for_every_record_and_a_table(command, table):
    options = ("--lr", "1", "--epochs", "11", "--log-every", "5", "--device", "cpu")
    output = ok(command(table(CSV), *options, "--out", "run"))
    every = output.splitlines()
    lines = every[every.index("32 rows, 2 features, positive class 1, on cpu") :]
    assert output.startswith("few whole numbers: 'a', 'b'.")
    assert lines[1] == "features: 'a', 'b'"
    assert lines[2] == "8 more rows are held out"
    line = r"epoch +{}  cost \d\.\d{{6}}  accuracy \d+\.\d\d%  hold-out \d\.\d{{6}}  \d+\.\d\d%"
    for epoch, text in zip((0, 5, 10), lines[3:6], strict=True):
        assert re.fullmatch(line.format(epoch), text)
    assert lines[6].startswith("probabilities of the hold-out: calibration slope ")
    lines = lines[lines.index("") + 1 :]
    assert re.match(r"right on \d+\.\d\d% of the 8 rows held out; always answering 0 ", lines[0])
    lines = lines[lines.index("") + 1 :]
    assert lines[0].split() == ["rows", "positive", "majority", "accuracy", "AUC", "log", "loss"]
    percent = r"\d+\.\d\d%"
    figures = rf"{percent} +{percent} +{percent} +\d\.\d{{4}} +\d\.\d{{6}}"
    assert re.fullmatch(rf"training +32 +{figures}", lines[1])
    assert re.fullmatch(rf"holdout +8 +{figures}", lines[2])
    assert lines[-3:] == [
        "run: run",
        "look: python -m report run -o reports/run.html",
        "next: python -m export bundle run bundles/run",
    ]
    assert max(map(len, every)) <= 79


def test_the_closing_table_is_that_of_metrics_json(command, table, workplace):
    output = ok(command(table(CSV), "--epochs", "50", "--loss", "mse", "--out", "run"))
    metrics = json.loads((workplace / "run" / "metrics.json").read_text())["metrics"]
    for part, share in (("training", 13 / 32), ("holdout", 3 / 8)):
        m = metrics[part]
        shown = next(line for line in output.splitlines() if line.startswith(part)).split()[1:]
        shares = [round(100 * value, 2) for value in (share, max(share, 1 - share), m["accuracy"])]
        assert [float(v.rstrip("%")) for v in shown] == pytest.approx(
            [m["rows"], *shares, m["auc"], m["log_loss"], m["cost"]], abs=5e-3
        )
        assert m["cost"] < m["log_loss"]


def test_weights_are_shown_for_a_change_of_one_deviation(command, table):
    options = ("--epochs", "50", "--holdout", "0", "--lr", "1")
    shown = [
        ok(command(table(CSV), *options, f"--{word}standardize", "--out", word + "run"))
        for word in ("", "no-")
    ]
    lines = [text.split("largest first\n")[1].splitlines()[:2] for text in shown]
    for first, second in lines:
        assert first.split()[1] == "'a'", "which decides the label"
        assert abs(float(first.split()[0])) >= abs(float(second.split()[0]))
    assert lines[0] != lines[1]


def test_long_lines_are_wrapped(command, table):
    text = "a,b,y\n" + "".join(f"{i % 7},1,{int(i % 7 > 3)}\n" for i in range(40))
    output = ok(command(table(text), "--epochs", "3", "--no-standardize", "--out", "run"))
    assert "warning: constant in the training rows: 'b'" in output
    assert max(map(len, output.splitlines())) <= 79


def test_a_holdout_of_one_class_has_no_auc(command, table, workplace):
    table("a,b,y\n1,2,1\n3,4,1\n", "hold.csv")
    output = ok(command(table(CSV), "--epochs", "5", "--holdout", "hold.csv", "--out", "run"))
    line = next(line for line in output.splitlines() if line.startswith("holdout"))
    assert line.split()[5] == "-"  # rows, positive, majority, accuracy, AUC
    metrics = json.loads((workplace / "run" / "metrics.json").read_text())["metrics"]
    assert metrics["holdout"]["auc"] is None


def test_help_has_examples_and_says_what_every_option_means(command):
    output = ok(command("--help"))
    assert re.search(r"^ +Examples:\n +python -m train\n", output, re.MULTILINE)
    options = [p for p in main.params if isinstance(p, click.Option)]
    assert len(options) > 20
    assert [option.name for option in options if not option.help] == []
    headings = re.findall(r"^(\w+):$", output, re.MULTILINE)
    assert headings == ["Data", "Columns", "Model", "Penalty", "Optimiser", "Run"]
    assert max(map(len, output.splitlines())) <= 79


def test_as_a_program_it_trains_and_shows_no_bar_in_a_pipe(repository, table, workplace):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "train", table(CSV), "--epochs", "300"],
        cwd=workplace,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\r" not in done.stdout
    assert "epoch/s" not in done.stdout
    assert sorted(contents(workplace / "runs" / "table")) == FILES


def test_as_a_program_it_fails_with_one_line(repository, workplace):
    done = subprocess.run(
        [sys.executable, "-m", "train", "absent.csv"],
        cwd=workplace,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: absent.csv does not exist\n"


def test_quiet_says_nothing_but_warnings(command, table, workplace):
    result = command(table(CSV), "--epochs", "5", "--quiet", "--out", "run")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("warning: after 5 updates some weights are still ")
    assert result.stderr.count("warning: ") == len(result.stderr.split("warning: ")) - 1
    assert sorted(contents(workplace / "run")) == FILES


def test_json_says_what_the_summary_says(command, table, workplace):
    for options in (("--json",), ("--json", "-q")):
        result = command(
            table(CSV), *options, "--threshold", "f1", "--l2", "auto", "--out", "run", "--force"
        )
        assert result.exit_code == 0
        told = json.loads(result.stdout)
        written = json.loads((workplace / "run" / "metrics.json").read_text())
        for key in ("metrics", "selection", "threshold", "importance"):
            assert told[key] == written[key]
        assert told["run"] == "run"
        assert sorted(told["files"]) == FILES
        assert told["classes"] == [0, 1]
        assert told["majority"]["holdout"] == pytest.approx(5 / 8)
        assert told["next"] == "python -m export bundle run bundles/run"
        warnings = [text for text in told["warnings"] if text not in result.stderr]
        assert [text for text in warnings if "\n" in text] == []
        assert ("rows, 2 features" in result.stderr) == (len(options) == 1)


def test_json_holds_each_warning_once_and_whole(command, table):
    text = "a,b,y\n" + "".join(f"{i % 7},1,{int(i % 7 > 3)}\n" for i in range(40))
    result = command(table(text), "--no-standardize", "--epochs", "3", "--json", "--out", "run")
    (constant,) = (w for w in json.loads(result.stdout)["warnings"] if w.startswith("constant in"))
    assert constant.startswith("constant in the training rows: 'b'; ")
    assert "warning: constant in the training rows: 'b'" in result.stderr


def test_warnings_are_repeated_at_the_end(command, table):
    text = "a,b,y\n" + "".join(f"{i % 7},1,{int(i % 7 > 3)}\n" for i in range(40))
    output = ok(command(table(text), "--no-standardize", "--epochs", "3", "--out", "run"))
    closing = output.split("\nright on ")[1]
    assert output.count("warning: constant in the training rows: 'b'") == 2
    assert closing.count("warning: constant in the training rows: 'b'") == 1
    assert closing.index("warning: ") > closing.index("threshold: ")


@pytest.mark.parametrize("options", [["--json"], ["--quiet"], ["--json", "--quiet"]])
def test_a_failure_is_a_message_and_a_code_whatever_is_asked(command, table, options):
    """Nothing is on standard output, so that a machine never reads half an answer."""
    result = command(table("a,y\n1,2\n3,4\n5,6\n"), *options, "--out", "run")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: table.csv: " in result.stderr


def test_a_missed_threshold_is_told_in_json_and_by_the_code(command, table):
    options = ("--threshold", "precision=1.0", "--l2", "auto", "--json", "--out", "run")
    noise = "a,y\n" + "".join(f"{i % 5},{i * 7 % 11 % 2}\n" for i in range(60))
    result = command(table(noise), *options)
    assert result.exit_code == 1
    assert "Error: run is written, but " in result.stderr
    missed = json.loads(result.stdout)["threshold"]["missed"]
    assert missed
    assert missed in result.stderr


def test_a_resumed_training_closes_in_the_same_way(command, table):
    options = (table(CSV), "--epochs", "50", "--tolerance", "0", "--out", "run")
    fresh = ok(command(*options))
    resumed = ok(command(*options, "--resume", "--force"))
    assert "no checkpoint at run.resume: starting at the beginning" in resumed
    assert resumed.split("\nright on ")[1] == fresh.split("\nright on ")[1]
