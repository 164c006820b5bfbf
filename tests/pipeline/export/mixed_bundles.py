"""Bundles of models that encode their columns, taken apart and put together again."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from export import publish
from export.formats import onnx_model
from export.formats.registry import ONNX_ROWS
from export.parity.encoded_model import EncodedModel
from pipeline.export import bundle_files
from pipeline.export.bundle_files import TORCH_FILES, card_of, reseal
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import FileEntry
from serve_runtime.bundle.model_file import MODEL_FILES
from train.trained import Trained


def model_of(bundle: Path) -> EncodedModel:
    artifact = ONNX_ROWS.load(bundle)
    assert artifact.encoding is not None
    return EncodedModel(artifact.affine, artifact.encoding)


def changed(model: EncodedModel, **values: object) -> EncodedModel:
    """The model with other constants of its encoding."""
    return dataclasses.replace(
        model,
        encoding=dataclasses.replace(model.encoding, **values),  # type: ignore[arg-type]
    )


def with_table(model: EncodedModel, i: int, change: Callable[[np.ndarray], object]) -> EncodedModel:
    """The model with its table `i` changed in place."""
    tables = [table.copy() for table in model.encoding.tables]
    change(tables[i])
    return changed(model, tables=tuple(tables))


def write_torch(
    bundle: Path, name: str, model: EncodedModel, card: ModelCard | None = None
) -> None:
    """Write one torch artifact with these values and this card, or with the bundle's own."""
    card = card or card_of(bundle)
    content = TORCH_FILES[name].build(model.affine, card, model.encoding)
    (bundle / name).write_bytes(content)
    reseal(bundle)


def write_models(
    bundle: Path,
    model: EncodedModel,
    card: ModelCard | None = None,
    *,
    measure: bool = False,
    edit: Callable[[onnx.ModelProto, str], object] | None = None,
    torch: bool = True,
) -> None:
    """Write all four models with these values and this card, or with the bundle's own.

    `edit` changes the ONNX graphs. The card gets the digests of the graphs; with `measure` also
    that of the values, and the scores of its golden rows. Without `torch` the torch files stay,
    which nobody comes to where an ONNX file is refused.
    """
    card = card or card_of(bundle)
    affine, encoding = model.affine, model.encoding
    if measure:
        card = publish.complete_card(card, model)
    graphs = {}
    for layout in MODEL_FILES:
        graph = onnx.load_from_string(onnx_model.checked_graph(affine, layout, encoding))
        if edit:
            edit(graph, layout)
        graphs[layout] = graph.SerializeToString(deterministic=True)
    digests = {layout: FileEntry.of(graph).sha256 for layout, graph in graphs.items()}
    card = dataclasses.replace(card, graph_sha256=digests)
    for layout, name in MODEL_FILES.items():
        (bundle / name).write_bytes(onnx_model.add_card(graphs[layout], card))
    for name in TORCH_FILES if torch else ():
        write_torch(bundle, name, model, card)
    reseal(bundle)


def recertify(bundle: Path, trained: Trained | None = None) -> None:
    """Issue the certificate anew, for the models that are there now and for `trained`."""
    bundle_files.recertify(bundle, trained, model_of(bundle))
