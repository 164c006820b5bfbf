"""What a bundle holds, and that it holds it byte for byte again."""

import hashlib
import json
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from benchmarks.harness.random_run import random_run
from export import proof
from export.formats.artifact import Scorer
from export.parity.figures import Parity
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch
from export.publish import export_bundle
from export.verify import verify_bundle
from pipeline.export.bundle_files import FILES, card_of
from serve_runtime import CardError, Predictor
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY
from serve_runtime.bundle.manifest import MANIFEST, Manifest


def test_bundle_holds_exactly_the_promised_files(pristine: Path) -> None:
    assert sorted(path.name for path in pristine.iterdir()) == [
        "MANIFEST.json",
        "model.columnar.onnx",
        "model.onnx",
        "model.pt2",
        "model.torchscript.pt",
        "parity.json",
    ]


def test_manifest_gives_size_and_digest_of_every_other_file(pristine: Path) -> None:
    manifest = json.loads((pristine / MANIFEST).read_text())
    assert manifest["files"].keys() == set(FILES) - {MANIFEST}
    for name, entry in manifest["files"].items():
        content = (pristine / name).read_bytes()
        assert entry == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert {"numpy", "onnx", "onnxruntime", "python", "torch"} <= manifest["versions"].keys()


def assert_same_files(one: Path, other: Path) -> None:
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_same_run_exported_twice_is_byte_identical(
    pristine: Path, run_folder: Path, tmp_path: Path
) -> None:
    export_bundle(run_folder, tmp_path / "elsewhere" / "again")
    assert_same_files(tmp_path / "elsewhere" / "again", pristine)


def test_another_process_writes_the_same_bytes(
    pristine: Path, run_folder: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-m", "export", "bundle", str(run_folder), str(tmp_path / "b")],
        check=True,
        capture_output=True,
    )
    assert_same_files(tmp_path / "b", pristine)


TWO_FORMS = """
import hashlib
import numpy as np
from export.formats import torchscript
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import number_columns
from serve_runtime.bundle.affine import Affine

one = np.ones(1, np.float32)
card = ModelCard(number_columns("a", [0.0], [1.0]), (0, 1), "")
for affine in {order}:
    print(affine.center is None, hashlib.sha256(torchscript.build(affine, card)).hexdigest())
"""


def test_torchscript_does_not_depend_on_earlier_exports() -> None:
    forms = ["Affine(one, 1.0)", "Affine(one, 1.0, one)"]
    printed = [
        subprocess.run(
            [sys.executable, "-c", TWO_FORMS.format(order=f"[{', '.join(order)}]")],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[4],
        ).stdout.split("\n")
        for order in (forms, forms[::-1])
    ]
    assert sorted(printed[0]) == sorted(printed[1])


def test_no_file_carries_a_path_of_this_machine(pristine: Path, run_folder: Path) -> None:
    places = {
        str(Path(p).resolve()).encode() for p in (run_folder, Path(__file__).parents[4], sys.prefix)
    }
    for path in pristine.iterdir():
        contents = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
        assert not [place for place in places for content in contents if place in content]


@pytest.mark.parametrize(
    ("name", "taken", "given"),
    [
        ("model.onnx", ("features", ["batch", 5]), ["batch", 1]),
        ("model.columnar.onnx", ("columns", [5, "batch"]), [1, "batch"]),
    ],
)
def test_onnx_interface_is_the_contract(
    pristine: Path, name: str, taken: tuple[str, list[object]], given: list[object]
) -> None:
    model = onnx.load(pristine / name)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        tensor.name: [d.dim_param or d.dim_value for d in tensor.type.tensor_type.shape.dim]
        for tensor in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {taken[0]: taken[1], "logit": given, "probability": given}
    assert (model.opset_import[0].version, model.ir_version) == (13, 7)
    assert [entry.key for entry in model.metadata_props] == [CARD_KEY]
    assert "Sigmoid" not in [node.op_type for node in model.graph.node]


def test_every_model_carries_the_same_card(pristine: Path) -> None:
    text = card_of(pristine).to_json()
    for name in ("model.onnx", "model.columnar.onnx"):
        (entry,) = onnx.load(pristine / name).metadata_props
        assert entry.value == text
    extra = {CARD_KEY: ""}
    torch.export.load(pristine / "model.pt2", extra_files=extra)
    assert extra[CARD_KEY] == text
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # torch.jit, see export.formats.torchscript
        torch.jit.load(pristine / "model.torchscript.pt", _extra_files=extra)
    assert extra[CARD_KEY] == text.encode()


