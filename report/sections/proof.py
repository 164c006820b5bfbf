"""The proof of the bundle, out of its certificate, and the sigmoid tried on this machine."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import onnxruntime
from markupsafe import Markup

from export import folding
from export.certificate import scorer_figures
from export.errors import BundleError
from export.parity.figures import RANGES, Figures, Measured
from export.parity.tables import of_budget, ulp
from export.proof import DataBounds, data_bounds
from export.publish import versions
from export.sigmoid.kernels import KERNELS
from report.figures.proof import PER_SIDE, largest_errors, shares, sigmoids
from report.page import render
from report.powers import scientific
from report.section import Section
from report.source import BundleParts, Source
from serve_runtime.error_budgets import LOWEST_LOGIT

_TITLE: Final = "May you trust the files?"
_DEPLOYED: Final = ("model.", "onnxruntime", "Predictor")
"""How the names of scorers begin that are what a bundle is for; the others are references."""


class Range(NamedTuple):
    """A line of the table by range of the exact logit."""

    name: str
    rows: int
    logit: str
    probability: str
    sigmoid: str


def section(source: Source) -> Section | None:
    """What was proven of the bundle; None where there is none."""
    bundle = source.bundle
    if bundle is None:
        return None
    problem = bundle.problem
    try:
        found = scorer_figures(bundle.certificate)
        contracts, proven_with = _stated(bundle, "contracts", int), _stated(bundle, "versions", str)
        bounds = _bounds(source)
    except BundleError as reason:
        return Section("proof", _TITLE, render("no_proof.html.j2", problem=problem or str(reason)))
    used = {name: (m.overall.logit.share, m.overall.probability.share) for name, m in found.items()}
    picture, ours, theirs = _sigmoids()
    body = render(
        "proof.html.j2",
        problem=problem,
        scorers=len(found),
        rows=max(measured.overall.rows for measured in found.values()),
        worst=of_budget(max(max(pair) for pair in used.values())),
        inside=all(max(pair) <= 1 for pair in used.values()),
        bounds=bounds,
        within=scientific(bounds.probability),
        shares=shares("proof-shares", used),
        ranges=list(_ranges(found)),
        contracts=contracts,
        picture=picture,
        ours=ours,
        theirs=theirs,
        tried=2 * PER_SIDE + 1,
        lowest=LOWEST_LOGIT,
        machine=f"{platform.system()} on {platform.machine()}",
        onnxruntime=onnxruntime.__version__,
        versions=_versions(proven_with),
    )
    return Section("proof", _TITLE, body)


def _stated(bundle: BundleParts, what: str, kind: type) -> dict[str, Any]:
    """A mapping of the certificate with values of this kind. Raises BundleError for another one."""
    found = bundle.certificate.get(what)
    if not isinstance(found, Mapping) or not all(type(v) is kind for v in found.values()):
        raise BundleError(f"the certificate's {what} cannot be read")
    return dict(found)


def _bounds(source: Source) -> DataBounds:
    """What float32 promises on the rows that the run has kept of its data."""
    assert source.bundle is not None
    form = source.bundle.certificate.get("form")
    if form not in (folding.FOLDED, folding.SUBTRACT_FIRST):
        raise BundleError("the certificate's form cannot be read")
    return data_bounds(source.card, folding.model_of(source.trained, form), source.sample)


def _ranges(found: Mapping[str, Measured]) -> Iterator[Range]:
    """The worst of what is deployed in each range of the exact logit that has rows."""
    deployed = [m.buckets for name, m in found.items() if name.startswith(_DEPLOYED)]
    for label in RANGES:
        figures = [buckets[label] for buckets in deployed if label in buckets]
        if figures:
            yield _range(label, figures)


def _range(label: str, figures: Sequence[Figures]) -> Range:
    name, judged = "any, with a bound of 1 or more", True
    if label.startswith("["):
        judged = float(label.strip("[)").split(", ")[1]) > LOWEST_LOGIT
        low, high = label.strip("[)").replace("-", "−").replace("inf", "∞").split(", ")
        name = f"below {high}" if low == "−∞" else f"{low} to {high}"
        name = f"from {low} up" if high == "∞" else name
    return Range(
        name,
        max(f.rows for f in figures),
        of_budget(max(f.logit.share for f in figures)),
        of_budget(max(f.probability.share for f in figures)),
        ulp(max(f.kernel_ulp for f in figures)) if judged else "–",
    )


def _sigmoids() -> tuple[Markup, str, str]:
    """The picture of the exported sigmoid beside ONNX's own, and the worst of each, from
    LOWEST_LOGIT up."""
    errors = {
        name: largest_errors(KERNELS[kernel]())
        for name, kernel in (("this bundle's", "exported"), ("ONNX's own Sigmoid", "onnx-sigmoid"))
    }
    first = len(errors["this bundle's"]) // 2 + int(LOWEST_LOGIT)
    ours, theirs = (_steps(float(found[first:].max())) for found in errors.values())
    said = (
        f"From a logit of {LOWEST_LOGIT:g} up the probabilities of this bundle are within {ours} "
        f"steps of float32 of the exact ones, those of ONNX's own Sigmoid within {theirs}."
    )
    return sigmoids("proof-sigmoid", errors, said), ours, theirs


def _steps(distance: float) -> str:
    """A distance in ULP, with all its zeros where it is large."""
    return ulp(distance) if distance < 1000 else f"{float(f'{distance:.2g}'):,.0f}"


def _versions(proven_with: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Each library with the version that the proof ran with, and that of this page."""
    here = versions()
    return [(name, proven_with[name], here.get(name, "–")) for name in sorted(proven_with)]
