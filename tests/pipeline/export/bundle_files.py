"""Runs without training, bundles taken apart and put together again."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export import certificate, folding
from export.certificate import ProofRowsDigest
from export.formats import onnx_model
from export.formats.registry import ARTIFACT_NAMES as MODELS
from export.formats.registry import FORMATS, ONNX_ROWS
from export.parity import corpus
from export.parity.encoded_model import EncodedModel
from export.parity.figures import Parity
from export.parity.proof_rows import ProofBatch, proof_batches
from serve_runtime import Predictor
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import CERTIFICATE, MANIFEST, FileEntry, Manifest, read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES, parse_model
from serve_runtime.bundle.sealed_json import seal
from serve_runtime.features.column import number_columns
from train.trained import Trained

FILES = (MANIFEST, *MODELS, CERTIFICATE)
"""Every file of a bundle."""

SWAPPED = [1, 0, 2, 3, 4]
"""The order of five features of which the first two are swapped."""

TORCH_FILES = {f.file_name: f for f in FORMATS if f.onnx_layout is None}

Edit = Callable[[onnx.ModelProto, str], object]
"""Changes a graph in place; its second argument is the layout."""


def only(layout: str, change: Callable[[onnx.ModelProto], object]) -> Edit:
    """An edit that changes the graph of one layout."""
    return lambda model, found: change(model) if found == layout else None


@dataclasses.dataclass(frozen=True)
class Model:
    """Both ONNX files of a model in a folder, and the rows of its proof by name."""

    folder: Path
    batches: Mapping[str, ProofBatch]
    affine: Affine


def make_model(folder: Path, width: int, centered: bool) -> Model:
    """A random model without torch files, whose features have wildly different scales."""
    rng = np.random.default_rng(width)
    scale = np.exp(2 * rng.normal(size=width))
    middle = 1e4 * scale if centered else np.zeros(width)
    weight = (rng.normal(size=width) / scale / np.sqrt(width)).astype(np.float32)
    affine = Affine(weight, 0.375, middle.astype(np.float32) if centered else None)
    return write_graphs(folder, affine, middle - 3 * scale, middle + 3 * scale)


def write_graphs(folder: Path, affine: Affine, low: np.ndarray, high: np.ndarray) -> Model:
    """Both ONNX files of `affine`, for features of these ranges."""
    graphs = {layout: onnx_model.checked_graph(affine, layout) for layout in MODEL_FILES}
    card = ModelCard(
        columns=number_columns(
            tuple(f"c{i}" for i in range(len(low))),
            tuple(map(float, low.astype(np.float32))),
            tuple(map(float, high.astype(np.float32))),
        ),
        classes=("no", "yes"),
        weights_sha256=affine.sha256(),
        graph_sha256={layout: FileEntry.of(graph).sha256 for layout, graph in graphs.items()},
    )
    for layout, name in MODEL_FILES.items():
        (folder / name).write_bytes(onnx_model.add_card(graphs[layout], card))
    batches = proof_batches(card, affine, np.empty((0, len(low)), np.float32))
    return Model(folder, {batch.name: batch for batch in batches}, affine)


def reseal(bundle: Path) -> None:
    """Make the manifest match the files as they are now: what a forger would do."""
    versions = Manifest.read(bundle).versions
    names = sorted(path.name for path in bundle.iterdir() if path.name != MANIFEST)
    files = {name: FileEntry.of(read_bytes(bundle / name)) for name in names}
    (bundle / MANIFEST).write_text(Manifest(files, versions).to_json(), encoding="utf-8")


def card_of(bundle: Path) -> ModelCard:
    path = bundle / MODEL_FILES["rows"]
    return parse_model(path, read_bytes(path)).card


def affine_of(bundle: Path) -> Affine:
    return ONNX_ROWS.load(bundle).affine


def weights_of(bundle: Path) -> tuple[np.ndarray, float]:
    affine = affine_of(bundle)
    return affine.weight.copy(), affine.bias


def write_models(
    bundle: Path,
    affine: Affine | None = None,
    card: ModelCard | None = None,
    *,
    edit: Edit | None = None,
    measure: bool = False,
) -> None:
    """Write all four models with these values and this card, or with the bundle's own.

    `edit` changes the ONNX graphs; the card gets their digests, so that no digest can tell. With
    `measure` it also gets the digest of `affine` and the scores of its golden rows.
    """
    affine, card = affine or affine_of(bundle), card or card_of(bundle)
    graphs = {}
    for layout in MODEL_FILES:
        model = onnx.load_from_string(onnx_model.checked_graph(affine, layout))
        if edit:
            edit(model, layout)
        graphs[layout] = model.SerializeToString(deterministic=True)
    digests = {layout: FileEntry.of(graph).sha256 for layout, graph in graphs.items()}
    card = dataclasses.replace(card, graph_sha256=digests)
    if measure:
        card = dataclasses.replace(card, weights_sha256=affine.sha256())
        rows = np.array([row.features for row in card.golden], np.float32)
        path = bundle / MODEL_FILES["rows"]
        path.write_bytes(onnx_model.add_card(graphs["rows"], card))
        logit, probability = Predictor(path).scores(rows)
        figures = zip(logit.tolist(), probability.tolist(), affine.reference(rows)[1].tolist(),
                      strict=True)  # fmt: skip
        card = dataclasses.replace(card, golden=tuple(
            dataclasses.replace(row, logit=z, probability=p, logit_bound=bound)
            for row, (z, p, bound) in zip(card.golden, figures, strict=True)
        ))  # fmt: skip
    for layout, name in MODEL_FILES.items():
        (bundle / name).write_bytes(onnx_model.add_card(graphs[layout], card))
    for name in TORCH_FILES:
        write_torch(bundle, name, affine, card)


def write_torch(
    bundle: Path, name: str, affine: Affine | None = None, card: ModelCard | None = None
) -> None:
    """Write one torch artifact with these values and this card, or with the bundle's own."""
    content = TORCH_FILES[name].build(affine or affine_of(bundle), card or card_of(bundle))
    (bundle / name).write_bytes(content)
    reseal(bundle)


