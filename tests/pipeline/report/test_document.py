"""The page is one file, safe and sound, whatever the run holds."""

import base64
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.report.conftest import ODD
from pipeline.run_files import reseal
from report.document import SECTIONS, document
from report.page import name
from report.read import read_source
from train.persistence import run_folder

LIMIT = 1_000_000
VOID = {"meta", "br", "img", "input", "link", "hr", "path", "use"}


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not [tag for tag in self.open if tag not in VOID], "all tags are closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            # The end tags of rows and cells may be left out.
            while self.open[-1] != tag and self.open[-1] in ("td", "th", "tr", "p", "li"):
                self.open.pop()
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def said(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.text))


def page_of(run: Path, bundle: Path | None = None) -> tuple[str, Page]:
    html = document(read_source(run, bundle))
    assert_safe(html)
    return html, Page(html)


def assert_safe(html: str) -> None:
    """One file that refers to nothing outside, and runs nothing but its own script."""
    assert len(html.encode()) < LIMIT
    found = Page(html)
    for tag, attributes in found.tags:
        assert "style" not in attributes
        assert not [key for key in attributes if key.startswith("on")]
        assert tag not in ("img", "link", "iframe", "object", "embed", "base", "form")
        for key in ("href", "xlink:href", "src"):
            assert (attributes.get(key) or "#").startswith("#"), f"{tag} refers to {attributes}"
    ids = Counter(a["id"] for _, a in found.tags if "id" in a)
    assert set(ids.values()) <= {1}
    for _, attributes in found.tags:
        if (attributes.get("href") or "").startswith("#"):
            assert str(attributes["href"])[1:] in ids
        assert set((attributes.get("aria-labelledby") or "").split()) <= set(ids)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_policy_allows_what_is_there_and_no_more(whole):
    html, page = page_of(whole)
    metas = [attributes for tag, attributes in page.tags if tag == "meta"]
    policy = next(m["content"] for m in metas if m.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_same_run_gives_the_same_bytes(whole, whole_bundle):
    pages = {document(read_source(whole, whole_bundle)) for _ in range(2)}
    assert len(pages) == 1


def test_sections_are_in_order_and_all_there(whole, whole_bundle):
    _, page = page_of(whole, whole_bundle)
    keys = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert keys[0] == "summary"
    assert keys[1:] == [module.__name__.rpartition(".")[2] for module in SECTIONS]
    folder = Path(document.__code__.co_filename).parent / "sections"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(keys[1:])
    links = [a["href"] for tag, a in page.tags if tag == "a" and a["href"] != "#main"]
    assert links == [f"#{key}" for key in keys]


def test_the_title_says_what_is_asked(whole, make_run):
    assert heading_of(whole) == "malignant or benign"
    rows = {"size": [1.0, 2.0, 3.0, 4.0], "sold": ["no", "yes", "no", "yes"]}
    named = {"data": {"target": "sold", "positive": "yes", "holdout": 0}}
    assert heading_of(make_run(rows, **named)) == "sold: yes or no"
    placed = {"data": {"target": "-1", "positive": "yes", "holdout": 0}}
    assert heading_of(make_run(rows, **placed)) == "yes or no"


def heading_of(run: Path) -> str:
    html = document(read_source(run, None))
    assert f"Report of the model {run.name}" in html
    return re.findall("<h1>(.*?)</h1>", html, re.S)[0]


def test_the_first_lines_answer(whole, whole_bundle):
    _, page = page_of(whole, whole_bundle)
    metrics = run_folder.read_metrics(whole)["metrics"]["holdout"]
    said = page.said[page.said.index("How good is it?") : page.said.index("What was decided")]
    assert "On 114 rows that it was not trained on" in said
    assert f"{metrics['accuracy']:.1%} of rows right" in said
    assert "the more frequent answer would be right in 63.2%" in said
    assert "malignant from a probability of 0.3 on" in said
    assert re.search(r"\d\d ways of scoring 18,8\d\d rows agree", said)
    assert f"Predictor('{whole_bundle}')" in said


@pytest.mark.parametrize("part", ["run", "bundle"])
def test_a_run_alone_and_an_old_one(part, whole, whole_bundle, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / run_folder.PROFILE).unlink()
    _, page = page_of(run, whole_bundle if part == "bundle" else None)
    assert "This run is from before runs kept a profile" in page.said
    if part == "run":
        assert "Nothing was exported yet" in page.said


def test_names_are_shown_and_never_executed(odd):
    html, page = page_of(odd)
    assert [tag for tag, _ in page.tags].count("script") == 1
    for odd_name in ODD:
        shown = name(odd_name)
        assert re.sub(r"\s+", " ", shown) in page.said
    assert not re.search("[\x00-\x08\x0e-\x1f\u202a-\u202e\u2066-\u2069]", html)
    assert "49" not in page.said[: page.said.index("In short")], "templates are not evaluated"


RNG = np.random.default_rng(3)


def _labels(count: int) -> list[str]:
    return ["yes" if i % 3 else "no" for i in range(count)]


def _wide() -> dict:
    """More columns than the page lists, with names that make a page as long as any number does."""
    columns = {f"column number {i} {'x' * 60}": RNG.normal(size=60) for i in range(2000)}
    return {**columns, "y": _labels(60)}


CASES: dict[str, tuple[Callable[[], dict], dict, str]] = {
    "no hold-out": (lambda: {"a": RNG.normal(size=90), "y": _labels(90)},
                    {"data": {"holdout": 0}}, "No rows were held out"),
    "one column": (lambda: {"a": [1.0, 2.0, 3.0] * 30, "y": _labels(90)}, {}, r"on 1 column\."),
    "no effect": (lambda: {"a": [1.0] * 90, "y": _labels(90)}, {}, "No column moves the score"),
    "2,000 columns": (_wide, {}, "1,000 columns of less importance.*950 more columns"),
    "5,000 levels": (lambda: {"a": [f"level {i // 2}" for i in range(10_000)],
                              "y": _labels(10_000)},
                     {"columns": {"category": ["a"], "min_rows": 1, "max_levels": 10_000}},
                     r"4,[789]\d\d levels"),
    "gaps and dates": (lambda: {"a": [None, "x", "y"] * 30, "b": [1.5, None, 3.0] * 30,
                                "t": np.datetime64("2026-01-01") + np.arange(90),
                                "y": _labels(90)},
                       {"columns": {"number": ["t"]}}, "2026-01-01 to 2026-0"),
    "weights": (lambda: {"a": RNG.normal(size=90), "w": RNG.gamma(1, size=90),
                         "y": _labels(90)},
                {"data": {"weights": "w"}}, "Rows count by the column w"),
    "calibrated": (lambda: {"a": RNG.normal(size=90), "y": _labels(90)},
                   {"model": {"calibrate": "platt"}, "penalty": {"l2": "auto"},
                    "columns": {"bend": "auto"}}, "of those tried the one with the lowest"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_runs_of_all_kinds(case, make_run):
    rows, settings, told = CASES[case]
    _, page = page_of(make_run(rows(), **settings))
    assert re.search(told, page.said)


def test_a_hold_out_of_one_class(make_run, tmp_path):
    (tmp_path / "held.csv").write_text("a,y\n1,yes\n2,yes\n")
    run = make_run(
        {"a": [0.5, 1.0, 2.0] * 30, "y": _labels(90)}, data={"holdout": str(tmp_path / "held.csv")}
    )
    _, page = page_of(run)
    assert "the rows are all of one class" in page.said


def test_figures_that_are_no_numbers(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    metrics = run_folder.read_metrics(run)["metrics"]
    for part in metrics.values():
        part.update(auc=None, log_loss=None, accuracy=None, cost=None)
    reseal(run, metrics=metrics)
    lines = (run / run_folder.HISTORY).read_text().splitlines()
    odd = [lines[0], *(re.sub(r",[^,]+", ",nan", line) for line in lines[1:])]
    (run / run_folder.HISTORY).write_text("\n".join(odd))
    _, page = page_of(run)
    assert "nothing in order" in page.said
    assert "There is no curve to draw" in page.said
