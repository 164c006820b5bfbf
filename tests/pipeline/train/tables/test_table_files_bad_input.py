"""Bad input gets a clear error, exit 1 or 2, and leaves nothing behind."""

import gzip

import pandas as pd
import pytest
import torch

GOOD = "a,b,y\n1,2,0\n2,3,1\n3,1,0\n4,3,1\n"
NO_HOLDOUT = ("--holdout", "0", "--epochs", "3", "--set", "columns.missing=error")


def swap(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


CASES = {
    "empty": ("", "table.csv is empty"),
    "blank": ("\n\n", "table.csv is empty"),
    "header only": ("a,b,y\n", "table.csv has no rows below its header"),
    "too few values": (
        swap("3,1,0", "3,0"),
        "table.csv, line 4: expected 3 values, got 2",
    ),
    "too many values": (
        swap("1,2,0\n", "\n1,2,0\n\n").replace("4,3,1", "4,3,1,1"),
        "table.csv, line 7: expected 3 values, got 4",
    ),
    "ragged after a value of two lines": (
        'a,b,y\n1,"2\n",0\n3,1\n',
        "table.csv, line 4: expected 3 values, got 2",
    ),
    "text": (
        swap("3,1,0", "3,old,0"),
        "features must be numbers; these columns are not: 'b' ('old' is no number",
    ),
    "missing": (swap("3,1,0", "3,,0"), "column 'b' misses 1 values, the first in data row 3, and"),
    "NaN": (swap("2,3,1", "nan,3,1"), "column 'a' misses 1 values, the first in data row 2, and"),
    "NA": (swap("2,3,1", "NA,3,1"), "column 'a' misses 1 values, the first in data row 2, and"),
    "infinite": (swap("2,3,1", "-inf,3,1"), "data row 2, column 'a' is -inf as float32; every"),
    "overflow": (swap("2,3,1", "2,1e39,1"), "data row 2, column 'b' is inf as float32; every"),
    "no label": (swap("2,3,1", "2,3,"), "table.csv: data row 2 has no label: drop the row"),
    "one class": (GOOD.replace(",1\n", ",0\n"), "must hold two classes; found 0 (4 rows)"),
    "three classes": (
        swap("4,3,1", "4,3,2"),
        "the target must hold two classes; found 0 (2 rows), 1 (1 rows), 2 (1 rows)",
    ),
    "texts in doubt": (
        GOOD.replace(",1\n", ",cat\n").replace(",0\n", ",dog\n"),
        "which label is the positive one, 'cat' or 'dog'? Say so with --positive 'dog'",
    ),
    "target absent": (swap("a,b,y", "a,b,c"), "; there are 'a', 'b', 'c'"),
    "duplicate features": (
        swap("a,b,y", "a,a,y"),
        "table.csv: column names must be unique; more than one is named 'a'; if the first line is "
        "data, say --no-header",
    ),
    "nameless column": (swap("a,b,y", ",b,y"), "has no name"),
    "not UTF-8": (GOOD.replace("a,b", "caf\xe9,b").encode("latin-1"), "save the file as UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), CASES.values(), ids=CASES.keys())
def test_bad_csv(content, message, table, refused):
    said = refused(table(content), *NO_HOLDOUT)
    assert message in said
    assert said.startswith(("table.csv", "cannot read table.csv", "column "))


@pytest.mark.parametrize("columns", ["y,a,b", "a,y,b", "b,a,y"])
def test_a_column_of_text_is_named_wherever_it_stands(columns, table, refused):
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, "old", 3, 4], "y": [0, 1, 0, 1]})
    text = frame[columns.split(",")].to_csv(index=False)
    assert "these columns are not: 'b' ('old' is no number" in refused(table(text), *NO_HOLDOUT)


def test_a_column_of_text_is_named_when_others_are_dropped(table, refused):
    said = refused(
        table("name,a,b,y\nx,1,2,0\ny,2,old,1\nz,2,3,1\n"), "--drop", "name", *NO_HOLDOUT
    )
    assert "these columns are not: 'b' ('old' is no number" in said


def test_a_missing_value_in_parquet_is_named(refused, workplace):
    pd.DataFrame({"a": [1.0, None, 3.0], "y": [0, 1, 0]}).to_parquet("table.parquet")
    said = refused("table.parquet", *NO_HOLDOUT)
    assert said.startswith("column 'a' misses 1 values, the first in data row 2, and columns.m")


