"""What can happen to the curves of a bundle, and the check that must notice it."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from export import certificate
from export.errors import BundleError, ParityError
from export.formats import encoded_program, torch_export, torchscript
from export.formats.artifact import Scorer
from export.formats.registry import FORMATS
from export.parity.corpus import proof_batches
from export.parity.encoded_model import EncodedModel
from export.parity.measure import measure
from pipeline.export.bundle_files import card_of, edit_certificate, only
from pipeline.export.damage.damages import noticed
from pipeline.export.mixed_bundles import changed, model_of, write_models, write_torch
from serve_runtime import ArtifactError
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import CERTIFICATE
from serve_runtime.features.raw_rows import RawRows

TORCH_FILES = ("model.torchscript.pt", "model.pt2")
PLACES = [
    (0, "value", 0), (0, "slope", 4), (0, "knots", -1),
    (1, "value", -1), (1, "knots", 4), (1, "slope", 0),
]  # fmt: skip
"""Curve, what of it, and where: the first, one in the middle, and the last."""


def one_up(model: EncodedModel, curve: int, part: str, place: int) -> EncodedModel:
    """The model with one value of a curve moved to the next float32 but one: that after a knot may
    be a knot too."""
    curves = list(model.encoding.curves)
    values = getattr(curves[curve], part).copy()
    values[place] = values[place] - np.float32(2) * np.spacing(np.abs(values[place]))
    curves[curve] = replace(curves[curve], **{part: values})
    return changed(model, curves=tuple(curves))


def called(model: EncodedModel, curve: int, part: str, place: int) -> str:
    """What messages call that value."""
    column = model.encoding.numbers[model.encoding.bent[curve]]
    place %= len(getattr(model.encoding.curves[curve], part))
    return f"{part.removesuffix('s')} {place} of the curve of {column.name!r} is"


@pytest.mark.parametrize("name", TORCH_FILES)
def test_a_torch_file_with_another_curve(bundle: Path, name: str) -> None:
    """Wherever it is another one, and by little."""
    model = model_of(bundle)
    for curve, part, place in PLACES[:: 2 if name == "model.pt2" else 1]:  # that takes long
        write_torch(bundle, name, one_up(model, curve, part, place))
        told = called(model, curve, part, place)
        noticed(bundle, BundleError, f"{name}: {told}", "in", "model.onnx it is")


@pytest.mark.parametrize("name", TORCH_FILES)
def test_a_torch_file_with_a_segment_fewer(bundle: Path, name: str) -> None:
    model = model_of(bundle)
    first, *others = model.encoding.curves
    shorter = replace(first, **{p: getattr(first, p)[:-1] for p in ("knots", "value", "slope")})
    write_torch(bundle, name, changed(model, curves=(shorter, *others)))
    count = len(first.knots)
    noticed(bundle, BundleError, f"{name}: there are {count - 1} of knots 0, in", f"{count}")


def test_all_files_with_another_curve(bundle: Path) -> None:
    model, card = model_of(bundle), card_of(bundle)
    for curve, part, place in PLACES:
        if part == "knots":
            continue  # the card has these
        other = one_up(model, curve, part, place)
        write_models(bundle, other, card)
        noticed(bundle, ArtifactError, "holds the weights", "its card was made for")


# Knots, which the card has too.


def with_knots(card: ModelCard, name: str, knots: np.ndarray) -> ModelCard:
    values = tuple(map(float, knots))
    return replace(card, columns=tuple(
        replace(c, knots=values) if c.name == name else c for c in card.columns
    ))  # fmt: skip


def test_a_card_with_another_knot(bundle: Path) -> None:
    model, card = model_of(bundle), card_of(bundle)
    name = model.encoding.numbers[model.encoding.bent[1]].name
    other = with_knots(card, name, one_up(model, 1, "knots", 2).encoding.curves[1].knots)
    write_torch(bundle, "model.pt2", model, other)
    told = f"model.onnx: its column {name!r}: its knots, entry 2, is"
    noticed(bundle, BundleError, "model.pt2 carries another card than", told)


def test_all_files_and_cards_with_another_knot(bundle: Path) -> None:
    model = one_up(model_of(bundle), 0, "knots", 3)
    name = model.encoding.numbers[model.encoding.bent[0]].name
    card = with_knots(card_of(bundle), name, model.encoding.curves[0].knots)
    model = changed(model, columns=card.columns)
    write_models(bundle, model, card, measure=True)
    told = "the trained model has other columns than the card"
    noticed(bundle, BundleError, f"{CERTIFICATE}: {told}")


def threshold_moved(graph: onnx.ModelProto) -> None:
    floats(graph, "nodes_values")[0] *= 1.0000002


def segments_swapped(graph: onnx.ModelProto) -> None:
    values = floats(graph, "target_weights")
    values[1], values[4] = values[4], values[1]  # slopes: each segment has three values


def floats(graph: onnx.ModelProto, name: str) -> Any:
    tree = next(n for n in graph.graph.node if n.op_type == "TreeEnsembleRegressor")
    return next(a for a in tree.attribute if a.name == name).floats


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (threshold_moved, "another graph than export writes"),
        (segments_swapped, "holds the weights"),
    ],
)
def test_a_graph_with_another_tree(
    bundle: Path, layout: str, edit: Callable[[onnx.ModelProto], None], told: str
) -> None:
    write_models(bundle, model_of(bundle), edit=only(layout, edit))
    noticed(bundle, ArtifactError, told)


# Programs.

FORWARDS = {
    "a knot that belongs to the segment before": ("right=True", "right=False"),
    "origins of other segments": ("(segment - 1).clamp(min=0)", "segment.clamp(max=4)"),
    "a product that is not rounded": (
        """bent = bent * self.slope_1.index_select(0, segment)
    offset = offset + (self.value_1.index_select(0, segment) + bent)""",
        "offset = offset + (self.value_1.index_select(0, segment).double() + "
        "bent.double() * self.slope_1.index_select(0, segment)).float()",
    ),
    "a missing number that counts as 0": (
        "bent = x[:, 4].contiguous()",
        "bent = torch.where(precise[:, 1] != precise[:, 1], 0, x[:, 4]).contiguous()",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "what"), [*zip(2 * TORCH_FILES, FORWARDS, strict=True)])
def test_a_program_with_other_curves(
    bundle: Path, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noticed on the rows of knots, and by its text."""
    old, new = FORWARDS[what]
    true, model = encoded_program.forward, model_of(bundle)
    none = RawRows(np.empty((5, 0)), ((),) * 3)
    batches = proof_batches(card_of(bundle), model, none)
    knots = [batch for batch in batches if batch.name in ("every segment", "gaps")]
    assert old in true(model.affine, model.encoding)
    with monkeypatch.context() as patch:
        for module in (torchscript, torch_export):
            patch.setattr(module, "forward", lambda *m: true(*m).replace(old, new))
        write_torch(bundle, name, model)
    artifact = next(f for f in FORMATS if f.file_name == name).load(bundle)
    with pytest.raises(ParityError, match=rf"^{name}, (every segment|gaps), row \d+: logit"):
        measure([Scorer(name, artifact.score)], knots, model).require()
    with pytest.raises(ArtifactError, match=f"{name} holds (an)?other"):
        artifact.require_own_program()


# Certificates.


def test_a_certificate_of_another_curve(bundle: Path) -> None:
    trained = certificate.read(bundle / CERTIFICATE).trained
    assert trained.design is not None
    weight = trained.weight.copy()
    weight[trained.design.further[0].start] += 1  # of the first knot's hat, so of all values
    text = base64.b64encode(weight.astype("<f4").tobytes()).decode()
    edit_certificate(bundle, lambda document: document["trained"].update(weight=text))
    told = "model.onnx: value 0 of the curve of 'number 0' is"
    noticed(bundle, BundleError, told, "in", f"{CERTIFICATE} it is")
