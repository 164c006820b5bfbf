"""The graph of a model file that takes raw columns: texts, precise numbers, numbers with gaps.

Inputs, in this order: `numbers`, float32 with NaN where one is missing, if there are any; each
precise number, float64; each category, texts. The last two are called as their columns are; where
a column is called as a tensor of ours is, the tensor of ours gets underscores behind its name.

Columns: numbers [n, batch], each column [1, batch] -> logit, probability [1, batch].
    X = numbers, and Cast(precise - precise_center) below them; where X is NaN, the fill value
    logit = Gemm(weight, X - center, C = ((bias + s₀) + s₁) + … + gap terms + curves)
s is the sum of a group of categories (see features.encoding), each of them what LabelEncoder (of
ai.onnx.ml) finds for a text. A gap term is -0 where the number is there:
adding that changes no value, and no sign of a zero. A curve is (x - origin)·slope + value, a Sub, a
Mul and an Add, for which one TreeEnsembleRegressor (of ai.onnx.ml) finds origin, slope and value of
the segments in which the bent numbers x of X lie; their weights are 0.

Rows: numbers [batch, n], each column [batch, 1] -> [batch, 1]. They become columns by a Transpose,
and then all is as above, so that one row has one score, whatever its layout. The Where for missing
numbers stands between the Transpose and the Gemm: an optimiser may make one node of these two, a
Gemm of rows, which sums in another order. So that it has no cause to move the Transpose behind that
Where, trees, which take rows, get them from a Where of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from serve_runtime.arrays import ROWS, Array
from serve_runtime.bundle.affine import Affine, float32_of
from serve_runtime.bundle.graph.curves import tree_ensemble
from serve_runtime.bundle.graph.level_keys import code_by_key
from serve_runtime.bundle.graph.sigmoid import sigmoid, sigmoid_constants
from serve_runtime.bundle.onnx_writer import (
    DOUBLE,
    FLOAT,
    ML,
    ML_OPERATORS,
    STRING,
    Node,
    Shape,
    Value,
)
from serve_runtime.features.column import CATEGORY, PRECISE, Column
from serve_runtime.features.encoding import Encoding

_SWAPPED: Final[Mapping[str, Any]] = {"perm": [1, 0]}
"""Of a Transpose of two axes."""


class EncodedGraph(NamedTuple):
    """What `write_onnx` writes of an encoded model."""

    nodes: list[Node]
    """First the LabelEncoder of each category, in order."""
    constants: dict[str, Array]
    inputs: list[Value]
    outputs: list[Value]


def encoded_graph(affine: Affine, encoding: Encoding, layout: str) -> EncodedGraph:
    """The graph of `affine` behind `encoding`, in `layout`.

    Raises ValueError where nothing is rare, and yet the weight of rare levels is another than that
    of unknown ones: no key could hold it.
    """
    rows, names = layout == ROWS, tensor_names(encoding.columns)
    builder = _Builder(rows, [], {})
    total = _add_levels(builder, affine, encoding)
    numbers = None
    if len(affine.weight):
        numbers, total = _add_terms(builder, _add_numbers(builder, encoding), total, encoding)
    _add_score(builder, affine, numbers, total)
    return EncodedGraph(
        [
            node._replace(inputs=tuple(map(names, node.inputs)), output=names(node.output))
            for node in builder.nodes
        ],
        {names(name): values for name, values in builder.constants.items()},
        [value._replace(name=names(value.name)) for value in _inputs(encoding, builder)],
        [Value(names(name), builder.shape(1)) for name in ("logit", "probability")],
    )


class _Builder(NamedTuple):
    """Nodes and constants as they are added. Inputs of columns are called "precise 0", "category 0"
    here: no tensor of ours has a blank in its name."""

    rows: bool
    nodes: list[Node]
    constants: dict[str, Array]

    def add(self, output: str, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        domain = ML if operator in ML_OPERATORS else ""
        self.nodes.append(Node(operator, inputs, output, attributes, domain))
        return output

    def constant(self, name: str, values: Array) -> str:
        """Add a constant, and return its name."""
        self.constants[name] = values
        return name

    def along(self, values: Array) -> Array:
        """`values` (m,) as a constant beside inputs of m columns."""
        return values.reshape((1, -1) if self.rows else (-1, 1))

    def shape(self, width: int) -> Shape:
        """The shape of an input or output of `width` columns."""
        return ("batch", width) if self.rows else (width, "batch")


def _inputs(encoding: Encoding, builder: _Builder) -> list[Value]:
    found = []
    if numbers := len(encoding.fill) - len(encoding.center):
        found.append(Value("numbers", builder.shape(numbers)))
    one = builder.shape(1)
    found += [Value(f"precise {i}", one, DOUBLE) for i in range(len(encoding.center))]
    return found + [Value(f"category {i}", one, STRING) for i in range(len(encoding.tables))]


def tensor_names(columns: Sequence[Column]) -> Callable[[str], str]:
    """The name in the file of an input or tensor of the model of these columns."""
    names: dict[str, str] = {}
    for kind in (PRECISE, CATEGORY):
        of_kind = (column.name for column in columns if column.kind == kind)
        names |= {f"{kind} {i}": name for i, name in enumerate(of_kind)}
    taken = set(names.values())

    def name_of(tensor: str) -> str:
        if tensor not in names:
            name = tensor
            while name in taken:
                name += "_"
            names[tensor] = name
        return names[tensor]

    return name_of


def _add_levels(builder: _Builder, affine: Affine, encoding: Encoding) -> str:
    """The bias plus the weights of the levels, one after the other: [1, batch]."""
    levels = []
    for i, (column, table) in enumerate(zip(encoding.categories, encoding.tables, strict=True)):
        unknown, rare = table[0], table[column.rare_code]
        if not column.rare and rare.tobytes() != unknown.tobytes():
            raise ValueError(
                f"category {i} has no rare levels: their weight must be that of unknown ones, "
                f"{unknown}, not {rare}"
            )
        codes = code_by_key(column)
        levels.append(
            builder.add(
                f"level_{i}",
                "LabelEncoder",
                f"category {i}",
                default_float=unknown,
                keys_strings=tuple(codes),
                values_floats=table[list(codes.values())],
            )
        )
    bias = builder.constant("bias", float32_of(affine.bias).reshape(1, 1))
    if not levels:
        return bias
    sums = []
    for i, group in enumerate(encoding.groups):
        of_group = levels[group.start : group.stop]
        several = len(of_group) > 1
        sums.append(builder.add(f"group_{i}", "Sum", *of_group) if several else of_group[0])
    total = builder.add("levels", "Sum", bias, *sums)
    if builder.rows:
        one_row = builder.constant("one_row", np.array([1, -1], np.int64))
        total = builder.add("levels_row", "Reshape", total, one_row)
    return total


def _add_numbers(builder: _Builder, encoding: Encoding) -> str:
    """The k numbers as the layout has them, with NaN where one is missing."""
    parts, axis = [], int(builder.rows)
    if len(encoding.fill) > len(encoding.center):
        parts.append("numbers")
    if precise := len(encoding.center):
        values = "precise 0"
        if precise > 1:
            values = builder.add(
                "precise", "Concat", *(f"precise {i}" for i in range(precise)), axis=axis
            )
        center = builder.constant("precise_center", builder.along(encoding.center))
        values = builder.add("precise_centered", "Sub", values, center)
        parts.append(builder.add("precise_rounded", "Cast", values, to=FLOAT))
    numbers = parts[0]
    if len(parts) > 1:
        numbers = builder.add("numbers_all", "Concat", *parts, axis=axis)
    return numbers


def _add_terms(builder: _Builder, numbers: str, total: str, encoding: Encoding) -> tuple[str, str]:
    """`numbers` as columns [k, batch], with what stands for missing ones, and `total` plus the
    terms of gaps and curves."""
    columns = builder.add("columns", "Transpose", numbers, **_SWAPPED) if builder.rows else numbers
    fill = builder.constant("fill", encoding.fill.reshape(-1, 1))
    missing = builder.add("missing", "IsNaN", columns)
    filled = builder.add("filled", "Where", missing, fill, columns)
    terms = []
    if len(gaps := np.flatnonzero(encoding.gap)):
        gap = builder.constant("gap", encoding.gap.reshape(-1, 1))
        zero = builder.constant("minus_zero", np.full((1, 1), -0.0, np.float32))
        every = builder.add("gaps", "Where", missing, gap, zero)
        terms += [_row(builder, every, "gap", i) for i in gaps.tolist()]
    if encoding.curves:
        every = _add_curves(builder, numbers, filled, encoding)
        terms += [_row(builder, every, "curve", i) for i in range(len(encoding.curves))]
    return filled, builder.add("offset", "Sum", total, *terms) if terms else total


def _row(builder: _Builder, values: str, name: str, index: int) -> str:
    """One row of `values`."""
    at = builder.constant(f"number_{index}", np.array([index], np.int64))
    return builder.add(f"{name}_{index}", "Gather", values, at, axis=0)


def _add_curves(builder: _Builder, numbers: str, filled: str, encoding: Encoding) -> str:
    """What each of the c curves adds, [c, batch], of the `filled` columns of `numbers`."""
    bent, curves = np.array(encoding.bent, np.int64), encoding.curves
    if builder.rows:  # not the transposed columns: see above
        missing = builder.add("missing_rows", "IsNaN", numbers)
        fill = builder.constant("fill_rows", encoding.fill.reshape(1, -1))
        rows = builder.add("filled_rows", "Where", missing, fill, numbers)
    else:
        rows = builder.add("filled_rows", "Transpose", filled, **_SWAPPED)
    trees = tree_ensemble(curves, encoding.bent)
    rows = builder.add("segment_rows", "TreeEnsembleRegressor", rows, **trees)
    segments = builder.add("segments", "Transpose", rows, **_SWAPPED)
    parts = []
    for i, name in enumerate(("value", "slope", "origin")):
        which = np.arange(i * len(curves), (i + 1) * len(curves), dtype=np.int64)
        which_rows = builder.constant(f"{name}_rows", which)
        parts.append(builder.add(f"segment_{name}", "Gather", segments, which_rows, axis=0))
    value, slope, origin = parts
    x = builder.add("bent", "Gather", filled, builder.constant("bent_rows", bent), axis=0)
    distance = builder.add("distance", "Sub", x, origin)
    rise = builder.add("rise", "Mul", distance, slope)
    return builder.add("curves", "Add", rise, value)


def _add_score(builder: _Builder, affine: Affine, numbers: str | None, total: str) -> None:
    """Logit and probability, of `numbers` where there are any."""
    logit, probability = ("z", "p") if builder.rows else ("logit", "probability")
    if numbers is None:
        builder.add(logit, "Identity", total)
    else:
        if affine.center is not None:
            center = builder.constant("center", affine.center.reshape(-1, 1))
            numbers = builder.add("centered", "Sub", numbers, center)
        weight = builder.constant("weight", affine.weight.reshape(1, -1))
        builder.add(logit, "Gemm", weight, numbers, total)
    builder.nodes.extend(sigmoid(logit, probability))
    builder.constants.update(sigmoid_constants(rank=2))
    if builder.rows:
        one_column = builder.constant("one_column", np.array([-1, 1], np.int64))
        builder.add("logit", "Reshape", logit, one_column)
        builder.add("probability", "Reshape", probability, one_column)
