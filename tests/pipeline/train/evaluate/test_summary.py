"""The closing lines: figures beside what guessing reaches, weights, and what to type next."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from train.evaluate.summary import Summary
from train.evaluate.threshold import Figures
from train.optimize.fit import Record

FIGURES = {
    "rows": 1234567.0,
    "features": 30.0,
    "cost": 0.123456789,
    "accuracy": 0.98765,
    "auc": 0.99999,
    "log_loss": 12.5,
}


RECORDS = [Record(0, 0.7, 0.5, 0.69, 0.5), Record(5, 0.4, 0.8, 0.3, 0.8),
           Record(10, 0.2, 0.9, 0.35, 0.9)]  # fmt: skip
RANKING = ("chosen by 5 folds, by the log loss of rows left out (± 0.0100):",
           "0.3000  l2 = 0.01 (C = 1 in scikit-learn), 2 bent", "0.3100  no bends")  # fmt: skip


def summary(loss="bce", weights=None, straight=None, **changed) -> Summary:
    weights = {"a": 0.5, "b": -2.0} if weights is None else weights
    return Summary(
        {"training": FIGURES, "holdout": {**FIGURES, "rows": 2.0, "auc": None, **changed}},
        {"training": 0.25, "holdout": 0.75},
        weights,
        loss,
        tuple(weights) if straight is None else straight,
        ("no", "yes"),
        0.25,
        Figures(0.25, 0.5, 0.9, 0.75, None, None),
        RANKING,
        RECORDS,
        11,
    )


def test_all_lines():
    warning = "warning: " + "something is odd here, " * 4
    assert summary().text(Path("runs/x"), [warning, "warning: b", warning]).splitlines() == [
        "right on 98.77% of the 2 rows held out; always answering 'yes' would be right",
        "  on 75.00%",
        "",
        "               rows  positive  majority  accuracy       AUC  log loss",
        "training  1,234,567    25.00%    75.00%    98.77%    1.0000 12.500000",
        "holdout           2    75.00%    75.00%    98.77%         - 12.500000",
        "accuracy: of labels from a probability of 0.5 on",
        "majority: the accuracy of always answering with the more frequent class",
        "",
        "weight per standard deviation of the feature, largest first",
        "   -2.0000  'b'",
        "   +0.5000  'a'",
        "",
        "chosen by 5 folds, by the log loss of rows left out (± 0.0100):",
        "  0.3000  l2 = 0.01 (C = 1 in scikit-learn), 2 bent",
        "  0.3100  no bends",
        "threshold: 'yes' from a probability of 0.25 on; precision 75.00%, recall n/a on",
        "  the hold-out",
        "",
        "cost      0.700000  █▄▁  0.200000",
        "hold-out  0.690000  █▂▃  0.350000",
        "          epochs 0 to 10; lowest on the hold-out 0.300000 at 5",
        "",
        "warning: something is odd here, something is odd here, something is odd here,",
        "  something is odd here,",
        "warning: b",
        "",
        "run: runs/x",
        "look: python -m report runs/x -o reports/x.html",
        "next: python -m export bundle runs/x bundles/x",
    ]


def test_without_a_choice_a_holdout_or_a_curve_lines_are_left_out():
    bare = replace(
        summary(),
        metrics={"training": FIGURES},
        positives={"training": 0.25},
        labels=None,
        ranking=(),
        records=RECORDS[:2],
    )
    text = bare.text(Path("runs/x"))
    assert text.startswith(
        "right on 98.77% of the 1,234,567 rows trained on (none held out); always\n"
        "  answering 'no' would be right on 75.00%\n"
    )
    assert "\n\nthreshold: 'yes' from a probability of 0.25 on\n\nrun: " in text


def test_of_many_warnings_the_first_are_repeated():
    warnings = [f"warning: {i}" for i in range(9)]
    text = summary().text(Path("runs/x"), warnings)
    assert "\nwarning: 3\n… and 5 more warnings above\n\nrun: " in text


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_a_narrow_terminal_gets_a_line_a_figure(loss):
    lines = summary(loss).text(Path("runs/x"), width=39).splitlines()
    assert "            training    holdout" in lines
    assert "log loss   12.500000  12.500000" in lines
    assert ("cost        0.123457   0.123457" in lines) == (loss == "mse")
    assert max(map(len, lines[:-3])) <= 39


def test_the_document_is_json_with_all_figures(tmp_path):
    (tmp_path / "metrics.json").touch()
    figures = {"metrics": {"training": {"auc": None}}, "statistics": {"none": ""}, "threshold": {}}
    told = json.loads(json.dumps(summary().document(tmp_path, figures, ["warning: a"])))
    assert told == {
        "run": str(tmp_path),
        "files": {"metrics.json": str(tmp_path / "metrics.json")},
        "classes": ["no", "yes"],
        "positives": {"training": 0.25, "holdout": 0.75},
        "majority": {"training": 0.75, "holdout": 0.75},
        "updates": 11,
        "metrics": {"training": {"auc": None}},
        "threshold": {},
        "warnings": ["a"],
        "next": f"python -m export bundle {tmp_path} bundles/{tmp_path.name}",
    }


def test_squared_error_is_shown_beside_the_log_loss():
    header, training, *_ = summary("mse").text(Path("x")).splitlines()[3:]
    assert header.split()[-3:] == ["log", "loss", "cost"]
    assert training.split()[-2:] == ["12.500000", "0.123457"]


def test_six_weights_are_shown_and_the_others_counted():
    weights = {f"c{i}": (-1) ** i * float(i) for i in range(33)}
    lines = summary(weights=weights).text(Path("my run")).splitlines()[10:]
    assert [line.split()[1] for line in lines[:6]] == [f"'c{i}'" for i in range(32, 26, -1)]
    assert lines[6] == "… and 27 more: python -m train summary 'my run'"


def test_what_moves_the_logit_both_ways_has_no_sign():
    text = summary(weights={"a": -0.5, "city": 2.0}, straight=["a"]).text(Path("x"))
    assert (
        "\n    2.0000  'city'\n   -0.5000  'a'\nno sign: of a category or a bent number, " in text
    )


def test_no_line_of_figures_is_wider_than_79():
    names = {"n" * 200: 1e30, "é" * 90: -0.5}
    for loss in ("bce", "mse"):
        lines = summary(loss, names, log_loss=1234567.0).text(Path("runs/x")).splitlines()
        assert max(map(len, lines)) == 79


def test_the_next_command_can_be_typed():
    *_, look, last = summary().text(Path("my runs/it's")).splitlines()
    assert look == """look: python -m report 'my runs/it'"'"'s' -o 'reports/it'"'"'s.html'"""
    assert last == """next: python -m export bundle 'my runs/it'"'"'s' 'bundles/it'"'"'s'"""


@pytest.mark.parametrize("name", ["red\x1b[31m", "two\nlines", "bell\x07"])
def test_no_name_reaches_the_terminal_raw(name):
    text = summary(weights={name: 1.5}).text(Path("runs/m"))
    assert f"   +1.5000  {name!r}\n" in text
    assert name not in text
