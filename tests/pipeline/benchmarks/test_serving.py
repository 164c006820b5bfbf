"""The benchmarks of serving, end to end at tiny sizes; nothing is asserted of a time."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.cli import SERVING, main
from benchmarks.harness.processes import ROOT
from pipeline.benchmarks.tiny import TINY, section

RESULTS = SERVING.page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "results.md"
    SERVING.run(tuple(SERVING.sections), TINY, path)
    return path


@pytest.mark.parametrize("name", SERVING.sections)
def test_every_section_has_a_table_of_figures(results: Path, name: str) -> None:
    lines = section(results.read_text(), name).splitlines()
    assert any(line.startswith("| --- | --:") for line in lines)
    cells = [line for line in lines if line.startswith("| ")]
    assert len(cells) > 2
    assert {len(line.split(" | ")) for line in cells} != {1}
    assert any(re.search(r"\d", line) for line in cells)


def test_every_target_is_listed_once_at_the_top(results: Path) -> None:
    text = results.read_text()
    listed = section(text, "targets").splitlines()[2:]
    found = [
        line
        for name in SERVING.sections
        for line in section(text, name).splitlines()
        if line.endswith(("| met |", "| missed |"))
    ]
    assert listed == found
    assert len(listed) == len(set(listed)) >= 17


def test_the_machine_is_told_without_name_or_path(results: Path) -> None:
    text = results.read_text()
    described = section(text, "machine")
    assert re.search(r"\d+ cores, .* GiB of memory, .*Python 3\.\d+", described)
    assert re.search(r"onnxruntime \d+\.\d+", described)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|usr)\b", text)


def test_the_picture_lies_beside_the_page(results: Path) -> None:
    assert f"({results.with_suffix('.svg').name})" in section(results.read_text(), "batches")
    assert "<svg" in results.with_suffix(".svg").read_text()


def test_one_section_again_leaves_the_others(results: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results.md"
    copy.write_text(results.read_text().replace("Measured on ", "Measured long ago, "))
    SERVING.run(("methods",), TINY, copy)
    text = copy.read_text()
    assert "Measured on " in section(text, "methods")
    for name in SERVING.sections.keys() - {"methods"}:
        assert "Measured long ago, " in section(text, name)
    assert section(text, "targets") == section(results.read_text(), "targets")


def test_the_command_refuses_an_unknown_section() -> None:
    result = CliRunner().invoke(main, ["--only", "speed"])
    assert result.exit_code == 2
    assert "one-row" in result.output


def test_the_readme_quotes_the_results() -> None:
    peers = ("torch.onnx.export", "skl2onnx", "scikit-learn", "numpy")
    one, million = (
        [_cells(section(RESULTS, name), label)[1] for label in (ours, *peers)]
        for name, ours in (
            ("one-row", "Predictor.probability"),
            ("million", "Predictor.probability, rows"),
        )
    )
    cells = _cells(section(RESULTS, "batches"), "1,024")
    batch = [cells[i].split(" ")[0] for i in (1, 4, 5, 6, 7)]
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
