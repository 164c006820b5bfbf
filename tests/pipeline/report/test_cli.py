"""The command writes a page, whole or not at all, and its exit code says what is to be known."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from report.cli import main


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)

    return invoke


def test_the_page_is_written_into_the_current_folder(command, whole, tmp_path):
    result = command(whole)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("report: report.html  (")
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_page_takes_the_place_of_an_older_one(command, whole, whole_bundle, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.html").write_text("old")
    assert command(whole, whole_bundle, "-o", "pages/a.html").exit_code == 0
    assert (tmp_path / "pages" / "a.html").read_text().startswith("<!DOCTYPE html>")
    assert command(whole, "--output", "new/folder/page.html").exit_code == 0
    assert (tmp_path / "new" / "folder" / "page.html").exists()


def test_a_bundle_that_was_not_proven_is_told_and_exits_with_1(command, whole, bundle, tmp_path):
    with (bundle / "model.onnx").open("ab") as file:
        file.write(b"\0")
    result = command(whole, bundle)
    assert result.exit_code == 1
    assert "model.onnx is not the file that was exported" in result.stderr
    assert "report.html says so at its top" in result.stderr
    page = (tmp_path / "report.html").read_text()
    top = page[: page.index("<nav")]
    assert "<strong>Do not use these files.</strong>" in top
    assert "model.onnx is not the file that was exported" in top


def test_what_is_no_run_leaves_no_page(command, tmp_path):
    result = command(tmp_path)
    assert result.exit_code == 1
    assert "is not a run" in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_page_on_standard_output_is_all_there_is(whole, tmp_path):
    """Nothing but the page, which is UTF-8 whatever the terminal speaks."""
    (tmp_path / "page").write_text("before\n")
    command = [sys.executable, "-m", "report", str(whole), "-o"]
    with (tmp_path / "page").open("ab") as file:
        for output in ("-", "/dev/stdout"):
            done = subprocess.run(
                [*command, output], stdout=file, stderr=subprocess.PIPE, env=os.environ | _ASCII
            )
            assert done.returncode == 0, done.stderr
            assert done.stderr.startswith(f"report: {output}  (".encode())
    before, first, second = (tmp_path / "page").read_text(encoding="utf-8").split("<!DOCTYPE html>")
    assert before == "before\n"
    assert first == second
    assert first.endswith("</html>")


_ASCII = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}


@pytest.mark.parametrize("output", [".", "file/page.html", "x" * 300])
def test_a_page_that_cannot_be_written(output, command, whole, tmp_path):
    (tmp_path / "file").write_text("")
    result = command(whole, "-o", output)
    assert result.exit_code == 1
    assert "cannot write" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_run_is_a_wrong_command(command):
    result = command()
    assert result.exit_code == 2
    assert "Missing argument 'RUN'" in result.stderr
