"""The table that is shown before training: aligned, on a screen, whatever names and levels hold."""

import numpy as np
import pandas as pd

from train.tables.columns.report import MOST_LINES, WIDTH, column_lines


def test_a_table_of_all_kinds(decide, write, ending, frame):
    frame["town"] = [None, *["Rome", "Rome", "Ulm"] * 19, "Pisa", "Pisa"]
    frame["size"] = [None, *range(59)]
    frame["when"] = 1_700_000_000 + np.arange(60)
    found = decide(write(frame, ending))
    assert found.said[:5] == list(column_lines(found.decided))
    low, high = (f"{end:.4g}" for end in (frame["x"].min(), frame["x"].max()))
    assert found.said[:5] == [
        "column  kind      range or levels           gaps  decided",
        f"x       number    {low} to {high}",
        "town    category  3: Rome, …                   1  texts; gaps: own level",
        "size    number    0 to 58                      1  gaps: median and weight",
        "when    precise   1700000000 to 1700000059        float32 would lose digits",
    ]


def test_plain_numbers_alone_need_no_table(decide, write, ending, frame):
    assert decide(write(frame, ending)).said == []


def test_long_names_and_many_columns_fit_a_screen(decide, write, ending):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 40)), columns=[f"n{i}" for i in range(40)])
    frame["a name that goes on and on and is no help"] = ["a level that goes on, too", "b"] * 30
    frame["\u6771\u4eac \u001b[31m"] = ["\u6771\u4eac"] * 30 + ["\u001b[2J"] * 30
    frame["y"] = np.arange(60) // 2 % 2
    said = decide(write(frame, ending)).said
    assert len(said) == MOST_LINES + 2
    assert said[-1] == "… and 22 more plain numbers"
    assert [line.split()[0] for line in said[1:3]] == ["n0", "n1"]
    assert said[-3].startswith("a name that goes on…  category  2: ")
    assert said[-2].startswith("\u6771\u4eac \\x1b[31m")
    assert all(line.isprintable() and len(line) <= WIDTH for line in said)