def write_card(bundle: Path, name: str, card: ModelCard) -> None:
    """Write `card` into one of the models, whose graph and values stay as they are."""
    layouts = {file: layout for layout, file in MODEL_FILES.items()}
    if name not in layouts:
        write_torch(bundle, name, card=card)
        return
    graph = onnx_model.checked_graph(affine_of(bundle), layouts[name])
    (bundle / name).write_bytes(onnx_model.add_card(graph, card))
    reseal(bundle)


def edit_certificate(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the document of the certificate in place, and seal it again."""
    path = bundle / CERTIFICATE
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["sha256"]
    change(document)
    path.write_text(seal(document, indent=1), encoding="utf-8")
    reseal(bundle)


def recertify(
    bundle: Path, trained: Trained | None = None, model: Affine | EncodedModel | None = None
) -> None:
    """Issue the certificate anew, for the models that are there now and for `trained`; `model` is
    what they compute, where they encode their columns."""
    path = bundle / CERTIFICATE
    issued = certificate.read(path)
    card, trained = card_of(bundle), trained or issued.trained
    model = affine_of(bundle) if model is None else model
    issued = dataclasses.replace(
        issued,
        files={n: FileEntry.of(read_bytes(bundle / n)).sha256 for n in MODELS},
        trained=trained,
        proof_rows=ProofRowsDigest.of(corpus.proof_batches(card, model, issued.sample)),
    )
    _, figures = folding.choose(trained, card)
    path.write_text(certificate.write(issued, Parity({}, {}), figures, {}), encoding="utf-8")
    reseal(bundle)


def forge(
    bundle: Path,
    edit: Edit | None = None,
    *,
    card: ModelCard | None = None,
    affine: Affine | None = None,
    trained: Trained | None = None,
) -> None:
    """Make everything anew that could tell of a change: digests, golden rows, certificate."""
    write_models(bundle, affine, card, edit=edit, measure=True)
    recertify(bundle, trained)


def up(value: Any) -> Any:
    """The next larger float32 of a value or of each in an array."""
    return np.nextafter(np.float32(value), np.float32(np.inf))


def one_up(values: np.ndarray, i: int) -> np.ndarray:
    """A copy of `values` with the next larger float32 in place of the one at `i`."""
    changed = values.copy()
    changed[i] = up(changed[i])
    return changed
