"""What can happen to the encoding of a bundle, and the check that must notice it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from export import certificate, folding
from export.errors import BundleError, ParityError
from export.formats import encoded_program, torch_export, torchscript
from export.formats.artifact import Scorer
from export.formats.registry import FORMATS
from export.parity.corpus import proof_batches
from export.parity.encoded_model import EncodedModel
from export.parity.file_agreement import require_same
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch
from export.verify import verify_bundle
from pipeline.export.bundle_files import card_of, edit_certificate, only
from pipeline.export.damage.damages import in_order, noticed
from pipeline.export.mixed_bundles import (
    changed,
    model_of,
    recertify,
    with_table,
    write_models,
    write_torch,
)
from serve_runtime import ArtifactError
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import CERTIFICATE
from serve_runtime.features.raw_rows import RawRows
from train.trained import Trained


@pytest.fixture(scope="module")
def batches(mixed: Path) -> Sequence[ProofBatch]:
    """The rows of the proof of the undamaged bundle, without those of its data."""
    none = RawRows(np.empty((5, 0)), ((),) * 3)
    return proof_batches(card_of(mixed), model_of(mixed), none)


def scores_noticed(bundle: Path, name: str, batches: Sequence[ProofBatch]) -> None:
    """Assert that the scores of a file are refused, as verify measures them beside all others."""
    artifact = next(f for f in FORMATS if f.file_name == name).load(bundle)
    with pytest.raises(ParityError, match=f"^{name}, "):
        measure([Scorer(name, artifact.score)], batches, model_of(bundle)).require()


def certificate_noticed(bundle: Path, *texts: str) -> None:
    """Assert that the certificate's model is told from that of the files, as verify does where all
    else is proven."""
    path = bundle / CERTIFICATE
    issued = certificate.read(path)
    certified = folding.model_of(issued.trained, issued.form)
    with pytest.raises(BundleError, match=in_order(texts)):
        require_same(bundle / "model.onnx", model_of(bundle), path, certified, card_of(bundle))


# Constants.


def swap(table: np.ndarray) -> None:
    table[[1, 2]] = table[[2, 1]]


def shift(table: np.ndarray) -> None:
    table[:] = np.roll(table, 1)


def first_up(values: np.ndarray, i: int) -> np.ndarray:
    found = values.copy()
    found[i] = np.nextafter(found[i], found.dtype.type(np.inf))
    return found


def set_to(value: float, *positions: int) -> Callable[[np.ndarray], None]:
    return lambda table: table.__setitem__([*positions], value)


Change = Callable[[EncodedModel], EncodedModel]
CONSTANTS: dict[str, tuple[Change, str]] = {
    "two levels swapped": (
        lambda m: with_table(m, 0, swap), "the weight of 'category 0' = '\"' is",
    ),
    "a table shifted by one": (
        lambda m: with_table(m, 2, shift), "the weight of 'category 2' = '3.0' is",
    ),
    "a level off by 1 ULP": (
        lambda m: changed(m, tables=(m.encoding.tables[0], first_up(m.encoding.tables[1], 3),
                                     m.encoding.tables[2])),
        "the weight of 'category 1' = 'blue ' is",
    ),
    "another weight of a missing text": (
        lambda m: with_table(m, 0, set_to(0.5, 4)), "the weight of 'category 0' = missing is 0.5",
    ),
    "another weight of an unknown level": (
        lambda m: with_table(m, 0, set_to(0.25, 0, -1)), "the weight of 'category 0' = unknown",
    ),
    "an unknown level that is scored": (
        lambda m: with_table(m, 1, set_to(0.0, 0, -1)), "the weight of 'category 1' = unknown",
    ),
    "a stale fill value": (
        lambda m: changed(m, fill=first_up(m.encoding.fill, 2)), "the fill value of 'number 2' is",
    ),
    "a gap that is filled": (
        lambda m: changed(m, fill=np.nan_to_num(m.encoding.fill, nan=1.0)),
        "the fill value of 'number 0' is 1.0",
    ),
    "a centre rounded to float32": (
        lambda m: changed(m, center=m.encoding.center.astype(np.float32).astype(np.float64)),
        "the float64 centre of 'precise 3' is",
    ),
    "a gap term lost": (
        lambda m: changed(m, gap=np.zeros_like(m.encoding.gap)), "the gap term of 'number 1'",
    ),
}  # fmt: skip
"""The change, and what the message calls the first constant that differs."""


@pytest.mark.parametrize("what", CONSTANTS)
@pytest.mark.parametrize("name", ["model.torchscript.pt", "model.pt2"])
def test_a_torch_file_with_other_constants(bundle: Path, name: str, what: str) -> None:
    change, named = CONSTANTS[what]
    write_torch(bundle, name, change(model_of(bundle)))
    noticed(bundle, BundleError, f"{name}: {named}", "in", "model.onnx it is")


@pytest.mark.parametrize("name", ["model.torchscript.pt", "model.pt2"])
def test_a_torch_file_that_lacks_a_table(bundle: Path, name: str) -> None:
    model = model_of(bundle)
    write_torch(bundle, name, changed(model, tables=model.encoding.tables[:-1]))
    noticed(bundle, BundleError, f"{name}: there are 0 of table 2, in", "model.onnx")


CONTRADICTIONS = {
    "a table shifted by one": "unknown levels of 'category 2'",
    "an unknown level that is scored": "'category 1'",
    "a gap that is filled": "what stands for missing values of 'number 0'",
}
"""What contradicts the card by itself, and what the message says of it."""

PROVEN = ("two levels swapped", "a stale fill value")
"""Other models that the whole proof is gone through with: all would pass it."""


@pytest.mark.parametrize("what", CONSTANTS)
def test_all_files_with_other_constants(bundle: Path, what: str) -> None:
    change, named = CONSTANTS[what]
    model, card = change(model_of(bundle)), card_of(bundle)
    write_models(bundle, model, card, torch=False)
    if what in CONTRADICTIONS:
        told = "model.onnx holds another graph than export writes: "
        noticed(bundle, ArtifactError, told, CONTRADICTIONS[what])
        return
    noticed(bundle, ArtifactError, "holds the weights", "its card was made for")
    told = (f"model.onnx: {named}", "in", f"{CERTIFICATE} it is")
    if what not in PROVEN:
        write_models(bundle, model, card, measure=True, torch=False)
        certificate_noticed(bundle, *told)
        return
    write_models(bundle, model, card, measure=True)
    recertify(bundle)
    noticed(bundle, BundleError, *told)


def test_a_category_left_out_of_a_table(bundle: Path) -> None:
    model = model_of(bundle)
    tables = (model.encoding.tables[0][:-1], *model.encoding.tables[1:])
    write_torch(bundle, "model.pt2", changed(model, tables=tables))
    noticed(bundle, BundleError, "model.pt2: there are 5 of table 0, in", "model.onnx 6")


# Cards.


def column(card: ModelCard, name: str, **values: Any) -> ModelCard:
    return replace(card, columns=tuple(
        replace(c, **values) if c.name == name else c for c in card.columns
    ))  # fmt: skip


CARDS: dict[str, tuple[Callable[[ModelCard], ModelCard], str]] = {
    "a level's count": (
        lambda c: column(c, "category 0", counts=(1, *card_counts(c)[1:])),
        "column 'category 0': its counts, entry 0, is 1, there it is",
    ),
    "a level's text": (
        lambda c: column(c, "category 0", levels=('"', "03", "3.0")),
        "column 'category 0': its levels, entry 2, is \"3.0\", there it is \"3\"",
    ),
    "a missing text dropped": (
        lambda c: column(c, "category 0", missing_texts=("", "?", "NA", "nan")),
        "column 'category 0': its missing_texts is",
    ),
    "an unknown policy": (
        lambda c: column(c, "category 0", unknown="rare"),
        "column 'category 0': its unknown is \"rare\", there it is null",
    ),
    "a rare text": (
        lambda c: column(c, "category 2", rare=("!", '"')), "its rare, entry 0, is \"!\"",
    ),
    "a gap policy": (
        lambda c: column(c, "number 1", missing="mean"), "'number 1': its missing is \"mean\"",
    ),
}  # fmt: skip


def card_counts(card: ModelCard) -> tuple[int, ...]:
    return next(c.counts for c in card.columns if c.name == "category 0")


@pytest.mark.parametrize("what", CARDS)
def test_a_card_is_told_by_the_column_that_differs(bundle: Path, what: str) -> None:
    change, told = CARDS[what]
    write_torch(bundle, "model.pt2", model_of(bundle), change(card_of(bundle)))
    noticed(bundle, BundleError, "model.pt2 carries another card than", f"model.onnx: its {told}"
            if told.startswith("column") else told)  # fmt: skip


def test_another_count_in_every_card(bundle: Path) -> None:
    card = CARDS["a level's count"][0](card_of(bundle))
    write_models(bundle, model_of(bundle), card)
    noticed(
        bundle, BundleError, f"{CERTIFICATE}: the trained model has other columns than the card"
    )


# Programs.


def keys_changed(graph: onnx.ModelProto) -> None:
    """Another canonical text in the graph: what was 3 is 3.0 now."""
    encoder = next(n for n in graph.graph.node if n.op_type == "LabelEncoder")
    keys = next(a for a in encoder.attribute if a.name == "keys_strings")
    keys.strings[list(keys.strings).index(b"3")] = b"3.00"


def keys_swapped(graph: onnx.ModelProto) -> None:
    encoder = next(n for n in graph.graph.node if n.op_type == "LabelEncoder")
    keys = next(a for a in encoder.attribute if a.name == "keys_strings")
    keys.strings[0], keys.strings[1] = keys.strings[1], keys.strings[0]


@pytest.mark.parametrize("edit", [keys_changed, keys_swapped])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_graph_with_other_texts(
    bundle: Path, layout: str, edit: Callable[[onnx.ModelProto], None]
) -> None:
    write_models(bundle, model_of(bundle), edit=only(layout, edit))
    noticed(bundle, ArtifactError, "another graph than export writes")


LEVELS: dict[str, Callable[[list[dict[str, int]]], None]] = {
    "codes off by one": lambda found: found[2].update({t: c - 1 for t, c in found[2].items()}),
    "another text of a level": lambda found: found[0].update({"3.0": found[0].pop("3")}),
    "a missing text dropped": lambda found: found[0].__delitem__("NA"),
    "two levels swapped": lambda found: found[0].update({'"': 2, "03": 1}),
    "codes outside the table": lambda found: found[0].update({"3": 6}),
}


@pytest.mark.parametrize("what", LEVELS)
def test_a_torchscript_that_encodes_otherwise(
    bundle: Path, batches: Sequence[ProofBatch], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = encoded_program.levels
    model = model_of(bundle)
    found = true(model.encoding)
    LEVELS[what](found)
    with monkeypatch.context() as patch:
        patch.setattr(torchscript, "levels", lambda encoding: found)
        write_torch(bundle, "model.torchscript.pt", model)
    scores_noticed(bundle, "model.torchscript.pt", batches)


@pytest.mark.parametrize("text", ["a text that no proof tries", "a,b"])  # of another category
def test_a_text_that_no_row_has_is_noticed_too(
    bundle: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = encoded_program.levels
    model = model_of(bundle)
    found = true(model.encoding)
    found[0][text] = 1
    with monkeypatch.context() as patch:
        patch.setattr(torchscript, "levels", lambda encoding: found)
        write_torch(bundle, "model.torchscript.pt", model)
    recertify(bundle)
    noticed(bundle, ArtifactError, f"model.torchscript.pt: in 'category 0' the text {text!r} ",
            "has the code 1, by its card it is None")  # fmt: skip


FORWARDS = {
    "codes off by one": ("codes[:, 0]", "(codes[:, 0] - 1).clamp(min=0)"),
    "codes that wrap around": (
        "self.table_0.index_select(0, codes[:, 0])", "self.table_0[codes[:, 0] - 6]",
    ),
    "a category left out": ("self.table_2.index_select(0, codes[:, 2])", "codes[:, 2] * 0"),
    "levels summed in another order": (
        "offset = offset + (self.table_0.index_select(0, codes[:, 0]) +",
        "offset = (offset + self.table_0.index_select(0, codes[:, 0]) +",
    ),
    "a precise number rounded first": (
        "(precise - self.precise_center).to(torch.float32)",
        "(precise.to(torch.float32) - self.precise_center.to(torch.float32))",
    ),
    "gaps that are not filled": ("torch.where(torch.isnan(x), self.fill, x)", "x + 0"),
    "gaps filled with 0": ("torch.where(torch.isnan(x), self.fill, x)", "torch.nan_to_num(x)"),
    "the gap term lost": ("offset + self.gap[1], offset", "offset + 0.0, offset"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORWARDS)
@pytest.mark.parametrize("name", ["model.torchscript.pt", "model.pt2"])
def test_a_program_that_ignores_its_constants(
    bundle: Path,
    batches: Sequence[ProofBatch],
    name: str,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = FORWARDS[what]
    true = encoded_program.forward
    model = model_of(bundle)
    assert old in true(model.affine, model.encoding)
    with monkeypatch.context() as patch:
        for module in (torchscript, torch_export):
            patch.setattr(module, "forward", lambda *m: true(*m).replace(old, new))
        write_torch(bundle, name, model)
    if what == "codes that wrap around":  # no code of a row that is encoded shows it
        recertify(bundle)
        noticed(bundle, ArtifactError, f"{name} holds other" if "script" in name else name)
        return
    scores_noticed(bundle, name, batches)
    if what == "codes off by one":
        recertify(bundle)
        noticed(bundle, ParityError, f"{name}, ")


# Certificates.

TRAINED: dict[str, tuple[Callable[[Trained], Trained], str]] = {
    "another imputed value": (
        lambda t: with_design(t, imputed=t.design.imputed + 1), "the fill value of 'number 1' is",
    ),
    "another centre": (lambda t: with_design(t, center=t.design.center + 1), "the bias is"),
    "another weight of a level": (
        lambda t: replace(t, weight=np.append(t.weight[:-1], np.float32(9))), "the bias is",
    ),
}  # fmt: skip


def with_design(trained: Trained, **values: Any) -> Trained:
    assert trained.design is not None
    return replace(trained, design=replace(trained.design, **values))


@pytest.mark.parametrize("what", TRAINED)
def test_a_certificate_of_another_trained_model(bundle: Path, what: str) -> None:
    change, named = TRAINED[what]
    recertify(bundle, change(certificate.read(bundle / CERTIFICATE).trained))
    told = (f"model.onnx: {named}", "in", f"{CERTIFICATE} it is")
    certificate_noticed(bundle, *told)
    if what == "another imputed value":
        noticed(bundle, BundleError, *told)


def swap_sampled_texts(document: dict[str, Any]) -> None:
    texts = document["sampled_rows"]["texts"]
    texts[0] = texts[0][::-1]


CERTIFICATES: dict[str, tuple[Callable[[dict[str, Any]], object], Sequence[str]]] = {
    "sampled texts in another order": (
        swap_sampled_texts, ("was issued for", "the certificate belongs to another bundle"),
    ),
    "sampled texts that are numbers": (
        lambda d: d["sampled_rows"].update(texts=[[3] * 43] * 3), ("are no rows of this model",),
    ),
    "a category fewer": (
        lambda d: d["sampled_rows"]["texts"].pop(), ("5 numbers and 2 texts",),
    ),
    "no texts": (
        lambda d: d["sampled_rows"].pop("texts"), ("are of a model of another kind",),
    ),
    "a column fewer": (
        lambda d: d["trained"]["columns"].pop(), (
            "what stands for missing numbers: float64 of shape (5,), the card's columns require",
        ),
    ),
    "a column of no kind": (
        lambda d: d["trained"]["columns"][0].update(kind="?"), ("is no certificate",),
    ),
    "a count of a level": (
        lambda d: d["trained"]["columns"][1]["counts"].__setitem__(0, 1),
        ("the trained model has other columns than the card",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CERTIFICATES)
def test_a_certificate_that_was_edited(bundle: Path, what: str) -> None:
    change, told = CERTIFICATES[what]
    edit_certificate(bundle, change)
    noticed(bundle, BundleError, CERTIFICATE, *told)


def test_what_the_damages_start_from_is_accepted(bundle: Path) -> None:
    verify_bundle(bundle)
    write_models(bundle, model_of(bundle), measure=True)
    recertify(bundle)
    verify_bundle(bundle)


def test_the_certificate_keeps_the_trained_model(bundle: Path) -> None:
    issued = certificate.read(bundle / CERTIFICATE)
    document = json.loads((bundle / CERTIFICATE).read_text(encoding="utf-8"))
    assert issued.trained.design is not None
    assert issued.trained.design.columns == card_of(bundle).columns
    assert document["format_version"] == 3
