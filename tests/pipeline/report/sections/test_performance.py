import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import report
from pipeline.report.made_sources import drawn, numeric, profile, scores
from pipeline.report.markup import read, text_of
from report.sections.performance import section

TRAINED, HELD = drawn(2000), drawn(700, seed=1)
BOTH = {"training": scores(*TRAINED), "holdout": scores(*HELD)}


def body(**more) -> str:
    found = section(numeric(**more))
    assert found is not None
    assert found.key == "performance"
    return found.body


def cells(html: str) -> list[list[str]]:
    table = html[html.index("<tbody>") : html.index("</tbody>")]
    rows = table.split("<tr")[1:]
    return [[cell.split(">", 1)[1].split("<")[0] for cell in row.split("<t")[1:]] for row in rows]


def test_the_held_out_rows_are_measured():
    said = text_of(body(profile=profile(**BOTH)))
    assert "700 rows held out of training" in said
    assert f"AUC {roc_auc_score(HELD[1], HELD[0]):.3f}" in said


def test_the_area_of_the_run_goes_before_that_of_the_bins():
    metrics = {"metrics": {"holdout": {"auc": 0.87654, "log_loss": 0.4321}}}
    said = text_of(body(profile=profile(**BOTH), metrics=metrics))
    assert "AUC 0.877" in said
    assert "Log loss 0.432" in said


def test_without_rows_held_out_it_says_that_figures_flatter():
    html = body(profile=profile(training=scores(*TRAINED)))
    said = text_of(html)
    assert "No rows were held out: the figures here are of the rows it was trained on" in said
    assert "2,000 rows that it was trained on" in said
    assert html.count("<svg") == 6


def test_one_class_held_out_falls_back_and_says_so():
    logit = HELD[0][:9]
    html = body(profile=profile(training=scores(*TRAINED), holdout=scores(logit, logit * 0)))
    assert "All 9 rows held out are of the class no, on which nothing can be told" in text_of(html)
    assert html.count("<svg") == 6


def test_one_class_alone_has_no_curves():
    html = body(profile=profile(training=scores(TRAINED[0], TRAINED[1] * 0)))
    assert "All rows have one class" in text_of(html)
    assert html.count("<svg") == 1
    assert "nan" not in text_of(html).lower()


def test_few_rows_of_a_class_are_said():
    label = np.arange(700) < 5
    said = text_of(body(profile=profile(training=scores(*TRAINED), holdout=scores(HELD[0], label))))
    assert "Only 5 of the rows held out are of the rarer class" in said


def test_a_run_without_scores_says_so_and_tells_its_metrics():
    metrics = {"metrics": {"training": {"auc": None, "log_loss": 0.25}}}
    said = text_of(body(metrics=metrics))
    assert "This run kept no scores: train again" in said
    assert "Log loss 0.250" in said
    assert "AUC" not in said


def test_the_table_has_even_thresholds_and_marks_the_own_one():
    html = body(profile=profile(**BOTH), threshold=0.37)
    found = cells(html)
    assert [row[0] for row in found] == sorted(
        [f"{k / 20:.2f}" for k in range(1, 20)] + ["0.37 (in\u00a0use)"]
    )
    assert html.count('<tr class="own">') == 1
    given = HELD[0] >= np.log(0.37 / 0.63)
    own = next(row for row in found if "(in\u00a0use)" in row[0])
    assert own[1] == f"{100 * given.mean():.1f}%"
    assert own[2] == f"{100 * HELD[1][given].mean():.1f}%"


def test_thresholds_of_rare_positives_are_where_rows_are():
    logit, label = drawn(2000, bias=-7)
    html = body(profile=profile(training=scores(logit, label)), threshold=0.5)
    labelled = {row[1] for row in cells(html)}
    assert len(labelled) >= 6


@pytest.mark.parametrize("threshold", [0.0, 1.0, 0.5000001, 1e-9])
def test_any_threshold_is_in_the_table(threshold):
    html = body(profile=profile(**BOTH), threshold=threshold)
    assert html.count('<tr class="own">') == 1


def test_the_slider_stops_where_the_table_would():
    html = body(profile=profile(**BOTH))
    [box] = [a for _, a in read(html).tags if a.get("id") == "performance-slider"]
    [control] = [a for tag, a in read(html).tags if tag == "input"]
    rows = [row.split("|") for row in box["data-rows"].split(";")]
    places = [float(place) for place in box["data-places"].split(";")]
    assert len(rows) == len(places) == int(control["max"]) + 1
    assert 200 <= len(rows) <= 260
    assert places == sorted(places)
    assert "hidden" in box
    assert rows[int(control["value"])][0] == "0.50"
    by_threshold = {row[0]: row for row in rows}
    shared = [row for row in cells(html) if row[0] in by_threshold]
    assert len(shared) > 15
    for row in shared:
        assert by_threshold[row[0]] == row


def test_weights_are_called_so():
    document = profile(**BOTH)
    document["weights"] = True
    said = text_of(body(profile=document))
    assert "700 rows held out of training, which count by their weights;" in said
    assert "Vertical lines" not in said


def test_labels_of_classes_are_shown_and_not_executed():
    html = body(profile=profile(**BOTH), classes=("<i>no</i>", '"\u202e<script>'))
    assert "labelled &#34;\\u202e&lt;script&gt;" in html
    assert "<script" not in html


def test_the_slider_works_in_a_browser(tmp_path: Path):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs chromium, which is not installed")
    html = body(profile=profile(**BOTH))
    script = Path(report.__file__).parent / "templates" / "threshold.js"
    page = tmp_path / "page.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><body>{html}<script>{script.read_text()}</script>"
        "<script>const range = document.querySelector('input'); range.value = 3;"
        "range.dispatchEvent(new Event('input'))</script>",
        encoding="utf-8",
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'home'}"]
    run = subprocess.run(
        [browser, *flags, "--dump-dom", page.as_uri()], capture_output=True, timeout=120, check=True
    )
    shown = run.stdout.decode()
    [box] = [a for _, a in read(html).tags if a.get("id") == "performance-slider"]
    expected = box["data-rows"].split(";")[3].split("|")
    outputs = [part.split("<")[0] for part in shown.split("<output")[1:]]
    assert [o.split(">")[1] for o in outputs] == expected
    marker = shown[shown.index("performance-thresholds-marker") :]
    moved = float(marker.split("translate(")[1].split(" ")[0])
    assert moved < -50
