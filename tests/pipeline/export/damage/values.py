"""Files that hold other values than the others, or stand in the place of another.

The manifest matches every one of them.
"""

import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from pipeline.export.bundle_files import (
    SWAPPED,
    affine_of,
    card_of,
    one_up,
    only,
    reseal,
    up,
    write_models,
    write_torch,
)
from pipeline.export.damage.damages import Text, damage
from serve_runtime import ArtifactError
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY

TURNED = np.array([1, 1, -1, 1, 1], np.float32)


def initializer(model: onnx.ModelProto, name: str) -> Any:
    (found,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    return found


def set_value(model: onnx.ModelProto, name: str, value: np.ndarray) -> None:
    old = initializer(model, name)
    shape = numpy_helper.to_array(old).shape
    old.CopyFrom(numpy_helper.from_array(value.reshape(shape), name))


# One file holds other values than the others. An ONNX graph cannot change alone: every card holds
# the digest of both.


def _torch_values(
    name: str, change: Callable[[Affine], Affine], what: str, value: Callable[[Affine], float]
) -> Callable[[Path], Sequence[Text]]:
    def do(bundle: Path) -> Sequence[Text]:
        true = affine_of(bundle)
        write_torch(bundle, name, change(true))
        found, expected = (str(np.float32(value(a))) for a in (change(true), true))
        assert found != expected
        return f"{name}: {what} is {found}, in", f"model.onnx it is {expected}"

    return do


for _name in ("model.torchscript.pt", "model.pt2"):
    for _what, _change, _where, _value in (
        ("a weight off by 1 ULP", lambda a: replace(a, weight=one_up(a.weight, 3)),
         "the weight of 'c3'", lambda a: a.weight[3]),
        ("the bias off by 1 ULP", lambda a: replace(a, bias=float(up(a.bias))),
         "the bias", lambda a: a.bias),
        ("the bias dropped", lambda a: replace(a, bias=0.0), "the bias", lambda a: a.bias),
        ("two features swapped", lambda a: replace(a, weight=a.weight[SWAPPED]),
         "the weight of 'c0'", lambda a: a.weight[0]),
        ("the weights cast to float16 and back",
         lambda a: replace(a, weight=a.weight.astype(np.float16).astype(np.float32)),
         "the weight of 'c0'", lambda a: a.weight[0]),
        ("the sign of a weight turned", lambda a: replace(a, weight=a.weight * TURNED),
         "the weight of 'c2'", lambda a: a.weight[2]),
    ):  # fmt: skip
        damage(f"{_what} in {_name}")(_torch_values(_name, _change, _where, _value))
    damage(f"the centre of a feature off by 1 ULP in {_name}", centered=True)(
        _torch_values(
            _name,
            lambda a: replace(a, center=one_up(a.center, 1)),
            "the centre of 'c1'",
            lambda a: a.center[1],
        )
    )


@damage("the centre left out of model.pt2", centered=True)
def _(bundle: Path) -> Sequence[Text]:
    write_torch(bundle, "model.pt2", replace(affine_of(bundle), center=None))
    return "model.pt2 and", "model.onnx: one of them subtracts a centre, one does not"


@damage("a model of another width in model.pt2")
def _(bundle: Path) -> Sequence[Text]:
    write_torch(bundle, "model.pt2", Affine(np.ones(4, np.float32), 0.5))
    return ("model.pt2: the card names 5 features, the weights have shape (4,)",
            "required: (5,) float32")  # fmt: skip


@damage("a weight off by 1 ULP in the columns graph", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    true = affine_of(bundle)
    values = one_up(true.weight, 3)
    write_models(bundle, edit=only("columns", lambda m: set_value(m, "weight", values)))
    return _weights("model.columnar.onnx", replace(true, weight=values), true)


@damage("the bias off by 1 ULP in the rows graph", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    true = affine_of(bundle)
    write_models(bundle, edit=only("rows", lambda m: set_value(m, "bias", up(true.bias))))
    return _weights("model.onnx", replace(true, bias=float(up(true.bias))), true)


@damage("a wrong centre in the columns graph", ArtifactError, centered=True)
def _(bundle: Path) -> Sequence[Text]:
    true = affine_of(bundle)
    assert true.center is not None
    values = one_up(true.center, 4)
    write_models(bundle, edit=only("columns", lambda m: set_value(m, "center", values)))
    return _weights("model.columnar.onnx", replace(true, center=values), true)


def _weights(name: str, held: Affine, true: Affine) -> Sequence[Text]:
    return (f"{name} holds the weights {held.sha256()[:12]}…",
            f"its card was made for {true.sha256()[:12]}…")  # fmt: skip


def _half(model: onnx.ModelProto) -> None:
    """The weights as a float16 initializer that the graph casts to float32."""
    weight = numpy_helper.to_array(initializer(model, "weight")).astype(np.float16)
    initializer(model, "weight").CopyFrom(numpy_helper.from_array(weight, "weight"))
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    gemm.input[0] = "wide"
    model.graph.node.insert(0, helper.make_node("Cast", ["weight"], ["wide"], to=1))


for _layout, _name in (("rows", "model.onnx"), ("columns", "model.columnar.onnx")):

    @damage(f"the weights as a float16 initializer in the {_layout} graph", ArtifactError)
    def _(bundle: Path, layout: str = _layout, name: str = _name) -> Sequence[Text]:
        write_models(bundle, edit=only(layout, _half))
        return (f"{name} holds another graph than export writes: weight has 10 bytes",)

    @damage(f"the bias dropped from the {_layout} graph", ArtifactError)
    def _(bundle: Path, layout: str = _layout, name: str = _name) -> Sequence[Text]:
        def without_bias(model: onnx.ModelProto) -> None:
            next(node for node in model.graph.node if node.op_type == "Gemm").input.pop()
            model.graph.initializer.remove(initializer(model, "bias"))

        write_models(bundle, edit=only(layout, without_bias))
        return (f"{name} holds another graph than export writes: bias has 0 bytes of raw_data",)


# A file stands in another's place.


@damage("the two layouts exchanged", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    rows, columns = bundle / "model.onnx", bundle / "model.columnar.onnx"
    shutil.move(rows, bundle / "aside")
    shutil.move(columns, rows)
    shutil.move(bundle / "aside", columns)
    reseal(bundle)
    return ("model.onnx holds the columns graph: it was exchanged or renamed",)


@damage("the rows graph in both files", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    shutil.copy(bundle / "model.onnx", bundle / "model.columnar.onnx")
    reseal(bundle)
    return ("model.columnar.onnx holds the rows graph: it was exchanged or renamed",)


@damage("a .pt2 file in the place of the TorchScript", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    shutil.copy(bundle / "model.pt2", bundle / "model.torchscript.pt")
    reseal(bundle)
    return ("model.torchscript.pt is no TorchScript file of this project",)


@damage("a TorchScript in the place of the .pt2 file", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    shutil.copy(bundle / "model.torchscript.pt", bundle / "model.pt2")
    reseal(bundle)
    return ("model.pt2 is no .pt2 file of this project",)


@damage("a program of another kind in the place of the .pt2 file", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    """An archive that torch loads, with a card, but whose parameters have other names."""

    class Other(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    extra = {CARD_KEY: card_of(bundle).to_json()}
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(Other(), (torch.zeros(2, 5),)), buffer, extra_files=extra)
    (bundle / "model.pt2").write_bytes(buffer.getvalue())
    reseal(bundle)
    return "model.pt2 is no .pt2 file ", ": 'weight'"
