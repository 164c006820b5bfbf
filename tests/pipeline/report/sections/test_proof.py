"""The section of the proof shows what the certificate says."""

import json
import math
import re
from dataclasses import replace

import pytest

from benchmarks.harness.random_run import random_run
from export.parity.tables import of_budget, ulp
from export.publish import export_bundle
from pipeline.report.sources import source_of
from report.section import Section
from report.sections.proof import section
from report.source import BundleParts, Source


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("proof")
    run = random_run(folder / "run", 3)
    export_bundle(run, folder / "bundle")
    certificate = json.loads((folder / "bundle" / "parity.json").read_text())
    return source_of(run, BundleParts(folder / "bundle", certificate, {}))


def changed(source: Source, problem: str = "", **parts: object) -> Section:
    assert source.bundle is not None
    certificate = {**source.bundle.certificate, **parts}
    bundle = replace(source.bundle, certificate=certificate, problem=problem)
    found = section(replace(source, bundle=bundle))
    assert found is not None
    return found


def said(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_figures_are_those_of_the_certificate(source: Source) -> None:
    assert source.bundle is not None
    certificate = source.bundle.certificate
    body = changed(source).body
    subjects = certificate["subjects"]
    for name, figures in subjects.items():
        logit, probability = (of_budget(figures["overall"][i]) for i in (4, 8))
        assert f">{name}<" in body
        assert f"{logit} · {probability}" in body
    worst = max(max(f["overall"][4], f["overall"][8]) for f in subjects.values())
    text = said(body)
    assert text.startswith("Proven:")
    assert f"{len(subjects)} ways of scoring gave" in text
    assert f"The largest error of all is {of_budget(worst)} of what" in text
    for contract, count in certificate["contracts"].items():
        assert f"{contract} {count:,}" in text.replace("&#39;", "'")
    for library, version in certificate["versions"].items():
        assert f"{library} {version}" in text


def test_every_range_of_logits_has_a_line(source: Source) -> None:
    assert source.bundle is not None
    subjects = source.bundle.certificate["subjects"]
    buckets = subjects["Predictor, rows"]
    table = changed(source).body.split("<tbody>")[1].split("</tbody>")[0]
    assert table.count("<tr>") == len(buckets) - 1  # "overall" is none
    assert f"−8 to 0 {buckets['[-8, 0)'][0]:,}" in said(table)

    lines = dict(re.findall(r'<th scope="row">([^<]*)</th>.*?([^>]*)</td></tr>', table, re.S))
    assert lines["below −104"] == "–"  # a sigmoid is held to its ULP from -87 up
    deployed = ("Predictor", "onnxruntime", "model.")
    found = [f["[-8, 0)"][9] for name, f in subjects.items() if name.startswith(deployed)]
    assert lines["−8 to 0"] == ulp(max(found))


def test_the_same_bytes_every_time(source: Source) -> None:
    first = changed(source)
    assert first == changed(source)
    assert "style=" not in first.body
    assert first.body.count('role="img"') == 2


def test_a_problem_is_said_first(source: Source) -> None:
    text = said(changed(source, "model.onnx has another <digest>").body)
    assert text.startswith(
        "These are not the proven files of this run. model.onnx has another &lt;digest&gt;"
    )
    assert "Proven, of other files:" in text
    assert "On rows like yours" not in text
    assert "On rows like yours" in said(changed(source).body)


@pytest.mark.parametrize(
    "damage",
    [
        {"subjects": {}},
        {"subjects": {"x": {}}},
        {"subjects": {"x": {"overall": [1, 2]}}},
        {"subjects": {"x": {"overall": "<b>"}}},
        {"subjects": {"x": {"overall": [1, *[math.nan] * 9]}}},
        {"subjects": {"x": {"overall": ["<b>", *[0.5] * 9]}}},
        {"subjects": None},
        {"figures": ["<b>"]},
        {"contracts": {"<b>": "many"}},
        {"versions": []},
        {"form": "<b>"},
    ],
)
def test_a_certificate_that_cannot_be_read(source: Source, damage: dict[str, object]) -> None:
    body = changed(source, **damage).body
    assert said(body).startswith("These are not the proven files of this run.")
    assert "<b>" not in body
    assert "Proven" not in body
    assert "the words" in changed(source, "the words", **damage).body


def test_no_bundle_has_no_proof(source: Source) -> None:
    assert section(replace(source, bundle=None)) is None
