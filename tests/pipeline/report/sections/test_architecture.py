"""The section of the architecture tells what the model and its files compute."""

import re
from pathlib import Path

import onnx
import pytest

from benchmarks.harness.random_run import random_mixed_run, random_run
from pipeline.report.sources import graphs_of, source_of
from report.sections.architecture import section


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_run(tmp_path_factory.mktemp("plain") / "run", 5, standardize=True)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_mixed_run(tmp_path_factory.mktemp("mixed") / "run", bent={0, 4})


def said(html: str) -> str:
    """The text of the page."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.mark.parametrize("kind", ["plain", "mixed"])
def test_every_node_is_drawn_and_listed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(kind)
    bundle = graphs_of(run, tmp_path / "bundle")
    body = section(source_of(run, bundle)).body
    nodes = onnx.load(bundle.folder / "model.onnx").graph.node
    for operator in {node.op_type for node in nodes}:
        assert re.search(rf'font-weight="600">{operator}( × \d+)?<', body)
    assert re.findall(r'<tr><th scope="row">(\w+)</th>', body) == [node.op_type for node in nodes]
    assert re.findall(r'<svg class="([^"]*)" role="img"', body) == ["figure narrow"] * 2
    assert "style=" not in body
    columns = onnx.load(bundle.folder / "model.columnar.onnx").graph.node
    assert f"model.columnar.onnx computes the same with {len(columns)} nodes" in said(body)
    assert body == section(source_of(run, bundle)).body


def test_without_a_bundle_it_says_how_to_make_one(plain: Path) -> None:
    body = section(source_of(plain)).body
    assert f"python -m export bundle {plain}"[:60] in said(body)
    assert body.count("<svg") == 1


def test_files_that_were_not_proven_are_not_drawn(plain: Path, tmp_path: Path) -> None:
    bundle = graphs_of(plain, tmp_path / "bundle", "<b>model.onnx</b> was altered")
    body = section(source_of(plain, bundle)).body
    assert "&lt;b&gt;model.onnx&lt;/b&gt; was altered" in body
    assert body.count("<svg") == 1


def test_plain_numbers(plain: Path) -> None:
    text = said(section(source_of(plain)).body)
    assert "5 weights and a bias, 6 parameters" in text
    assert "Standardisation Training saw (x − mean)" in text
    for absent in ("Gaps", "Levels", "Bends", "Precise", "Platt", "Class weights"):
        assert absent not in text


def test_without_standardisation(tmp_path: Path) -> None:
    text = said(section(source_of(random_run(tmp_path / "run", 5))).body)
    assert "Standardisation" not in text
    assert "Rounding" in text


def test_a_model_that_subtracts_first(tmp_path: Path) -> None:
    run = random_run(tmp_path / "run", 5, offset=1e4, spread=0.1, standardize=True)
    body = section(source_of(run)).body
    assert "subtracts a typical value of each first" in said(body)
    assert ">− centre<" in body


def test_mixed_columns(mixed: Path) -> None:
    source = source_of(mixed)
    text = said(section(source).body)
    design = source.trained.design
    assert design is not None
    levels = sum(len(column.levels) for column in design.categories)
    assert f"Each of the {levels} levels of 3 categories has a weight of its own" in text
    assert f"and a bias: {design.width + 1} parameters" in text
    assert "From 2 numbers that float32 could not hold a centre is subtracted in float64" in text
    assert "2 numbers add to the bias what a curve" in text
    assert "by the median, with a weight of its own for being missing" in text


@pytest.mark.parametrize(
    ("prior_correction", "told"), [(None, "is taken from the bias again"), (False, "not taken")]
)
def test_class_weights(plain: Path, prior_correction: bool | None, told: str) -> None:
    model = {"class_weight": "balanced"}
    if prior_correction is not None:
        model |= {"prior_correction": prior_correction}  # type: ignore[dict-item]
    assert told in said(section(source_of(plain, recipe={"model": model})).body)


def test_the_step_of_calibration(plain: Path) -> None:
    step = {"slope": 0.953355, "intercept": -0.0322}
    text = said(section(source_of(plain, metrics={"calibration": {"step": step}})).body)
    assert "makes each logit 0.9534 · logit − 0.0322" in text


@pytest.mark.parametrize("numbers", [0, 40])
def test_wide_and_narrow_mixed_models(tmp_path: Path, numbers: int) -> None:
    run = random_mixed_run(tmp_path / "run", numbers=numbers, precise=0, categories=12)
    body = section(source_of(run, graphs_of(run, tmp_path / "bundle"))).body
    assert ("Linear" in re.findall(r'font-weight="600">(\w+)', body)) == (numbers > 0)