def test_rows_far_below_are_numbered_right(table, refused):
    # Some 2 MB: more than one block of the reader.
    lines = [f"{i},{i % 97},{i % 2}" for i in range(150_000)]
    lines[140_000] = "140000,,1"
    said = refused(table("a,b,y\n" + "\n".join(lines)), *NO_HOLDOUT)
    assert said.startswith("column 'b' misses 1 values, the first in data row 140001, and")
    lines[140_000] = "140000,1"
    said = refused(table("a,b,y\n" + "\n".join(lines)), *NO_HOLDOUT)
    assert said == "table.csv, line 140002: expected 3 values, got 2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.csv"], "absent.csv does not exist"),
        (["absent.parquet"], "absent.parquet does not exist"),
        (["."], "twice.csv: column names must be unique; more than one is named 'y'"),
        (
            ["table.csv", "--target", "z"],
            "table.csv: no target column 'z'; there are 'a', 'b', 'y'",
        ),
        (["twice.csv", "--target", "y"], "must be unique; more than one is named 'y'"),
        (["table.csv", "--positive", "7"], "the positive class '7' is not there; found 0, 1"),
        (["table.csv", "--holdout", "absent.csv"], "absent.csv does not exist"),
        (["table.csv", "--holdout", "1.5"], "data.holdout must be a fraction from 0 to less"),
        (
            ["table.csv", "--holdout", "0.5", "--drop", "q"],
            "data.drop names 'q', which is not among the features 'a', 'b'",
        ),
        (
            ["table.csv", "--lr", "-1"],
            "optimizer.lr must be auto, or a number above 0, in float32; got -1.0",
        ),
        (["table.csv", "--epochs", "0"], "optimizer.epochs must be a whole number from 1 to 10⁹"),
        (
            ["table.csv", "--lr", "1", "--nesterov"],
            "optimizer.nesterov needs optimizer.momentum above 0",
        ),
        (["table.csv", "--set", "lr=1"], "--set needs section.key=value; got 'lr=1'"),
        (["--recipe", "absent.toml"], "cannot read absent.toml: No such file or directory"),
        (["--recipe", "table.csv"], "table.csv is not valid TOML: "),
        (["--recipe", "flat.toml"], "[data]"),
        (["table.csv", "--recipe", "flat.toml"], "[data]"),
        (["--recipe", "flat.toml", "--target", "y"], "[data]"),
        (["--recipe", "flat.toml", "--set", "data.target=y"], "[data]"),
    ],
)
def test_bad_arguments_of_the_right_form(arguments, message, table, refused):
    table(GOOD)
    table("data = 5\n", "flat.toml")
    table(swap("a,b,y", "y,b,y"), "twice.csv")
    assert message in refused(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [["--loss", "hinge"], ["--epochs", "many"], ["--device", "tpu"], ["a", "b"], ["-x"]],
)
def test_a_command_that_is_wrong_exits_2(arguments, command, workplace):
    result = command(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (gzip.compress(b"", mtime=0), "table.csv.gz"),
        (gzip.compress(b"\n", mtime=0), "table.csv.gz"),
        (b"\n", "table.csv"),
        (b" \n", "table.csv"),
    ],
    ids=["gzip of nothing", "gzip of a blank line", "blank line", "space"],
)
def test_a_file_of_nothing_without_a_header(content, name, table, refused):
    said = refused(table(content, name), "--no-header", *NO_HOLDOUT)
    assert said.startswith(name)


