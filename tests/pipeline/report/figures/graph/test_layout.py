"""Boxes of a graph stand in layers, beside each other, below what they read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.figures.graph.layout import GAP, Layout, Room, layout

WIDE = Room(20, 20)


def row_of(found: Layout) -> dict[object, int]:
    return {key: i for i, layer in enumerate(found.layers) for key in layer}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, Room], list[tuple[str, str]]]:
    sizes = st.floats(5, 60)
    count = draw(st.integers(1, 14))
    rooms = {f"b{i}": Room(draw(sizes), draw(sizes)) for i in range(count)}
    pairs = [(f"b{i}", f"b{j}") for i in range(count) for j in range(i + 1, count)]
    return rooms, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []


@given(graphs())
def test_arrows_go_down_and_nothing_overlaps(
    graph: tuple[dict[str, Room], list[tuple[str, str]]],
) -> None:
    rooms, arrows = graph
    found = layout(rooms, arrows, 200)
    row = row_of(found)
    assert {key for layer in found.layers for key in layer if isinstance(key, str)} == {*rooms}
    assert all(row[source] < row[target] for source, target in arrows)
    assert all(row[target] == row[source] + 1 for source, target in found.links)
    for layer in found.layers:
        for one, other in pairwise(layer):
            ends = found.center[one] + rooms.get(str(one), Room(0, 0)).right
            starts = found.center[other] - rooms.get(str(other), Room(0, 0)).left
            assert starts - ends >= GAP - 1e-6
        boxes = [rooms[key] for key in layer if isinstance(key, str)]
        taken = sum(map(sum, boxes)) + GAP * (len(boxes) - 1)
        assert len(boxes) <= 1 or taken <= 200 + 1e-6
    for name, room in rooms.items():
        assert found.center[name] - room.left >= -1e-6
        assert found.center[name] + room.right <= found.width + 1e-6


@given(graphs())
def test_every_arrow_is_a_way_along_the_links(
    graph: tuple[dict[str, Room], list[tuple[str, str]]],
) -> None:
    rooms, arrows = graph
    found = layout(rooms, arrows, 200)
    below: dict[object, list[object]] = {}
    for source, target in found.links:
        below.setdefault(source, []).append(target)
    drawn = set()
    for name in rooms:
        reached, rest = set(), [*below.get(name, [])]
        while rest:
            key = rest.pop()
            if isinstance(key, str):
                reached.add(key)
            else:
                assert key[0] == name  # the line is of this box alone
                rest += below.get(key, [])
        drawn |= {(name, target) for target in reached}
    assert drawn == set(arrows)


def test_a_chain_is_straight() -> None:
    found = layout(dict.fromkeys("abc", WIDE), [("a", "b"), ("b", "c")], 300)
    assert found.layers == [["a"], ["b"], ["c"]]
    assert len({*found.center.values()}) == 1


def test_what_is_read_stands_above_its_reader() -> None:
    found = layout(dict.fromkeys("abcd", WIDE), [("a", "b"), ("b", "c"), ("d", "c")], 300)
    row = row_of(found)
    assert row["d"] == row["b"] == row["c"] - 1


def test_a_full_layer_goes_on_above() -> None:
    names = [f"s{i}" for i in range(5)]
    found = layout(dict.fromkeys([*names, "t"], WIDE), [(name, "t") for name in names], 100)
    assert [sum(isinstance(key, str) for key in layer) for layer in found.layers] == [1, 2, 2, 1]


def test_crossings_are_undone() -> None:
    arrows = [("a", "y"), ("b", "x"), ("x", "z"), ("y", "z")]
    found = layout(dict.fromkeys("abxyz", WIDE), arrows, 300)
    (a, b), (x, y) = found.layers[0], found.layers[1]
    assert ((a, b) == ("a", "b") and (x, y) == ("y", "x")) or (a, b, x, y) == ("b", "a", "x", "y")


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="the graph has a cycle"):
        layout(dict.fromkeys("ab", WIDE), [("a", "b"), ("b", "a")], 300)
