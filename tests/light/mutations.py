"""Mutations of files, seeded: damage as disks do it, and edits that know the format."""

import itertools
import json
import random

from serve_runtime.bundle import protobuf_wire as wire

ODD_VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**300, 1e-40, 1e308, -0.0, 0.5, "", "x", "\0"),
    *("\x1b[31m", "\ud800", "x" * 10_000, [], {}, [[]], [0], {"a": 1}, ["x1", "x1"], "NaN"),
)
_ODD_TEXTS = (
    *(
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 5000,
        b"[" * 200,
        b'{"a":' * 200,
        b'"\\ud800"',
        b"null",
    ),
    *(b"-0", b"0x1F", b"\xff", b"\0", b'"', b",", b"}", b"]" * 3),
)


def damaged(rng, content):
    """`content` with one to three flips, cuts, copies, moves or odd texts."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(found) + 1)
        to = min(len(found), at + rng.choice((1, 2, 8, 100)))
        kind = rng.randrange(7)
        if kind == 0 and found:
            found[at % len(found)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            del found[at:to]
        elif kind == 3:
            found[at:at] = found[at:to] * rng.choice((1, 2, 50))
        elif kind == 4:
            source = rng.randrange(len(found) + 1)
            found[at:to] = found[source : source + rng.choice((1, 4, 64))]
        elif kind == 5:
            found[at:to] = rng.choice(_ODD_TEXTS)
        else:
            found[at:to] = rng.randbytes(to - at)
    return bytes(found)


def edited(rng, document):
    """The JSON `document` with one to three values anywhere in it changed, added or removed."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = document
        while isinstance(place, dict | list) and place:
            key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
            inner = place[key]
            if not (isinstance(inner, dict | list) and inner) or rng.random() < 0.3:
                _edit(rng, place, key)
                break
            place = inner
    return document


def _edit(rng, place, key):
    kind = rng.randrange(4)
    if kind == 0:
        del place[key]
    elif kind == 1 and isinstance(place, dict):
        place[rng.choice(("extra", "x" * 300, "\x1b", "features", "rows"))] = place[key]
    elif kind == 2 and isinstance(place[key], int | float):
        place[key] = rng.choice((-1, 0, 2, 0.5, 1e30)) * min(max(place[key], -1e9), 1e9)
    else:
        place[key] = rng.choice(ODD_VALUES)


def refielded(rng, message, depth=4):
    """A protobuf message with a field that is dropped, doubled, moved or changed."""
    try:
        found = list(wire.fields(message))
    except wire.WireError:
        return damaged(rng, message)
    if not found:
        return message + wire.field(rng.randrange(1, 30), b"x")
    starts = [0, *(stop for _, _, stop in found)]
    parts = [bytes(message[start:stop]) for start, stop in itertools.pairwise(starts)]
    at, kind = rng.randrange(len(parts)), rng.randrange(6)
    number, value, _ = found[at]
    if depth and isinstance(value, memoryview) and rng.random() < 0.7:
        parts[at] = wire.field(number, refielded(rng, bytes(value), depth - 1))
    elif kind == 0:
        del parts[at]
    elif kind == 1:
        parts.insert(rng.randrange(len(parts) + 1), parts[at])
    elif kind == 2:
        other = rng.randrange(len(parts))
        parts[at], parts[other] = parts[other], parts[at]
    elif kind == 3:
        value = value if isinstance(value, int) else bytes(value)
        parts[at] = wire.field(rng.randrange(1, 30), value)
    elif isinstance(value, int):
        parts[at] = rng.choice((wire.field(number, rng.randrange(99)), damaged(rng, parts[at])))
    else:
        parts[at] = wire.field(number, damaged(rng, value))
    return b"".join(parts)


def each(seed, count):
    """A generator of random numbers for each case: its number alone makes a case again."""
    for number in range(count):
        yield number, random.Random(f"{seed}/{number}")
