"""Tables of the figures of a proof, for a terminal and for the docs."""

from collections.abc import Iterator, Mapping, Sequence

from export.parity.figures import RANGES, Figures, Parity
from export.text_table import TextTable

_COLUMNS = ("rows", "logit error", "of budget", "prob. error", "of budget", "sigmoid ULP")


def overview(parity: Parity) -> TextTable:
    """The largest errors on any row: a line for each scorer, or for a group that never differs."""
    return TextTable(
        ("scored by", *_COLUMNS),
        [(_called(names), *_cells(parity.scorers[names[0]].overall)) for names in _alike(parity)],
    )


def by_logit(parity: Parity, names: Sequence[str]) -> TextTable:
    """The largest errors of all the named scorers, a line for each range of the exact logit."""
    chosen = [parity.scorers[name].buckets for name in names]
    heading = ("exact logit in", "rows", "logit absolute", "relative", "ULP", "of budget",
               "prob. absolute", "relative", "ULP", "of budget", "sigmoid ULP")  # fmt: skip
    rows = []
    for label in RANGES:
        found = [buckets[label] for buckets in chosen if label in buckets]
        if found:
            rows.append((label, f"{max(f.rows for f in found):,}", *_worst(found)))
    return TextTable(heading, rows)


def between(parity: Parity) -> TextTable:
    """Every scorer against every other: logits below the diagonal, probabilities above it.

    A cell is the largest difference: of two logits as a share of both their budgets; of two
    probabilities in float32 steps, over the rows whose logit is -87 or more with a bound below 1.
    "=" stands where no row differs.
    """
    groups = _alike(parity)
    names = [group[0] for group in groups]
    rows = []
    for i, name in enumerate(names):
        cells = [f"{i + 1} {_called(groups[i])}"]
        for j, other in enumerate(names):
            if i == j:
                cells.append("·")
                continue
            share, steps = _pair(parity.between, name, other)
            below = j < i
            shown = f"{share:.1%}" if below else f"{steps:,.0f}"
            cells.append(shown if (share if below else steps) else "=")
        rows.append(cells)
    return TextTable(("", *(str(i + 1) for i in range(len(names)))), rows)


def _alike(parity: Parity) -> list[list[str]]:
    """Names of scorers in groups; no scorer ever differs from the first of its group."""
    groups: list[list[str]] = []
    for name, found in parity.scorers.items():
        for group in groups:
            first = parity.scorers[group[0]]
            if found == first and _pair(parity.between, name, group[0]) == (0, 0):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def _called(group: Sequence[str]) -> str:
    return group[0] + (f" (and {len(group) - 1} alike)" if len(group) > 1 else "")


def _pair(
    pairs: Mapping[str, Mapping[str, tuple[float, float]]], one: str, other: str
) -> tuple[float, float]:
    return pairs[one][other] if other in pairs.get(one, {}) else pairs[other][one]


def _cells(f: Figures) -> Iterator[str]:
    yield f"{f.rows:,}"
    yield f"{f.logit.absolute:.3g}"
    yield of_budget(f.logit.share)
    yield f"{f.probability.absolute:.3g}"
    yield of_budget(f.probability.share)
    yield ulp(f.kernel_ulp)


def _worst(found: Sequence[Figures]) -> Iterator[str]:
    for errors in ([f.logit for f in found], [f.probability for f in found]):
        for measure in ("absolute", "relative", "ulp"):
            yield f"{max(getattr(e, measure) for e in errors):.3g}"
        yield of_budget(max(e.share for e in errors))
    yield ulp(max(f.kernel_ulp for f in found))


def of_budget(share: float) -> str:
    """A share of a budget as text: in per cent, or as how many times it was exceeded."""
    return f"{share:.1%}" if share < 10 else f"{share:.3g} ×"


def ulp(distance: float) -> str:
    """A distance in units in the last place as text."""
    return f"{distance:.2f}" if distance < 1000 else f"{distance:.2g}"
