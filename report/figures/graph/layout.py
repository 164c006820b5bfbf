"""Where the boxes of a directed graph without cycles stand: in layers, as Sugiyama does it.

Sugiyama, Tagawa, Toda 1981, Methods for Visual Understanding of Hierarchical System Structures:
layers, then the order in each by the barycentre of the neighbours, then the places. A layer takes
no more boxes than fit beside each other (Coffman and Graham 1972), and a box stands as low as it
can, so that what is read stands near its reader. All arrows that leave a box share one line through
the layers between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Final, NamedTuple

GAP: Final = 8.0
"""Between two boxes of a layer."""
_SWEEPS: Final = 24
"""Times that the order is improved, and then the places; few graphs change after a dozen."""

Key = str | tuple[str, int]
"""A box, or the line that leaves a box where it goes through a layer."""


class Room(NamedTuple):
    """What a box takes to both sides of its middle."""

    left: float
    right: float


_LINE: Final = Room(2.0, 2.0)
"""Of a line that goes through a layer."""


@dataclass(frozen=True)
class Layout:
    """Where everything stands."""

    layers: Sequence[Sequence[Key]]
    """From top to bottom, each from left to right."""
    center: Mapping[Key, float]
    """The middle of each, from the left margin."""
    links: Sequence[tuple[Key, Key]]
    """What is drawn between neighbouring layers."""
    width: float


def layout(rooms: Mapping[str, Room], arrows: Sequence[tuple[str, str]], most: float) -> Layout:
    """The places of boxes that take these `rooms`, of which each of `arrows` leads from one down to
    another, in layers of at most the width `most` where the boxes alone allow it.

    The same graph has the same layout. Raises ValueError for a cycle.
    """
    level = _levels(rooms, arrows, most)
    bottom = max(level.values(), default=0)
    layers: list[list[Key]] = [[] for _ in range(bottom + 1)]
    for name in rooms:
        layers[bottom - level[name]].append(name)
    links: dict[tuple[Key, Key], None] = {}
    for source in rooms:
        targets = [target for start, target in arrows if start == source]
        last: Key = source
        lowest = min((level[target] for target in targets), default=level[source])
        for height in range(level[source] - 1, lowest - 1, -1):
            for target in targets:
                if level[target] == height:
                    links[last, target] = None
            if any(level[target] < height for target in targets):
                line = (source, height)
                layers[bottom - height].append(line)
                links[last, line] = None
                last = line
    layers = _ordered(layers, list(links))
    center = _centers(layers, list(links), rooms)
    left = min((center[key] - _room(key, rooms).left for key in center), default=0)
    right = max((center[key] + _room(key, rooms).right for key in center), default=0)
    width = max(most, right - left)
    shift = (width - right + left) / 2 - left
    return Layout(layers, {key: x + shift for key, x in center.items()}, list(links), width)


def _room(key: Key, rooms: Mapping[str, Room]) -> Room:
    return rooms[key] if isinstance(key, str) else _LINE


def _levels(
    rooms: Mapping[str, Room], arrows: Sequence[tuple[str, str]], most: float
) -> dict[str, int]:
    """How many layers are below each box."""
    below: dict[str, set[str]] = {name: set() for name in rooms}
    for source, target in arrows:
        below[source].add(target)
    level: dict[str, int] = {}
    taken: dict[int, float] = {}
    depth = _depths(below)
    for name in sorted(rooms, key=depth.__getitem__):
        height = max((level[target] + 1 for target in below[name]), default=0)
        while taken.get(height, 0) and taken[height] + GAP + sum(rooms[name]) > most:
            height += 1
        taken[height] = taken.get(height, -GAP) + GAP + sum(rooms[name])
        level[name] = height
    return level


def _depths(below: Mapping[str, set[str]]) -> dict[str, int]:
    """The most arrows from each box down to one that none leaves."""
    depth: dict[str, int] = {}
    while len(depth) < len(below):
        ready = [n for n in below if n not in depth and all(t in depth for t in below[n])]
        if not ready:
            raise ValueError("the graph has a cycle")
        depth |= {n: max((depth[t] + 1 for t in below[n]), default=0) for n in ready}
    return depth


def _ordered(layers: list[list[Key]], links: Sequence[tuple[Key, Key]]) -> list[list[Key]]:
    """The layers in the order with the fewest crossings that was found."""
    up, down = _neighbours(links)
    best, fewest = layers, _crossings(layers, down)
    for sweep in range(_SWEEPS):
        order = [list(layer) for layer in layers]
        near = up if sweep % 2 else down
        steps = range(1, len(order)) if sweep % 2 else range(len(order) - 2, -1, -1)
        for i in steps:
            fixed = {key: j for j, key in enumerate(order[i - 1 if sweep % 2 else i + 1])}
            own = {key: j for j, key in enumerate(order[i])}
            middle = {
                key: fmean([fixed[n] for n in near[key]]) if near.get(key) else float(own[key])
                for key in order[i]
            }
            order[i].sort(key=lambda key: (middle[key], own[key]))
        layers = order
        crossings = _crossings(layers, down)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _neighbours(
    links: Sequence[tuple[Key, Key]],
) -> tuple[dict[Key, list[Key]], dict[Key, list[Key]]]:
    up: dict[Key, list[Key]] = {}
    down: dict[Key, list[Key]] = {}
    for source, target in links:
        up.setdefault(target, []).append(source)
        down.setdefault(source, []).append(target)
    return up, down


def _crossings(layers: Sequence[Sequence[Key]], down: Mapping[Key, Sequence[Key]]) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        place = {key: i for i, key in enumerate(lower)}
        ends = [sorted(place[n] for n in down.get(key, ())) for key in upper]
        flat = [end for targets in ends for end in targets]
        total += sum(flat[i] > flat[j] for i in range(len(flat)) for j in range(i + 1, len(flat)))
    return total


def _centers(
    layers: Sequence[Sequence[Key]], links: Sequence[tuple[Key, Key]], rooms: Mapping[str, Room]
) -> dict[Key, float]:
    """Places near the middle of the neighbours, in which nothing overlaps."""
    up, down = _neighbours(links)
    center: dict[Key, float] = {}
    for layer in layers:
        offsets = _offsets(layer, rooms)
        middle = offsets[-1] / 2 if offsets else 0
        center |= {key: x - middle for key, x in zip(layer, offsets, strict=True)}
    for sweep in range(_SWEEPS):
        near = (up, down)[sweep % 2]
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = [
                fmean([center[n] for n in near[key]]) if near.get(key) else center[key]
                for key in layer
            ]
            center |= dict(zip(layer, _apart(wanted, _offsets(layer, rooms)), strict=True))
    return center


def _offsets(layer: Sequence[Key], rooms: Mapping[str, Room]) -> list[float]:
    """How far each is at least to the right of the first."""
    found, x = [], 0.0
    for i, key in enumerate(layer):
        if i:
            x += _room(layer[i - 1], rooms).right + GAP + _room(key, rooms).left
        found.append(x)
    return found


def _apart(wanted: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """The places nearest to `wanted`, by least squares, that are at least as far apart as `offsets`
    are: what neighbours that would overlap want is averaged (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        value, count = want - offset, 1
        while pools and pools[-1][0] > value:
            before, many = pools.pop()
            value = (before * many + value * count) / (many + count)
            count += many
        pools.append((value, count))
    flat = [value for value, count in pools for _ in range(count)]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]
