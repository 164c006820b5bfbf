"""The constants of an encoded model, taken out of the graph of its file, which is written anew from
them and compared.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from serve_runtime.arrays import Array, Float32
from serve_runtime.bundle.affine import Affine, float32_of, float_of
from serve_runtime.bundle.graph.curves import PER_SEGMENT, curves_of
from serve_runtime.bundle.graph.encoded import tensor_names
from serve_runtime.bundle.graph.level_keys import code_by_key
from serve_runtime.bundle.onnx_graph import (
    read_parts,
    refuse,
    require_same,
    whole_file,
    write_model,
)
from serve_runtime.bundle.onnx_writer import UNPACKED, attribute
from serve_runtime.bundle.protobuf_wire import field, messages
from serve_runtime.features.column import PRECISE, Column, categories_of, numbers_of
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding
from serve_runtime.shown import quoted

_TREES: Final = b"TreeEnsembleRegressor"


class _GraphError(ValueError):
    """A constant that a graph lacks, has in another size, or that its card rules out."""


def read_encoded_graph(
    content: bytes, where: str, columns: tuple[Column, ...]
) -> tuple[str, Affine, Encoding]:
    """Layout and constants of the file of a model that encodes `columns`, those of its card, proven
    to hold nothing else.

    `where` names the file in messages. Raises ArtifactError, which says what was found and what
    is accepted, unless `content` is what `write_model` writes.
    """
    with whole_file(where):
        # More than the nodes, constants, inputs and outputs together.
        bent = sum(bool(column.knots) for column in columns)
        layout, graph, raw = read_parts(content, where, most := 64 + 4 * len(columns) + 2 * bent)
        try:
            affine, encoding = _read_constants(messages(graph, 1, most), raw, columns)
            require_same(content, write_model(affine, layout, encoding), where, encoded=True)
            _check_values(affine, encoding)
        except _GraphError as reason:
            refuse(where, "graph", str(reason), encoded=True)
    return layout, affine, encoding


def _read_constants(
    nodes: Sequence[memoryview], raw: Mapping[str, memoryview], columns: tuple[Column, ...]
) -> tuple[Affine, Encoding]:
    """The constants that a graph of these nodes and initializers would have, were it ours.

    Raises _GraphError where one is missing, or has another size than the columns say.
    """
    tables = tuple(_table(nodes, i, column) for i, column in enumerate(categories_of(columns)))
    names = tensor_names(columns)
    numbers = numbers_of(columns)
    k, precise = len(numbers), sum(column.kind == PRECISE for column in numbers)

    def values(name: str, count: int, dtype: str = "<f4") -> Array:
        data, size = raw.get(names(name), b""), np.dtype(dtype).itemsize * count
        if len(data) != size:
            raise _GraphError(f"{names(name)} has {len(data)} bytes of raw_data, not {size}")
        return np.frombuffer(data, dtype).astype(dtype[1:], copy=False)

    weight = values("weight", k)
    center = values("center", k) if names("center") in raw else None
    gap = values("gap", k) if names("gap") in raw else np.zeros(k, np.float32)
    affine = Affine(weight, float_of(values("bias", 1)), center)
    knots = [column.knots for column in numbers if column.knots]
    curves = curves_of(_segments(nodes[len(tables) :], knots), knots) if knots else ()
    precise_center = values("precise_center", precise, "<f8")
    return affine, Encoding(columns, values("fill", k), gap, precise_center, tables, curves)


def _table(nodes: Sequence[memoryview], index: int, column: Column) -> Float32:
    """The weights of the codes of a category, out of its LabelEncoder."""
    attributes = messages(nodes[index], 5) if index < len(nodes) else []
    if len(attributes) != 3:
        raise _GraphError(
            f"graph.node[{index}] is no LabelEncoder with three attributes, as the category "
            f"{quoted(column.name)} needs"
        )
    codes = list(code_by_key(column).values())
    table = np.empty(column.codes, np.float32)
    what = quoted(column.name)
    table[:] = _floats(attributes[0], "default_float", np.float32(0), what)
    table[codes] = _floats(attributes[2], "values_floats", np.zeros(len(codes), np.float32), what)
    return table


def _segments(nodes: Sequence[memoryview], knots: Sequence[Sequence[float]]) -> Float32:
    """The weights of the segments of curves with these `knots`, out of a TreeEnsembleRegressor,
    which may be anywhere among the nodes."""
    for node in nodes:
        if messages(node, 4) == [_TREES] and (attributes := messages(node, 5)):
            count = PER_SEGMENT * sum(len(of_curve) + 1 for of_curve in knots)
            like = np.zeros(count, np.float32)
            return _floats(attributes[-1], "target_weights", like, "the bent numbers")
    raise _GraphError("there is no TreeEnsembleRegressor, which bent numbers need")


def _floats(found: memoryview, name: str, like: np.float32 | Float32, what: str) -> Float32:
    """The values of an attribute of `what`, which must be as long as that of `like`."""
    expected = len(attribute(name, like))
    if len(found) != expected:
        raise _GraphError(f"{name} of {what} has {len(found)} bytes, not {expected}")
    values = np.frombuffer(found, UNPACKED, like.size, len(field(1, name)))["value"]
    return values.astype(np.float32)


def _check_values(affine: Affine, encoding: Encoding) -> None:
    """Raise _GraphError unless all constants are finite, but for those of values that the columns
    say are refused, which are NaN."""
    finite: dict[str, Array | None] = {"weight": affine.weight, "bias": float32_of(affine.bias)}
    finite |= {"center": affine.center, "gap": encoding.gap, "precise_center": encoding.center}
    for name, values in finite.items():
        if values is not None and not (good := np.isfinite(values)).all():
            raise _GraphError(f"value {good.argmin()} of {name} is not finite")
    for column, fill in zip(encoding.numbers, encoding.fill, strict=True):
        _check_weight(fill, column.missing == "error", "what stands for missing values", column)
    for number, curve in zip(encoding.bent, encoding.curves, strict=True):
        _check_curve(encoding.numbers[number], curve, affine, number)
    for column, table in zip(encoding.categories, encoding.tables, strict=True):
        _check_table(column, table)


def _check_curve(column: Column, curve: Curve, affine: Affine, number: int) -> None:
    for name, values in {"value": curve.value, "slope": curve.slope}.items():
        if not (good := np.isfinite(values)).all():
            raise _GraphError(
                f"the {name} of {quoted(column.name)} in segment {good.argmin()} is not finite"
            )
    center = 0 if affine.center is None else affine.center[number]
    if affine.weight[number] or center:
        raise _GraphError(
            f"{quoted(column.name)} is bent, but has a weight or a centre besides its curve"
        )


def _check_table(column: Column, table: Float32) -> None:
    missing, rare = column.missing_code, column.rare_code
    refused = np.zeros(column.codes, bool)
    refused[0] = column.unknown == "error"
    refused[missing] = column.missing == "error" or (column.missing == "unknown" and refused[0])
    refused[rare] = refused[0] and not column.rare
    wrong = np.flatnonzero(~np.where(refused, np.isnan(table), np.isfinite(table)))
    if len(wrong):
        code = int(wrong[0])
        further = {0: "unknown levels", missing: "missing values", rare: "rare levels"}
        what = further.get(code) or f"the level {quoted(column.levels[code - 1])}"
        _check_weight(table[code], bool(refused[code]), f"the weight of {what}", column)
    same = [missing] * (column.missing == "unknown") + [rare] * (column.unknown == "rare")
    if any(table[code].tobytes() != table[0].tobytes() for code in same):
        raise _GraphError(
            f"unknown levels of {quoted(column.name)} have another weight than the levels that "
            "they count as"
        )


def _check_weight(value: np.float32, refused: bool, what: str, column: Column) -> None:
    if refused and not np.isnan(value):
        raise _GraphError(
            f"{what} of {quoted(column.name)} is {value}, though its card says that they are "
            "refused"
        )
    if not refused and not np.isfinite(value):
        raise _GraphError(f"{what} of {quoted(column.name)} is not finite")
