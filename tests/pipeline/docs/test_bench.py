"""The benchmark, end to end at tiny sizes; nothing is asserted of a time."""

import re
from functools import partial
from itertools import pairwise
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks import page
from benchmarks.answers import Answer, Target, at_least, at_most, targets_on, times
from benchmarks.cli import SERVING, main
from benchmarks.processes import python
from benchmarks.timing import Times, race
from benchmarks.training.cli import TRAINING
from benchmarks.workshop import Scale
from export.text_table import TextTable as Table

ROOT = Path(__file__).parents[3]
RESULTS = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")

SCALE = Scale(
    sizes=(1, 5),
    widths=(1, 3),
    grid_rows=(1, 64),
    seconds=0.001,
    rounds=(1, 1),
    rows=1000,
    file_rows=(1000, 1000),
    memory_rows=(1000, 2000),
    processes=1,
    calls=100,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "results.md"
    SERVING.ask(tuple(SERVING.by_name), SCALE, path)
    return path


def section(text: str, name: str) -> str:
    found = text.split(f"<!-- figures: {name} -->\n")
    assert len(found) == 2
    return found[1].split("<!-- end -->")[0]


@pytest.mark.parametrize("name", SERVING.by_name)
def test_every_question_has_a_table_of_figures(results: Path, name: str) -> None:
    lines = section(results.read_text(), name).splitlines()
    assert any(line.startswith("| --- | --:") for line in lines)
    cells = [line for line in lines if line.startswith("| ")]
    assert len(cells) > 2
    assert {len(line.split(" | ")) for line in cells} != {1}
    assert any(re.search(r"\d", line) for line in cells)


def test_every_target_of_a_question_is_listed_once_at_the_top(results: Path) -> None:
    text = results.read_text()
    listed = section(text, "targets").splitlines()[2:]
    answered = [
        line
        for name in SERVING.by_name
        for line in section(text, name).splitlines()
        if line.endswith(("| met |", "| missed |"))
    ]
    assert listed == answered
    assert len(listed) == len(set(listed)) >= 17


def test_the_machine_is_described_without_its_name_or_a_path(results: Path) -> None:
    text = results.read_text()
    described = section(text, "machine")
    assert re.search(r"\d+ cores, .* GiB of memory, .*Python 3\.\d+", described)
    assert re.search(r"onnxruntime \d+\.\d+", described)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|usr)\b", text)


def test_the_picture_lies_beside_the_page_and_is_shown(results: Path) -> None:
    assert f"({results.with_suffix('.svg').name})" in section(results.read_text(), "batches")
    assert "<svg" in results.with_suffix(".svg").read_text()


def test_one_question_asked_again_leaves_the_others_as_they_are(
    results: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "results.md"
    copy.write_text(results.read_text().replace("Asked on ", "Asked long ago, "))
    SERVING.ask(("methods",), SCALE, copy)
    text = copy.read_text()
    assert "Asked on " in section(text, "methods")
    for name in SERVING.by_name.keys() - {"methods"}:
        assert "Asked long ago, " in section(text, name)
    assert section(text, "targets") == section(results.read_text(), "targets")


def test_a_page_without_a_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"has 0 sections 'x'; required: one"):
        page.replace(page.new("# Page", {"y": "Why?"}), "x", "new")


def test_the_command_refuses_a_question_that_it_does_not_know() -> None:
    result = CliRunner().invoke(main, ["--only", "speed"])
    assert result.exit_code == 2
    assert "one-row" in result.output


def test_every_round_times_every_call_once_and_the_order_changes() -> None:
    order: list[str] = []

    def call(name: str) -> None:
        order.append(name)
        sum(range(300_000))  # longer than what short calls are repeated for

    names = ("a", "b", "c")
    found = race({name: partial(call, name) for name in names}, seconds=0, rounds=(8, 99))
    assert found.rounds == 8
    assert set(found.seconds) == set(names)
    timed = [name for name, next_name in pairwise(order) if name != next_name]
    assert len({tuple(timed[i : i + 3]) for i in range(0, len(timed) - 3, 3)}) > 1


def test_a_ratio_is_the_median_of_the_ratios_within_the_rounds() -> None:
    found = Times({"ours": [1.0, 10.0, 3.0], "theirs": [2.0, 30.0, 4.0]})
    assert found.ratio("theirs", "ours") == 2
    assert found.median("theirs") == 4
    assert found.fastest(["theirs", "ours"]) == "ours"


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (at_most("a", 1.0, 1), ("a ≤ 1×", "1.00×", "met")),
        (at_most("a", 1.004, 1), ("a ≤ 1×", "1.00×", "missed")),
        (at_least("b", 2.0, 2), ("b ≥ 2×", "2.00×", "met")),
        (at_least("b", 1.9, 2), ("b ≥ 2×", "1.90×", "missed")),
    ],
)
def test_a_target_is_a_line_that_says_met_or_missed(
    target: Target, line: tuple[str, str, str]
) -> None:
    answer = Answer([Table(("x", "y"), [("1", "2")])], [target])
    assert targets_on(answer.markdown()).rows == [line]
    assert line[1] in answer.text()


def test_a_contender_that_is_faster_than_ours_is_in_bold() -> None:
    assert [times(ratio) for ratio in (0.5, 1.0, 12.345, 345.6)] == [
        "**0.50×**", "1.00×", "12.35×", "346×",
    ]  # fmt: skip


def test_a_fresh_process_that_fails_says_why() -> None:
    with pytest.raises(click.ClickException, match=r"(?s)ended with 1.*no such luck"):
        python("-c", "raise SystemExit('no such luck')")


def test_the_readme_quotes_the_results() -> None:
    sections = {
        name: content.split("<!-- end -->")[0]
        for name, content in re.findall(
            r"<!-- figures: (\S+) -->\n(.*?)(?=<!-- figures|\Z)", RESULTS, re.DOTALL
        )
    }
    peers = ("torch.onnx.export", "skl2onnx", "scikit-learn", "numpy")
    one, million = (
        [_cells(sections[name], label)[1] for label in (ours, *peers)]
        for name, ours in (
            ("one-row", "Predictor.probability"),
            ("million", "Predictor.probability, rows"),
        )
    )
    batch = [_cells(sections["batches"], "1,024")[i].split(" ")[0] for i in (1, 4, 5, 6, 7)]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for title, figures in (
        ("1 row, 1 thread, µs", one),
        ("1,024 rows, 1 thread, µs", batch),
        ("1,000,000 rows, 2 threads, ms", million),
    ):
        assert f"| {title} | {' | '.join(figures)} |\n" in readme


def _cells(section: str, label: str) -> list[str]:
    """The cells of the first line of a table that begins with `label`."""
    line = next(line for line in section.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_question_about_training_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "training.md"
    TRAINING.ask(tuple(TRAINING.by_name), SCALE, path)
    text = path.read_text(encoding="utf-8")
    for name, question in TRAINING.by_name.items():
        section = re.search(rf"<!-- figures: {name} -->\n(.+?)\n<!-- end -->", text, re.DOTALL)
        assert section, question.title
        assert re.search(r"Asked on \d{4}-\d\d-\d\d, for \d+ s\.$", section[1])
    assert "| one read (torch.sum) |" in text
    assert "train to two reads ≤ 1.25×" in text.split("## The machine")[0]
    assert len(list(tmp_path.iterdir())) == 1
