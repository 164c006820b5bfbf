"""The graph of an ONNX file: its nodes with the shapes of what they give, and a drawing of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from markupsafe import Markup
from onnx import TensorProto

from export.formats.onnxruntime_scorer import session
from report.figures.graph.boxes import DATA, RESULT, STEP, Box, draw

_TYPES: Final[Mapping[int, tuple[npt.DTypeLike, str]]] = {
    TensorProto.FLOAT: (np.float32, ""),
    TensorProto.DOUBLE: (np.float64, "float64 "),
    TensorProto.STRING: (object, "texts "),
}


@dataclass(frozen=True)
class Tensor:
    """A value of the graph."""

    name: str
    shape: str
    """Such as "n × 6", for n rows."""


@dataclass(frozen=True)
class Node:
    """An operation of the graph."""

    operator: str
    reads: tuple[str, ...]
    """Inputs of the graph, and what other nodes give."""
    constants: tuple[Tensor, ...]
    """What it reads that is in the file."""
    gives: Tensor


@dataclass(frozen=True)
class OnnxGraph:
    """What an ONNX file computes."""

    inputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Tensor, ...]

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators in the order in which they first occur."""
        return tuple(dict.fromkeys(node.operator for node in self.nodes))


def read_graph(content: bytes) -> OnnxGraph:
    """The graph of the ONNX file `content`, whose nodes give one tensor each, as export's do.

    The shapes are those that onnxruntime gives for two numbers of rows: what differs is n.
    """
    model = onnx.load_model_from_string(content)
    graph = model.graph
    constants = {
        tensor.name: Tensor(tensor.name, _joined(map(str, tensor.dims)))
        for tensor in graph.initializer
    }
    types = {
        value.name: (_dimensions(value), value.type.tensor_type.elem_type) for value in graph.input
    }
    shapes = _shapes(model, types)
    inputs = tuple(
        Tensor(name, _TYPES[kind][1] + _joined(dimensions))
        for name, (dimensions, kind) in types.items()
    )
    return OnnxGraph(
        inputs,
        tuple(
            Node(
                node.op_type,
                tuple(name for name in node.input if name not in constants),
                tuple(constants[name] for name in node.input if name in constants),
                Tensor(node.output[0], shapes[node.output[0]]),
            )
            for node in graph.node
        ),
        tuple(Tensor(value.name, shapes[value.name]) for value in graph.output),
    )


def draw_graph(key: str, title: str, graph: OnnxGraph) -> Markup:
    """The graph as an SVG element, with one box for nodes that do the same for the same readers.

    `key` is the prefix of its ids.
    """
    made = {node.gives.name: f"node {i}" for i, node in enumerate(graph.nodes)}
    made |= {tensor.name: f"input {i}" for i, tensor in enumerate(graph.inputs)}
    boxes = {
        made[tensor.name]: Box(tensor.name, kind=DATA, flows=tensor.shape)
        for tensor in graph.inputs
    }
    boxes |= {
        made[node.gives.name]: Box(
            node.operator,
            tuple(f"{constant.name} {constant.shape}" for constant in node.constants),
            flows=node.gives.shape,
        )
        for node in graph.nodes
    }
    arrows = [
        (made[name], made[node.gives.name])
        for node in graph.nodes
        for name in dict.fromkeys(node.reads)
    ]
    for tensor in graph.outputs:
        boxes[f"output {tensor.name}"] = Box(tensor.name, (tensor.shape,), RESULT)
        arrows.append((made[tensor.name], f"output {tensor.name}"))
    told = (
        f"{len(graph.nodes):,} nodes from {len(graph.inputs):,} inputs down to "
        f"{' and '.join(tensor.name for tensor in graph.outputs)}: "
        f"{', '.join(graph.operators)}. The table below lists each."
    )
    return draw(key, title, told, *_grouped(boxes, arrows))


def _grouped(
    boxes: dict[str, Box], arrows: Sequence[tuple[str, str]]
) -> tuple[dict[str, Box], list[tuple[str, str]]]:
    """The graph with one box for all that do the same with the same, for the same readers.

    None of them is above another: its reader would read itself. `boxes` are in the order in which
    they are computed.
    """
    does = {
        name: f"{box.kind} {box.flows if box.kind == DATA else box.title}"
        for name, box in boxes.items()
    }
    readers: dict[str, set[str]] = {name: set() for name in boxes}
    reads: dict[str, set[str]] = {name: set() for name in boxes}
    for source, target in arrows:
        readers[source].add(target)
        reads[target].add(does[source])
    joined: dict[str, str] = {}
    groups: dict[tuple[str, frozenset[str], frozenset[str]], list[str]] = {}
    for name in reversed(boxes):
        by = frozenset(joined[reader] for reader in readers[name])
        key = (does[name], frozenset(reads[name]), by)
        groups.setdefault(key, []).insert(0, name)
        joined[name] = groups[key][-1]
    found = {
        name: _joined_box([boxes[member] for member in boxes if joined[member] == name])
        for name in boxes
        if joined[name] == name
    }
    return found, list(dict.fromkeys((joined[source], joined[target]) for source, target in arrows))


def _joined_box(members: Sequence[Box]) -> Box:
    first, *others = members
    if not others:
        return first
    if first.kind == DATA:
        names = [box.title for box in members]
        lines = names if len(names) <= 3 else [*names[:2], f"… {names[-1]}"]
        return Box(f"{len(members):,} inputs", (*lines, f"each {first.flows}"), DATA)
    lines = list(first.lines)
    if others[-1].lines != first.lines:
        lines = [f"{line} …" for line in lines]
    return Box(f"{first.title} × {len(members):,}", tuple(lines), STEP, f"each {first.flows}")


def _dimensions(value: onnx.ValueInfoProto) -> list[str]:
    return [
        str(dimension.dim_value) if dimension.HasField("dim_value") else "n"
        for dimension in value.type.tensor_type.shape.dim
    ]


def _joined(dimensions: Any) -> str:
    return " × ".join(f"{int(d):,}" if d.isdigit() else d for d in dimensions) or "1"


def _shapes(model: onnx.ModelProto, types: Mapping[str, tuple[list[str], int]]) -> dict[str, str]:
    """The shape of what each node gives, by name."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    outputs = [node.output[0] for node in model.graph.node]
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    run = session(whole.SerializeToString(), optimize=False).run
    found: list[list[tuple[int, ...]]] = []
    for rows in (2, 3):
        feed = {
            name: np.full(
                [rows if size == "n" else int(size) for size in dimensions],
                "" if kind == TensorProto.STRING else 0,
                _TYPES[kind][0],
            )
            for name, (dimensions, kind) in types.items()
        }
        found.append([values.shape for values in run(None, feed)])
    return {
        name: _joined(str(a) if a == b else "n" for a, b in zip(two, three, strict=True))
        for name, two, three in zip(outputs, *found, strict=True)
    }
