"""Every example runs and prints what it is meant to show."""

import sys
from pathlib import Path

import pytest

from pipeline.docs.documented import ROOT, run

EXPECTED = {
    "breast_cancer_csv.py": [],
    "plain_script.py": ["P(malignant) = ", "label: malignant"],
    "threads.py": ["200 [", "400 row 0, feature 'mean radius' is missing"],
    "pandas_frame.py": ["P000     1.000000 malignant"],
    "scikit_learn_tools.py": ["ROC AUC        0.99", "log loss       [0.0", "importance     0."],
}
ELSEWHERE = {"wsgi.py"}
"""Examples that have a test module of their own."""


def test_every_example_is_tested() -> None:
    found = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert found == EXPECTED.keys() | ELSEWHERE


def test_the_page_names_every_example() -> None:
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for name in EXPECTED.keys() | ELSEWHERE:
        assert f"| [{name}]({name}) | " in page


@pytest.mark.parametrize("name", EXPECTED)
def test_example_prints_what_it_shows(folder: Path, name: str) -> None:
    arguments = {
        "breast_cancer_csv.py": ["again.csv"],
        "pandas_frame.py": ["bundles/breast-cancer", "patients.csv"],
        "scikit_learn_tools.py": ["bundles/breast-cancer", "patients.csv"],
    }.get(name, ["bundles/breast-cancer"])
    output = run([sys.executable, str(ROOT / "examples" / name), *arguments], folder)
    for text in EXPECTED[name]:
        assert text in output
    if name == "breast_cancer_csv.py":
        assert (folder / "again.csv").read_text().count("\n") == 570
