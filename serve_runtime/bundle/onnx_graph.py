"""The ONNX graphs: the one in a model file, and those that onnxruntime is given.

Rows: features [batch, d] -> logit, probability [batch, 1], as Gemm(W, featuresᵀ): the weights are
the left operand, since onnxruntime's Gemm(features, Wᵀ) is slower. Columns: columns [d, batch] ->
[1, batch], as Gemm(W, columns), which reads Arrow columns as they lie. Opset 13 and IR 7, so that
old runtimes load them.

Where the weights have a centre, a Sub before the Gemm takes it off (see export.folding). The graph
in a file of a model that encodes raw columns is another: see serve_runtime/bundle/graph/encoded.py.

The sigmoid is spelled out as 1 / (1 + exp(-logit)): onnxruntime's own Sigmoid returns exact zeros
below a logit of about -18, is off by thousands of ULP before that, falls while the logit rises, and
leaves [0, 1] (docs/parity.md). The negation goes by way of -2 - logit, then + 2, which rounds
positive logits to the spacing of logit + 2 (2⁻²² below 2) and negative ones above -1 to multiples
of 2⁻²³, and is exact below: the probability moves by half a unit in its last place at most. With a
plain negation it is not monotone: onnxruntime's float32 Exp wavers by a unit between arguments of
-0.25 and -0.03, where float32 logits lie closer together than its results. The division is a
Div: onnxruntime's Reciprocal is an estimate on ARM, and with it the probability falls 100 000 times
while the logit rises.

A file is accepted only if it is, byte for byte, the one that `write_model` writes for the constants
in it (and the columns of its card, if they are encoded). onnxruntime never sees the file: it gets
what `write_graph` writes for these constants.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS, Array, Float32
from serve_runtime.bundle.affine import Affine, float32_of, float_of
from serve_runtime.bundle.graph.sigmoid import sigmoid, sigmoid_constants
from serve_runtime.bundle.onnx_writer import ML, ML_OPERATORS, Node, Shape, Value, write_onnx
from serve_runtime.bundle.protobuf_wire import MOST_FIELDS, WireError, messages
from serve_runtime.errors import ArtifactError

if TYPE_CHECKING:
    from serve_runtime.features.encoding import Encoding

_INPUT: Final = {ROWS: "features", COLUMNS: "columns"}
_OFFSET: Final = Value("offset", (1, "batch"))


def nodes(layout: str, *, centered: bool) -> list[Node]:
    """The nodes of a model file, in order; `centered` where a centre is subtracted."""
    if layout == COLUMNS:
        return _scoring(layout, centered, "logit", "probability")
    return [
        *_scoring(layout, centered, "z", "p"),
        Node("Reshape", ("z", "one_column"), "logit"),
        Node("Reshape", ("p", "one_column"), "probability"),
    ]


def write_model(affine: Affine, layout: str, encoding: "Encoding | None" = None) -> bytes:
    """The model file of `affine` in `layout`, which encodes raw columns first where there is an
    `encoding`; card not included.

    Raises ValueError for a table that no file can hold (see encoded_graph).
    """
    if encoding is not None:
        # Not for models of plain numbers, whose start it would lengthen by 0.7 ms.
        from serve_runtime.bundle.graph.encoded import encoded_graph

        return write_onnx(_name(layout), *encoded_graph(affine, encoding, layout))
    rows, constants = layout == ROWS, _constants(affine, layout)
    shape: Shape = ("batch", 1) if rows else (1, "batch")
    if rows:
        constants["one_column"] = np.array([-1, 1], np.int64)
    return write_onnx(
        _name(layout),
        nodes(layout, centered=affine.center is not None),
        constants,
        [_input(affine, layout)],
        [Value("logit", shape), Value("probability", shape)],
    )


def write_graph(affine: Affine, layout: str, *, offset: bool = False) -> bytes:
    """The model that onnxruntime is given for `affine` in `layout`.

    ROWS: features float32 [batch, d] -> logit, probability float32 [1, batch]: without the two
    Reshape of the file, which cost a small call 0.5 µs and change no bit. COLUMNS: columns
    float32 [d, batch] -> [1, batch], as in the file.

    With `offset`, of COLUMNS, a second input `offset` float32 [1, batch] takes the place of the
    bias: what the levels of each row add up to (serve_runtime/features/encoding.py). Where there
    are no columns, d = 0, it is the only input, and is the logit.
    """
    centered, width = affine.center is not None, len(affine.weight)
    if width:
        added = "offset" if offset else "bias"
        nodes = _scoring(layout, centered, "logit", "probability", added)
    else:
        nodes = [Node("Identity", ("offset",), "logit"), *sigmoid("logit", "probability")]
    used = {name for node in nodes for name in node.inputs}
    return write_onnx(
        _name(layout),
        nodes,
        {name: value for name, value in _constants(affine, layout).items() if name in used},
        [*([_input(affine, layout)] if width else []), *([_OFFSET] if offset else [])],
        [Value("logit", (1, "batch")), Value("probability", (1, "batch"))],
    )


def write_linear(affine: Affine, *, offset: bool = False) -> bytes:
    """`write_graph` of columns up to the logit, for an affine function without a centre."""
    added = "offset" if offset else "bias"
    gemm = _scoring(COLUMNS, False, "logit", "probability", added)[0]
    constants = {
        name: values for name, values in _constants(affine, COLUMNS).items() if name in gemm.inputs
    }
    inputs = [_input(affine, COLUMNS), *([_OFFSET] if offset else [])]
    return write_onnx("linear", [gemm], constants, inputs, [Value("logit", (1, "batch"))])


def write_sigmoid() -> bytes:
    """The nodes of the sigmoid alone: logit float32 [batch] -> probability float32 [batch]."""
    return write_onnx(
        "sigmoid",
        sigmoid("logit", "probability"),
        sigmoid_constants(rank=1),
        [Value("logit", ("batch",))],
        [Value("probability", ("batch",))],
    )


def read_graph(content: bytes, where: str) -> tuple[str, Affine]:
    """Layout and constants of a model file without its card, proven to hold nothing else.

    `where` names the file in messages. Raises ArtifactError, which says what was found and what
    is accepted, unless `content` is what `write_model` writes.
    """
    with whole_file(where):
        layout, affine = _read_constants(content, where)
        require_same(content, write_model(affine, layout), where)
    for name, values in _constants(affine, layout).items():
        finite = np.isfinite(values.reshape(-1))
        if not finite.all():
            refuse(where, "graph", f"value {finite.argmin()} of {name} is not finite")
    return layout, affine


@contextmanager
def whole_file(where: str) -> Iterator[None]:
    """Raise ArtifactError where the file `where` turns out to be truncated."""
    try:
        yield
    except WireError as reason:
        raise ArtifactError(
            f"{where} is not a whole ONNX file: it was truncated or altered ({reason})"
        ) from None


def require_same(content: bytes, made: bytes, where: str, *, encoded: bool = False) -> None:
    """Raise ArtifactError, saying where they differ, unless `content` is what was `made` anew."""
    if content != made:
        from serve_runtime.bundle.onnx_difference import (
            difference,  # a file of ours has no need of it
        )

        refuse(where, *difference(content, made), encoded=encoded)


def read_parts(
    content: bytes, where: str, most: int = MOST_FIELDS
) -> tuple[str, memoryview, dict[str, memoryview]]:
    """Layout, graph and initializers by name of a file, whose graph has at most `most` fields."""
    graphs = messages(content, 7)
    if len(graphs) != 1:
        refuse(where, "graph", f"there are {len(graphs)} graphs, not 1")
    raw: dict[str, memoryview] = {}
    for tensor in messages(graphs[0], 5, most):
        for name, data in zip(messages(tensor, 8), messages(tensor, 9), strict=False):
            raw.setdefault(bytes(name).decode(errors="replace"), data)
    names = messages(graphs[0], 2, most)
    return COLUMNS if names == [_name(COLUMNS).encode()] else ROWS, graphs[0], raw


def _read_constants(content: bytes, where: str) -> tuple[str, Affine]:
    """The layout and the constants that `content` would have, were it ours and numeric."""
    layout, _, raw = read_parts(content, where)

    def floats(name: str, count: int) -> Float32:
        data = raw.get(name, b"")
        if len(data) != 4 * count:
            refuse(where, "graph", f"{name} has {len(data)} bytes of raw_data, not {4 * count}")
        return np.frombuffer(data, "<f4").astype(np.float32, copy=False)

    width = max(1, len(raw.get("weight", b"")) // 4)
    center = floats("center", width) if "center" in raw else None
    return layout, Affine(floats("weight", width), float_of(floats("bias", 1)), center)


def refuse(where: str, field: str, problem: str, *, encoded: bool = False) -> NoReturn:
    """Raise ArtifactError for a file that export did not write; `encoded` as its card says."""
    if encoded:
        operators = f"operators of ONNX itself and {' and '.join(ML_OPERATORS)} of {ML}"
    else:
        names = dict.fromkeys(node.operator for node in nodes(ROWS, centered=True))
        operators = f"operators {', '.join(names)} of ONNX itself"
    raise ArtifactError(
        f"{where} holds another {field} than export writes: {problem}. Accepted is a file that "
        f"`python -m export bundle` wrote, as it wrote it ({operators}, all "
        "constants inside). To make it anew: python -m export bundle RUN BUNDLE --force"
    )


def _input(affine: Affine, layout: str) -> Value:
    sizes = "batch", len(affine.weight)
    return Value(_INPUT[layout], sizes if layout == ROWS else sizes[::-1])


def _name(layout: str) -> str:
    return f"logistic_regression_{layout}"


def _scoring(
    layout: str, centered: bool, logit: str, probability: str, added: str = "bias"
) -> list[Node]:
    features = _INPUT[layout]
    subtract = [Node("Sub", (features, "center"), "centered")] if centered else []
    multiplied = "centered" if centered else features
    return [
        *subtract,
        Node("Gemm", ("weight", multiplied, added), logit, {"transB": int(layout == ROWS)}),
        *sigmoid(logit, probability),
    ]


def _constants(affine: Affine, layout: str) -> dict[str, Array]:
    """By name, in the order of the file, each in the shape that its node takes."""
    constants = {
        "weight": affine.weight.reshape(1, -1),
        "bias": float32_of(affine.bias),
        **sigmoid_constants(rank=2),
    }
    if affine.center is not None:
        constants["center"] = affine.center.reshape((1, -1) if layout == ROWS else (-1, 1))
    return constants
