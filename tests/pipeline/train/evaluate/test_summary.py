"""The closing lines: figures beside what guessing reaches, weights, and what to type next."""

from pathlib import Path

import pytest

from train.evaluate.summary import Summary

FIGURES = {
    "rows": 1234567.0,
    "features": 30.0,
    "cost": 0.123456789,
    "accuracy": 0.98765,
    "auc": 0.99999,
    "log_loss": 12.5,
}


def summary(loss="bce", weights=None, straight=None, **changed) -> Summary:
    weights = {"a": 0.5, "b": -2.0} if weights is None else weights
    return Summary(
        {"training": FIGURES, "holdout": {**FIGURES, "rows": 2.0, "auc": None, **changed}},
        {"training": 0.25, "holdout": 0.75},
        weights,
        loss,
        tuple(weights) if straight is None else straight,
    )


def test_all_lines():
    assert summary().text(Path("runs/x")).splitlines() == [
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
        "run: runs/x",
        "next: python -m export bundle runs/x bundles/x",
    ]


def test_squared_error_is_shown_beside_the_log_loss():
    header, training, *_ = summary("mse").text(Path("x")).splitlines()
    assert header.split()[-3:] == ["log", "loss", "cost"]
    assert training.split()[-2:] == ["12.500000", "0.123457"]


def test_ten_weights_are_shown_and_the_others_counted():
    weights = {f"c{i}": (-1) ** i * float(i) for i in range(33)}
    lines = summary(weights=weights).text(Path("x")).splitlines()
    shown = [line.split()[1] for line in lines[7:17]]
    assert shown == [f"'c{i}'" for i in range(32, 22, -1)]
    assert lines[17] == "… and 23 more"


def test_what_moves_the_logit_both_ways_has_no_sign():
    text = summary(weights={"a": -0.5, "city": 2.0}, straight=["a"]).text(Path("x"))
    assert "\n    2.0000  'city'\n   -0.5000  'a'\nno sign: a category or a bent number " in text


def test_no_line_of_figures_is_wider_than_79():
    names = {"n" * 200: 1e30, "é" * 90: -0.5}
    for loss in ("bce", "mse"):
        lines = summary(loss, names, log_loss=1234567.0).text(Path("runs/x")).splitlines()
        assert max(map(len, lines)) == 79


def test_the_next_command_can_be_typed():
    last = summary().text(Path("my runs/it's")).splitlines()[-1]
    assert last == """next: python -m export bundle 'my runs/it'"'"'s' 'bundles/it'"'"'s'"""


@pytest.mark.parametrize("name", ["red\x1b[31m", "two\nlines", "bell\x07"])
def test_no_name_reaches_the_terminal_raw(name):
    text = summary(weights={name: 1.5}).text(Path("runs/m"))
    assert f"   +1.5000  {name!r}\n" in text
    assert name not in text
