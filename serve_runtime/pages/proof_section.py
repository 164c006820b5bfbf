"""The part of the page that tells what was proven of a bundle."""

from collections.abc import Mapping
from typing import Any

from serve_runtime.pages.drawings import share_bar
from serve_runtime.pages.html import facts, number, shown, table

_LOGIT, _PROBABILITY, _KERNEL = (
    "logit share of budget", "probability share of budget", "sigmoid ulp",
)  # fmt: skip


def proof_section(certificate: Mapping[str, Any] | None) -> str:
    """The verdict, the share of the error budget that each scorer used, contracts and versions."""
    if certificate is None:
        return ""
    names = [name for name in _list(certificate.get("figures")) if isinstance(name, str)]
    rows = []
    for scorer, found in _items(certificate.get("subjects")):
        overall = _list(dict(_items(found)).get("overall"))
        figures = dict(zip(names, overall, strict=False))
        share, kernel = figures.get(_LOGIT), figures.get(_KERNEL)
        if not isinstance(share, float | int):
            continue
        probability = figures.get(_PROBABILITY)
        rows.append([
            shown(scorer), share_bar(float(share)), f"{share:.1%}", _percent(probability),
            _number(kernel), _number(figures.get("rows")),
        ])  # fmt: skip
    heads = ["scored with", "share of the error budget", "logit", "probability",
             "sigmoid, ULP", "rows"]  # fmt: skip
    found = (
        f"<p><strong>{shown(certificate.get('verdict', ''), 200)}</strong>, when it was exported. "
        "The budget is what float32 arithmetic can be off by, derived, not chosen; 100 % would "
        "have stopped the export. <code>serve-runtime selftest</code> tries it on this machine."
        "</p>\n"
    )
    found += table("The largest share of the error budget", heads, rows, numbers=(2, 3, 4, 5))
    contracts = [[shown(n, 120), _number(v)] for n, v in _items(certificate.get("contracts"))]
    if contracts:
        found += table("What holds besides", ["contract", "rows"], contracts, numbers=(1,))
    versions = _items(certificate.get("versions"))
    if versions:
        found += "<h3>Proven with</h3>\n"
        found += facts((shown(name), shown(version)) for name, version in versions)
    return found


def _items(value: object) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _percent(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, float | int) else ""


def _number(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**18 else shown(value)
    return number(value) if isinstance(value, float) else ""
