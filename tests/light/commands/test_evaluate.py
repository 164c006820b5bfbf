import json

import pytest

from light.commands.running import invoke, run_command
from light.helpers import TINY

TABLE = "x1,x2,y\n1,2,0\n6,3,1\n5,1,1\n2,2,1\n"

SHOWN = """\
rows               4
base rate          75.00% are 1
AUC                1.000000
log loss           1.24594
Brier score        0.246777
at the threshold   0.5
accuracy           75.00% (majority 75.00%)
balanced accuracy  83.33%
precision          100.00%
recall             66.67%

      labelled 0  labelled 1
is 0           1           0
is 1           1           2
"""


def test_evaluate_prints_the_usual_figures(table, card):
    result = invoke("evaluate", TINY, table, "--target", "y")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.output == f"model_id           {card.model_id}\n{SHOWN}"


def test_evaluate_prints_json(table, card):
    result = invoke("evaluate", TINY, table, "--target", "y", "--json", "--threads", "2")
    found = json.loads(result.output)
    assert found["model_id"] == card.model_id
    assert (found["rows"], found["base_rate"], found["auc"], found["threshold"]) == (
        4,
        0.75,
        1,
        0.5,
    )
    assert found["classes"] == [0, 1]
    assert found["confusion"] == {
        "true_negatives": 1,
        "false_positives": 0,
        "false_negatives": 1,
        "true_positives": 2,
    }
    figures = {"auc_within", "log_loss", "brier", "accuracy", "balanced_accuracy", "precision"}
    assert figures | {"recall", "specificity"} <= found.keys()


@pytest.mark.parametrize("label", ["0", "1"])
def test_one_class_alone_has_no_auc(table, label):
    table.write_text(f"x1,x2,y\n1,2,{label}\n6,3,{label}\n")
    lines = invoke("evaluate", TINY, table, "--target", "y").output.splitlines()
    assert "AUC                n/a: all rows are of one class" in lines
    assert "balanced accuracy  n/a: all rows are of one class" in lines
    assert ("recall             n/a: no row is 1" in lines) == (label == "0")
    found = json.loads(invoke("evaluate", TINY, table, "--target", "y", "--json").output)
    assert found["auc"] is None


def test_evaluate_reads_standard_input(table):
    result = invoke("evaluate", TINY, "-", "--target", "-1", "--positive", "1", input=TABLE)
    assert result.exit_code == 0
    assert result.output.endswith(SHOWN)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--target", "z"], 1, "Error: in.csv: the target column 'z' is not there; the table has"),
        ([], 2, "Missing option '--target'"),
        (["--target", "x1"], 1, "Error: in.csv: the target column 'x1' is one of the model's feat"),
        (["--target", "y", "--no-header"], 1, "Error: in.csv: the target column 'y' is not there"),
        (["--target", "y", "--threads", "0"], 2, "'0' is neither a number from 1 up nor auto"),
    ],
)
def test_evaluate_says_what_is_wrong(table, tmp_path, arguments, code, message):
    result = run_command("evaluate", TINY, "in.csv", *arguments, cwd=tmp_path)
    assert result.returncode == code
    assert message in result.stderr
    assert result.stdout == ""