def test_damaged_gzip(table, refused):
    whole = gzip.compress("".join(f"{i * 7919 % 1009},{i % 2}\n" for i in range(5000)).encode())
    for damaged in (whole[: len(whole) // 2], whole[:20] + 40 * b"\xff" + whole[60:], whole[1:]):
        said = refused(table(damaged, "table.csv.gz"), "--no-header", *NO_HOLDOUT)
        assert said.startswith("cannot read table.csv.gz: ")


def test_damaged_parquet(table, refused, workplace):
    pd.DataFrame({"a": range(100), "y": [0, 1] * 50}).to_parquet("table.parquet")
    whole = (workplace / "table.parquet").read_bytes()
    for damaged in (whole[:-50], b"PAR1", b"a,y\n1,0\n"):
        said = refused(table(damaged, "table.parquet"), *NO_HOLDOUT)
        assert said.startswith("cannot read table.parquet: ")


def test_a_constant_feature_is_a_warning(table, command, workplace):
    result = command(table(GOOD.replace(",3,", ",2,").replace(",1,0", ",2,0")), *NO_HOLDOUT)
    assert result.exit_code == 0
    assert "warning: constant in the training rows: 'b'; its weight becomes 0\n" in result.output
    saved = torch.load(workplace / "runs" / "table" / "checkpoint.pt", weights_only=True)
    assert saved["state_dict"]["0.weight"][0, 1] == 0


POINTS = ("--set", "data.points={x=[[-10.0],[10.0]],y=[0,1]}", "--no-standardize", *NO_HOLDOUT)


@pytest.mark.parametrize("lr", ["1e37", "1e38", "1e39", "1e308"])
def test_a_learning_rate_far_too_long(lr, table, refused):
    said = refused("--recipe", table("[model]\ninit = 'zeros'", "r.toml"), "--lr", lr, *POINTS)
    assert "lr" in said


@pytest.mark.parametrize("decay", ["1e6", "1e38", "1e39", "1e308"])
def test_a_weight_decay_far_too_strong(decay, table, refused):
    recipe = table("", "r.toml")
    options = ("--weight-decay", decay, "--lr", "1", "--epochs", "99")
    said = refused("--recipe", recipe, *POINTS, *options)
    assert "not finite at update" in said or "weight_decay" in said


@pytest.mark.parametrize("weight", ["inf", "nan", "1e39", "-1e39"])
def test_first_weights_that_are_not_finite_are_refused(weight, table, refused):
    recipe = table(f"[model]\ninit = {{weight = [[{weight}]], bias = [0]}}", "r.toml")
    said = refused("--recipe", recipe, *POINTS)
    assert "model.init" in said
    assert "--lr" not in said


@pytest.mark.parametrize("weight", ["[['a']]", "[[1, 2]]", "[1]", "1", "[[1], [2]]", "[[{}]]"])
def test_first_weights_that_do_not_fit(weight, table, refused):
    recipe = table(f"[model]\ninit = {{weight = {weight}, bias = [0]}}", "r.toml")
    assert refused("--recipe", recipe, *POINTS).startswith("model.init")


def test_divergence_on_standardised_features_names_the_steps(table, refused):
    # 500 features: their curvature is large though each is standardised.
    head = ",".join(f"c{i}" for i in range(500))
    rows = [",".join(str((i * j * 7919) % 101) for i in range(1, 501)) for j in range(1, 9)]
    text = f"{head},y\n" + "".join(f"{row},{j % 2}\n" for j, row in enumerate(rows))
    said = refused(table(text), "--weight-decay", "1e6", "--lr", "1", "--holdout", "0")
    assert "not finite at update" in said
    assert "standardize" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device(table, refused):
    said = refused(table(GOOD), "--device", "cuda", *NO_HOLDOUT)
    assert said.startswith("device cuda was asked for and torch finds none")


def test_standard_input_is_refused_or_read_whole(command):
    rows = "".join(f"{i},{i % 2}\n" for i in range(200))
    result = command("-", "--no-header", "--out", "run", *NO_HOLDOUT, input=rows)
    assert result.exit_code == 1 or "200 rows, 1 features" in result.stdout


def test_a_wide_table_is_no_obstacle(command, table, workplace):
    # Lines of 1.2 MB: longer than one block of the reader.
    head = ",".join(f"c{i}" for i in range(20_000))
    rows = "".join(f"{('1.' + 58 * '2' + ',') * 19_999}{i},{i % 2}\n" for i in range(4))
    quick = ("--l2", "0.1", "--bend", "none", "--epochs", "5")
    result = command(table(f"{head},y\n{rows}"), *NO_HOLDOUT, *quick, "--out", "run")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("label", ["nan", "inf"])
def test_a_label_that_spells_no_finite_number(label, command, table):
    text = GOOD.replace(",0\n", f",{label}\n")
    result = command(table(text), "--positive", "1", "--out", "run", *NO_HOLDOUT)
    assert result.exit_code == 0 or "label" in result.stderr


def test_a_first_line_with_numbers_may_be_data(command, table):
    rows = "".join(f"{i},{i * i % 7},{'no' if i % 3 else 'yes'}\n" for i in range(60))
    hint = "Names of columns are numbers ('0', '0.1'): if the first line is data, say --no-header"
    source = table(f"0,0.1,yes\n{rows}")
    for target in ((), ("--target", "label")):
        result = command(source, *target, "--out", "run", *NO_HOLDOUT)
        assert hint in result.stderr.replace("\n", " ")
    result = command(source, "--target", "yes", "--out", "run", *NO_HOLDOUT)
    assert hint in result.output.replace("\n  ", " ")
    result = command(source, "--no-header", "--out", "other", *NO_HOLDOUT)
    assert "61 rows" in result.output
    assert hint not in result.output.replace("\n  ", " ")


def test_a_first_line_among_its_columns_values_may_be_data(command, table):
    rows = "".join(
        f"{i / 7:.2f},{'ab'[i % 2]},{'uv'[i // 2 % 2]},{i * i % 3 % 2}\n" for i in range(60)
    )
    result = command(table(f"x,a,v,y\n{rows}"), "--target", "y", "--out", "run", *NO_HOLDOUT)
    hint = "among their values too ('a', 'v'). If so, say --no-header"
    assert hint in result.output.replace("\n  ", " ")
    result = command(table(f"x,c,v,y\n{rows}"), "--target", "y", "--out", "other", *NO_HOLDOUT)
    assert "may be data" not in result.output


def test_levels_that_spell_numbers_in_another_way(command, table):
    for code, shown in (("{}.00", "levels of 'c' are texts such as '0.00', not the"), ("{}.0", "")):
        rows = "".join(f"{i / 7:.2f},{code.format(i % 3)},{i * i % 3 % 2}\n" for i in range(60))
        source = table(f"x,c,y\n{rows}")
        result = command(source, "--target", "y", "--category", "c", "--out", code, *NO_HOLDOUT)
        assert shown in result.output.replace("\n  ", " ")
        assert ("are texts such as" in result.output) == bool(shown)
        result = command(source, "--target", "y", "--out", f"{code}2", *NO_HOLDOUT)
        assert "are texts such as" not in result.output
