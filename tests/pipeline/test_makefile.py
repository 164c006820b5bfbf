"""`make help`: short, complete, and what users want first."""

import re
import subprocess

from pipeline.docs.documented import ROOT

HELP = subprocess.run(
    ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout


def test_every_target_has_one_short_line() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony
    named = re.findall(r"^  ([a-z-]+) +\S", HELP, re.MULTILINE)
    assert sorted(named) == sorted(phony[1].replace("\\", "").split())
    assert max(map(len, HELP.splitlines())) <= 79


def test_users_come_first_and_maintainers_last() -> None:
    titles = ["Using it:", "Changing it:", "Maintaining its figures:"]
    groups = re.split("|".join(titles), HELP)[1:]
    users, developers, maintainers = (re.findall(r"^  (\S+)", text, re.M) for text in groups)
    assert users[:5] == ["run", "train", "export", "verify", "score"]
    assert "test" in developers
    assert {"bench", "bench-train", "bench-compare", "docs"} < set(maintainers)


def test_make_test_runs_all_tests() -> None:
    """Those of tests/light but their fuzzing in tests/packaging, where there is no torch."""
    command = ["make", "--no-print-directory", "--dry-run", "test"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = done.stdout.partition("-m pytest ")[2].replace("\\\n", " ").split()
    named = {word for word in found if word.startswith("tests/")}
    assert named == {"tests/light/test_fuzz.py", "tests/packaging", "tests/pipeline"}
    folders = {path.parent.relative_to(ROOT) for path in ROOT.glob("tests/*/__init__.py")}
    assert set(map(str, folders)) <= {"tests/light", "tests/packaging", "tests/pipeline"}
