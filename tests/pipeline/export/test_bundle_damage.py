"""A bundle that was damaged fails its proof, and the message says where."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from making import FILES, card_of, make_run, reseal, weights_of, write_models

from export import onnx_graph
from export.bundle import export_bundle, verify_bundle
from export.errors import BundleError, ParityError
from serve_runtime import ArtifactError, SelfTestError
from serve_runtime.artifact import MANIFEST
from serve_runtime.sealed import seal

MODELS = ["model.columnar.onnx", "model.onnx", "model.pt2", "model.torchscript.pt"]
TORCH_FILES = ["model.torchscript.pt", "model.pt2"]


def test_an_undamaged_bundle_is_proven_again(bundle: Path, pristine: Path) -> None:
    again = verify_bundle(bundle)
    assert again.card == card_of(pristine)
    recorded = json.loads((pristine / "parity.json").read_text())["figures"]
    assert {name: dataclasses.asdict(f) for name, f in again.figures.items()} == recorded


@pytest.mark.parametrize("name", FILES)
def test_any_changed_byte_is_noticed(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    for position in np.linspace(0, len(content) - 1, 25).astype(int):
        changed = bytearray(content)
        changed[position] ^= 1
        (bundle / name).write_bytes(changed)
        with pytest.raises((ArtifactError, BundleError), match=name):
            verify_bundle(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_or_missing_file_is_named(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[: len(content) // 2])
    with pytest.raises((ArtifactError, BundleError), match=name):
        verify_bundle(bundle)
    (bundle / name).unlink()
    with pytest.raises((ArtifactError, BundleError), match=name):
        verify_bundle(bundle)


def test_a_file_that_does_not_belong_is_named(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"notes\.txt: not part of a bundle"):
        verify_bundle(bundle)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot read .*MANIFEST\.json"):
        verify_bundle(tmp_path)


def test_a_manifest_of_another_version_is_refused(bundle: Path) -> None:
    document = json.loads((bundle / MANIFEST).read_text())
    del document["sha256"]
    (bundle / MANIFEST).write_text(seal({**document, "format_version": 2}, indent=1))
    with pytest.raises(ArtifactError, match="format version 2, this installation reads version 1"):
        verify_bundle(bundle)


# From here on the manifest is made to match, so that only the proof itself can tell.


@pytest.mark.parametrize("name", MODELS)
def test_a_weight_off_by_one_ulp_in_one_artifact_is_named(bundle: Path, name: str) -> None:
    weight, bias = weights_of(bundle)
    weight[3] = np.nextafter(weight[3], np.float32(np.inf))
    write_models(bundle, weight, bias, card_of(bundle), name)
    with pytest.raises((BundleError, ArtifactError), match=r"'c3'|another card|different cards"):
        verify_bundle(bundle)


@pytest.mark.parametrize("name", TORCH_FILES)
def test_two_features_swapped_in_one_artifact_are_named(bundle: Path, name: str) -> None:
    weight, bias = weights_of(bundle)
    graphs = card_of(bundle)
    write_models(bundle, weight[[1, 0, 2, 3, 4]], bias, graphs, name)
    _restore_card(bundle, name, weight[[1, 0, 2, 3, 4]], bias)
    with pytest.raises(BundleError, match=rf"{name}: the weight of 'c0' is"):
        verify_bundle(bundle)


@pytest.mark.parametrize("name", TORCH_FILES)
def test_a_dropped_bias_in_one_artifact_is_named(bundle: Path, name: str) -> None:
    weight, _ = weights_of(bundle)
    _restore_card(bundle, name, weight, 0.0)
    with pytest.raises(BundleError, match=rf"{name}: the weight of '\(bias\)' is"):
        verify_bundle(bundle)


def test_two_features_swapped_in_all_artifacts_are_noticed(bundle: Path) -> None:
    weight, bias = weights_of(bundle)
    write_models(bundle, weight[[1, 0, 2, 3, 4]], bias, card_of(bundle))
    with pytest.raises(BundleError, match="other weights than their card was made for"):
        verify_bundle(bundle)


def test_golden_rows_notice_swapped_features_whose_digests_were_forged(bundle: Path) -> None:
    from train.run import weights_sha256

    weight, bias = weights_of(bundle)
    swapped = weight[[1, 0, 2, 3, 4]]
    card = dataclasses.replace(card_of(bundle), weights_sha256=weights_sha256(swapped, bias))
    write_models(bundle, swapped, bias, card)
    with pytest.raises(SelfTestError, match=r"golden row \d, rows layout: logit"):
        verify_bundle(bundle)


def test_a_bias_dropped_everywhere_is_noticed(bundle: Path) -> None:
    weight, _ = weights_of(bundle)
    write_models(bundle, weight, 0.0, card_of(bundle))
    with pytest.raises(BundleError, match="other weights than their card was made for"):
        verify_bundle(bundle)


@pytest.mark.parametrize(
    "change",
    [
        {"feature_names": ("c1", "c0", "c2", "c3", "c4")},
        {"threshold": 0.4},
        {"classes": ("yes", "no")},
        {"golden": ()},
    ],
    ids=["features reordered", "threshold", "classes swapped", "golden rows removed"],
)
@pytest.mark.parametrize("name", MODELS)
def test_a_card_changed_in_one_artifact_is_noticed(
    bundle: Path, name: str, change: dict[str, object]
) -> None:
    weight, bias = weights_of(bundle)
    card = dataclasses.replace(card_of(bundle), **change)
    write_models(bundle, weight, bias, card, name)
    with pytest.raises((BundleError, ArtifactError), match=r"another card|different cards"):
        verify_bundle(bundle)


def test_stale_golden_rows_are_noticed(bundle: Path) -> None:
    weight, bias = weights_of(bundle)
    card = card_of(bundle)
    stale = dataclasses.replace(card.golden[0], logit=card.golden[0].logit + 0.01)
    write_models(bundle, weight, bias, dataclasses.replace(card, golden=(stale, *card.golden[1:])))
    with pytest.raises(SelfTestError, match="golden row 0"):
        verify_bundle(bundle)


def test_models_of_two_layouts_exchanged_are_noticed(bundle: Path) -> None:
    rows, columns = bundle / "model.onnx", bundle / "model.columnar.onnx"
    shutil.move(rows, bundle / "aside")
    shutil.move(columns, rows)
    shutil.move(bundle / "aside", columns)
    reseal(bundle)
    with pytest.raises(ArtifactError, match=r"model\.onnx holds the columns graph"):
        verify_bundle(bundle)


def test_a_certificate_of_another_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    export_bundle(make_run(tmp_path / "run", 5, seed=9), other)
    shutil.copy(other / "parity.json", bundle)
    reseal(bundle)
    with pytest.raises(BundleError, match="belongs to another bundle"):
        verify_bundle(bundle)


def test_an_artifact_of_another_model_is_refused(bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    export_bundle(make_run(tmp_path / "run", 5, seed=9), other)
    shutil.copy(other / "model.pt2", bundle)
    reseal(bundle)
    with pytest.raises(BundleError, match=r"model\.pt2 carries another card"):
        verify_bundle(bundle)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.torchscript.pt", "no TorchScript file of this project"),
        ("model.pt2", r"no \.pt2 file of this project"),
        ("model.onnx", "not a whole ONNX file|carries no model card"),
    ],
)
def test_a_file_of_no_known_format_is_refused(bundle: Path, name: str, message: str) -> None:
    (bundle / name).write_bytes(b"hello" * 100)
    reseal(bundle)
    with pytest.raises(ArtifactError, match=message):
        verify_bundle(bundle)


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_graph_with_onnx_own_sigmoid_is_out_of_budget(
    bundle: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_graph, "build", _with_sigmoid(onnx_graph.build, layout))
    weight, bias = weights_of(bundle)
    write_models(bundle, weight, bias, card_of(bundle))
    with pytest.raises((ParityError, SelfTestError), match=r"probability"):
        verify_bundle(bundle)


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_graph_that_drops_the_bias_is_refused_though_resealed(
    bundle: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    build = onnx_graph.build

    def without_bias(weight: np.ndarray, bias: float, wanted: str) -> bytes:
        model = onnx.load_from_string(build(weight, bias, wanted))
        if wanted == layout:
            del model.graph.node[0].input[2]
            kept = [c for c in model.graph.initializer if c.name != "bias"]
            del model.graph.initializer[:]
            model.graph.initializer.extend(kept)
        return bytes(model.SerializeToString(deterministic=True))

    monkeypatch.setattr(onnx_graph, "build", without_bias)
    write_models(bundle, *weights_of(bundle), card_of(bundle))
    with pytest.raises(ArtifactError, match="holds no graph of this project: 'bias'"):
        verify_bundle(bundle)


def test_a_graph_with_a_node_too_many_is_refused_though_it_scores_alike(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx
    from onnx import helper

    build = onnx_graph.build

    def with_spare_node(weight: np.ndarray, bias: float, layout: str) -> bytes:
        model = onnx.load_from_string(build(weight, bias, layout))
        model.graph.node.append(helper.make_node("Abs", ["logit"], ["unused"]))
        return bytes(model.SerializeToString(deterministic=True))

    weights, card = weights_of(bundle), card_of(bundle)
    with monkeypatch.context() as patched:
        patched.setattr(onnx_graph, "build", with_spare_node)
        write_models(bundle, *weights, card)
    with pytest.raises(ArtifactError, match="another graph than export writes"):
        verify_bundle(bundle)


def test_training_rows_of_another_width_are_refused(bundle: Path) -> None:
    path = bundle / "parity.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    document["training_rows"]["shape"] = [320, 4]
    path.write_text(seal(document, indent=1))
    reseal(bundle)
    with pytest.raises(BundleError, match=r"have shape \(320, 4\), the models take 5 features"):
        verify_bundle(bundle)


def test_a_manifest_that_lists_an_absent_file_is_refused(bundle: Path) -> None:
    (bundle / "evil.bin").write_bytes(b"")
    reseal(bundle)
    (bundle / "evil.bin").unlink()
    with pytest.raises(BundleError, match=r"evil\.bin: listed in its manifest, but not part"):
        verify_bundle(bundle)


def _with_sigmoid(build, layout):  # type: ignore[no-untyped-def]
    """`build`, but with ONNX's Sigmoid in place of the exact form in one layout."""
    import onnx
    from onnx import helper

    def changed(weight: np.ndarray, bias: float, wanted: str) -> bytes:
        content: bytes = build(weight, bias, wanted)
        if wanted != layout:
            return content
        model = onnx.load_from_string(content)
        nodes = [n for n in model.graph.node if n.op_type in ("Gemm", "Reshape")]
        logit = nodes[0].output[0]
        result = "p" if layout == "rows" else "probability"
        nodes.insert(1, helper.make_node("Sigmoid", [logit], [result]))
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        return bytes(model.SerializeToString(deterministic=True))

    return changed


def _restore_card(bundle: Path, name: str, weight: np.ndarray, bias: float) -> None:
    """Write one torch artifact with these weights and the bundle's own, unchanged card."""
    import torch

    from export import program, torchscript

    build = torchscript.build if name == "model.torchscript.pt" else program.build
    tensors = torch.from_numpy(weight[None].copy()), torch.tensor([bias])
    (bundle / name).write_bytes(build(*tensors, card_of(bundle)))
    reseal(bundle)
