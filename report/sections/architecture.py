"""The architecture: the network, what its file holds besides weights, and its ONNX graph."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from export import folding
from export.folding import SUBTRACT_FIRST, Folding
from report.figures.graph.boxes import Box
from report.figures.graph.network import Lane, features, network
from report.figures.graph.onnx_file import OnnxGraph, draw_graph, read_graph
from report.page import render
from report.powers import scientific
from report.section import Section
from report.source import Source
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.features.column import PRECISE, Column
from train.design import Design
from train.trained import Trained

_MOST_NODES: Final = 200
"""Of a table; the rest are counted."""


def section(source: Source) -> Section:
    """What the model computes, from the raw columns to the probability."""
    _, found = folding.choose(source.trained, source.card)
    graphs = _graphs(source)
    rows = graphs.get(ROWS)
    body = render(
        "architecture.html.j2",
        network=_network(source, found),
        numeric=_encoded(source.trained) is None,
        d=len(source.card.columns),
        parameters=_parameters(source.trained),
        folded=list(_folded(source, found)),
        bundle=source.bundle,
        run=source.folder,
        graph=rows and draw_graph("architecture-graph", "The graph of model.onnx", rows),
        nodes=rows.nodes[:_MOST_NODES] if rows else (),
        more=len(rows.nodes) - _MOST_NODES if rows else 0,
        columnar=_differs(graphs) if rows else "",
    )
    return Section("architecture", "What the model computes", body)


def _graphs(source: Source) -> dict[str, OnnxGraph]:
    """The graphs of the bundle by layout; none where its files are not the proven ones."""
    if source.bundle is None or source.bundle.problem:
        return {}
    folder = source.bundle.folder
    return {layout: read_graph(read_bytes(folder / name)) for layout, name in MODEL_FILES.items()}


def _encoded(trained: Trained) -> Design | None:
    """The design of a model that encodes its columns; None of one of plain numbers."""
    design = trained.design
    return None if design is None or design.is_numeric else design


def _network(source: Source, found: Folding) -> Any:
    label = str(source.card.classes[1])
    design, centered = _encoded(source.trained), found.form == SUBTRACT_FIRST
    if design is None:
        lane = [features(source.card.feature_names)]
        width = len(source.card.columns)
        if centered:
            lane.append(Box("− centre", ("typical values",), flows=f"n × {width:,}"))
        return network("architecture-network", [lane], width, answer=label)
    straight = [column for column in design.numbers if not column.knots]
    bent = [column for column in design.numbers if column.knots]
    weighted = [_numbers("Numbers", straight, centered)] if straight else []
    added = []
    if bent:
        segments = sum(len(curve.value) for curve in source.trained.curves)
        curves = Box("Curves", (f"{segments:,} segments",), flows=f"n × {len(bent):,}")
        added.append([*_numbers("Bent", bent, False), curves])
    if design.categories:
        weights = sum(map(len, design.trained_codes))
        count = len(design.categories)
        look_up = Box("Look up", (f"{weights:,} level weights",), flows=f"n × {count:,}")
        names = [column.name for column in design.categories]
        added.append([features(names, "Categories", f"texts n × {count:,}"), look_up])
    return network("architecture-network", weighted, len(straight), added=added, answer=label)


def _numbers(title: str, columns: list[Column], centered: bool) -> Lane:
    """What happens to numbers before they are weighted."""
    shape = f"n × {len(columns):,}"
    lane = [features([column.name for column in columns], title)]
    precise = sum(column.kind == PRECISE for column in columns)
    if precise:
        lane.append(Box("− centre", (f"{precise:,} in float64",), flows=shape))
    if filled := sum(column.missing != "error" for column in columns):
        lane.append(Box("Fill gaps", (f"of {filled:,}",), flows=shape))
    if centered:
        lane.append(Box("− centre", ("in float32",), flows=shape))
    return lane


def _parameters(trained: Trained) -> str:
    """How many numbers training has found, in words."""
    design = _encoded(trained)
    if design is None:
        width = len(trained.weight)
        return f"{width:,} weights and a bias, {width + 1:,} parameters"
    further = sum(basis.width for basis in design.bases.values())
    levels = sum(map(len, design.trained_codes))
    parts = [
        _count(len(design.numbers), "weight of a number", "weights of numbers"),
        _count(len(design.indicators), "of a gap", "of gaps"),
        _count(further, "of a bend", "of bends"),
        _count(levels, "of a level", "of levels"),
    ]
    named = ", ".join(part for part in parts if not part.startswith("0 "))
    return f"{named}, and a bias: {len(trained.weight) + 1:,} parameters"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _folded(source: Source, found: Folding) -> Iterator[tuple[str, str]]:
    """What is in the file although it is no layer of the network: a name and a sentence each."""
    trained, metrics = source.trained, source.metrics
    recipe: Mapping[str, Any] = source.recipe.get("model", {})
    scaling = trained.scaling
    if (scaling.mean != 0).any() or (scaling.scale != 1).any():
        yield "Standardisation", _standardisation(found)
    if design := _encoded(trained):
        yield from _columns(design)
    if recipe.get("class_weight") is not None:
        if recipe.get("prior_correction") is False:
            said = "they are not taken from the bias: probabilities are those of rows that count so"
        else:
            said = (
                "the logarithm of their ratio is taken from the bias again, so that "
                "probabilities are those of the data"
            )
        yield "Class weights", f"The classes counted differently in training; {said}."
    if step := (metrics.get("calibration") or {}).get("step"):
        yield (
            "Calibration",
            f"Platt's step makes each logit {step['slope']:.4g} · logit "
            f"{'−' if step['intercept'] < 0 else '+'} {abs(step['intercept']):.4g}. It is "
            "multiplied into all weights and added to the bias: serving needs no further step.",
        )
    written = found.written
    yield (
        "Rounding",
        "All of this is computed in float64 and rounded to float32 once. Within the training "
        f"ranges that moves a logit by at most {scientific(written.rounding)}; float32 arithmetic "
        f"moves it by at most {scientific(written.arithmetic)}.",
    )


def _standardisation(found: Folding) -> str:
    said = (
        "Training saw (x − mean) / standard deviation of each number. Mean and deviation are "
        "multiplied into weights and bias: the file takes raw values, and nobody has to repeat "
        "the step."
    )
    if found.form == SUBTRACT_FIRST:
        return (
            f"{said} Here the values lie so far from 0 for their spread that {found.share:.1%} of "
            "the folded model's error bound would come from terms that cancel, so the file "
            "subtracts a typical value of each first."
        )
    return said


def _columns(design: Design) -> Iterator[tuple[str, str]]:
    filled = [column for column in design.numbers if column.missing != "error"]
    if filled:
        how = Counter(column.missing for column in filled)
        counts = [f"{count:,} {_FILLS[policy]}" for policy, count in sorted(how.items())]
        yield (
            "Gaps",
            f"A missing number is replaced by a value in the file, of "
            f"{_count(len(filled), 'column', 'columns')}: {'; '.join(counts)}. In all others it "
            "is refused.",
        )
    if categories := design.categories:
        levels = sum(len(column.levels) for column in categories)
        rare = sum(len(column.rare) for column in categories)
        merged = f" {_count(rare, 'rare one is', 'rare ones are')} merged." if rare else ""
        yield (
            "Levels",
            f"Each of the {_count(levels, 'level', 'levels')} of "
            f"{_count(len(categories), 'category', 'categories')} has a weight of its own, around "
            f"the mean of the column's training rows; it is looked up and added to the bias."
            f"{merged} An unknown level "
            + "; ".join(
                f"{_UNKNOWN[policy]} ({count:,})"
                for policy, count in sorted(Counter(c.unknown for c in categories).items())
            )
            + ".",
        )
    if design.bases:
        yield (
            "Bends",
            f"{_count(len(design.bases), 'number adds', 'numbers add')} to the bias what a curve "
            "of straight segments says, in place of a weight times the value; the weight in the "
            "file is 0.",
        )
    if len(design.center):
        yield (
            "Precise numbers",
            f"From {_count(len(design.center), 'number', 'numbers')} that float32 could not hold "
            "a centre is subtracted in float64, before anything is rounded.",
        )


_FILLS: Final = {
    "mean": "by the mean",
    "median": "by the median",
    "indicator": "by the median, with a weight of its own for being missing",
}
_UNKNOWN: Final = {
    "average": "counts as the average training row",
    "rare": "counts as a rare one",
    "error": "is refused",
}


def _differs(graphs: Mapping[str, OnnxGraph]) -> str:
    """In what the columnar file is another."""
    rows, columns = graphs[ROWS], graphs[COLUMNS]
    counts = [Counter(node.operator for node in graph.nodes) for graph in (rows, columns)]
    lacks, adds = (
        ", ".join(f"{name} ({count:,})" for name, count in sorted((a - b).items()))
        for a, b in (counts, reversed(counts))
    )
    first, other = rows.inputs[0], columns.inputs[0]
    given, gives = rows.outputs[0], columns.outputs[0]
    more = f", and adds {adds}" if adds else ""
    return (
        f"computes the same with {len(columns.nodes):,} nodes: it takes {other.name} as "
        f"{other.shape} and gives {gives.shape}, where this one takes {first.name} as "
        f"{first.shape} and gives {given.shape}. It reads columns as Arrow holds them, so it lacks "
        f"{lacks or 'nothing'}{more}."
    )