def test_torch_artifacts_answer_logit_and_probability(pristine: Path) -> None:
    rows = torch.randn(7, 5)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # torch.jit, see export.formats.torchscript
        script = torch.jit.load(pristine / "model.torchscript.pt")
    program = torch.export.load(pristine / "model.pt2").module()
    for model in (script, program):
        logit, probability = model(rows)
        assert (logit.shape, probability.shape) == ((7, 1), (7, 1))
        assert torch.equal(probability, torch.sigmoid(logit))


def test_golden_rows_reach_both_tails_and_are_nobodys_data(
    pristine: Path, run_folder: Path
) -> None:
    golden = card_of(pristine).golden
    logits = [row.logit for row in golden]
    assert min(logits) == pytest.approx(-85, abs=0.01)
    assert max(logits) == pytest.approx(20, abs=0.01)
    sample = torch.load(run_folder / "checkpoint.pt", weights_only=True)["sample"]
    assert not {tuple(row) for row in sample.tolist()} & {row.features for row in golden}


def test_training_rows_can_be_left_out_of_the_certificate(run_folder: Path, tmp_path: Path) -> None:
    export_bundle(run_folder, tmp_path / "with")
    export_bundle(run_folder, tmp_path / "without", keep_sample=False)
    shapes = [
        json.loads((tmp_path / name / "parity.json").read_text())["sampled_rows"]["shape"]
        for name in ("with", "without")
    ]
    assert shapes == [[256, 5], [0, 5]]


def test_sampled_rows_are_proven_even_if_they_are_not_kept(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def recorded(
        scorers: Sequence[Scorer], batches: Iterable[ProofBatch], affine: Affine
    ) -> Parity:
        seen = list(batches)
        measured.append([(batch.name, len(batch.rows)) for batch in seen])
        return measure(scorers, seen, affine)

    monkeypatch.setattr(proof, "measure", recorded)
    export_bundle(run_folder, tmp_path / "b", keep_sample=False)
    assert measured[0] == [("sampled rows", 256)]
    assert measured[1][0] == ("sampled rows", 0)
    assert len(measured) == 2


@pytest.mark.parametrize("width", [1, 2, 3, 8, 31, 128, 129, 1000, 10_000])
def test_every_width_and_scale_is_proven(width: int, tmp_path: Path) -> None:
    run = random_run(tmp_path / "run", width, seed=width, spread=3.0)
    proven = export_bundle(run, tmp_path / "bundle")
    assert len(proven.parity.scorers) == 17
    for name, found in proven.parity.scorers.items():
        assert 0 <= found.overall.logit.share <= 1
        assert 0 <= found.overall.probability.share <= 1
        if "64" not in name:  # the float64 references come closer than can be measured
            assert found.overall.logit.share > 0
            assert 0 < found.overall.kernel_ulp <= 4
    assert Predictor(tmp_path / "bundle").n_features_in_ == width
    assert len(Manifest.read(tmp_path / "bundle").files) == 5


@pytest.mark.parametrize("offset", [0.0, 1e4], ids=["folded", "subtract-first"])
def test_a_model_with_a_constant_feature_is_proven(offset: float, tmp_path: Path) -> None:
    run = random_run(tmp_path / "run", 3, offset=offset, standardize=True, constant=True)
    proven = export_bundle(run, tmp_path / "bundle")
    assert proven.affine.weight[2] == 0
    assert proven.folding.form == ("subtract-first" if offset else "folded")


def test_a_threshold_is_written_into_every_card_and_used(run_folder: Path, tmp_path: Path) -> None:
    proof = export_bundle(run_folder, tmp_path / "b", threshold=0.2)
    assert proof.card.threshold == 0.2
    predictor = Predictor(tmp_path / "b")
    assert predictor.card.threshold == card_of(tmp_path / "b").threshold == 0.2
    rows = proof.batches[0].rows
    found = predictor.predict(rows) == predictor.classes_[1]
    probability = predictor.probability(rows)
    assert (found == (probability >= np.float32(0.2))).all()
    assert (found != (probability >= np.float32(0.5))).any()
    assert verify_bundle(tmp_path / "b").card == proof.card


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(
    run_folder: Path, tmp_path: Path, threshold: float
) -> None:
    with pytest.raises(CardError, match=r"threshold outside \[0, 1\]"):
        export_bundle(run_folder, tmp_path / "b", threshold=threshold)
    assert list(tmp_path.iterdir()) == []
