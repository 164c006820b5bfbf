"""parity.json, the certificate: what was proven, of which files, on which rows, with what."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from export.errors import BundleError
from export.folding import FOLDED, SUBTRACT_FIRST, Folding, Form
from export.parity.encoded_model import Rows
from export.parity.figures import Figures, Measured, Parity, figures_of
from export.parity.proof_rows import PROOF_ROWS_VERSION, ProofBatch, digest
from serve_runtime.bundle.manifest import CERTIFICATE_VERSION, read_bytes
from serve_runtime.bundle.sealed_json import seal, unseal
from serve_runtime.errors import CardError
from serve_runtime.features.column import Column
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.shown import listed, quoted
from train.design import Design
from train.standardize import Scaling
from train.trained import Trained

_FIGURES: Final = (
    "rows",
    *(f"{score} {error}" for score in ("logit", "probability")
      for error in ("absolute", "relative", "ulp", "share of budget")),
    "sigmoid ulp",
)  # fmt: skip
"""Names of the numbers in the lists that are stored for each scorer and range of logits."""
VERDICT: Final = "every score is inside its budget, every contract holds"


@dataclass(frozen=True)
class ProofRowsDigest:
    """Which rows a proof was made on."""

    version: int
    """PROOF_ROWS_VERSION of the code that made them."""
    sha256: str
    """Of all their names and values."""
    rows: int
    """How many they are."""

    @classmethod
    def of(cls, batches: Sequence[ProofBatch]) -> "ProofRowsDigest":
        """What identifies `batches`."""
        return cls(PROOF_ROWS_VERSION, digest(batches), sum(len(batch.rows) for batch in batches))


@dataclass(frozen=True)
class Certificate:
    """The part of a certificate that `verify` reads, to compare it with what it finds itself."""

    files: Mapping[str, str]
    """SHA-256 of each model file."""
    form: Form
    """Which graph was written."""
    trained: Trained
    """The model before standardisation was folded into it."""
    proof_rows: ProofRowsDigest
    sample: Rows
    """Training and hold-out rows, k of them; k is 0 in a bundle that was exported without them."""
    contracts: Mapping[str, int]
    """How many rows showed each contract, by the contract's name."""


def write(
    certificate: Certificate,
    parity: Parity,
    folding: Folding,
    versions: Mapping[str, str],
) -> str:
    """The certificate as sealed JSON, with the figures that were found."""
    trained, sample = certificate.trained, certificate.sample
    document = {
        "format_version": CERTIFICATE_VERSION,
        "verdict": VERDICT,
        "files": certificate.files,
        "versions": versions,
        "corpus": asdict(certificate.proof_rows),
        "form": certificate.form,
        "folding": {
            "folded": asdict(folding.folded),
            "subtract_first": asdict(folding.subtract_first),
            "share": folding.share,
        },
        "trained": {
            "weight": _encode(trained.weight, "<f4"),
            "bias": trained.bias,
            "mean": _encode(trained.scaling.mean, "<f8"),
            "scale": _encode(trained.scaling.scale, "<f8"),
            **_design(trained),
        },
        "sampled_rows": _rows(sample),
        "contracts": certificate.contracts,
        "figures": _FIGURES,
        "subjects": {name: _scorer_figures(found) for name, found in parity.scorers.items()},
        "between": {
            name: {other: [float(f"{value:.4g}") for value in pair] for other, pair in row.items()}
            for name, row in parity.between.items()
        },
    }
    return seal(document, indent=1)


def read(path: Path) -> Certificate:
    """The certificate at `path`. Raises BundleError unless it is intact and of this version."""
    document = unseal(
        read_bytes(path).decode("utf-8", errors="replace"),
        what=str(path),
        version=CERTIFICATE_VERSION,
        error=BundleError,
        indent=1,
    )
    try:
        trained = document["trained"]
        form = document["form"]
        if form not in (FOLDED, SUBTRACT_FIRST):
            raise ValueError(f"form is {quoted(form)}")
        model = _trained(**trained)
        proof_rows = ProofRowsDigest(**document["corpus"])
        files, contracts = dict(document["files"]), dict(document["contracts"])
        for value, kind in (
            (proof_rows.sha256, str),
            *(
                (number, int)
                for number in (proof_rows.version, proof_rows.rows, *contracts.values())
            ),
            *((digest, str) for digest in files.values()),
        ):
            if type(value) is not kind:
                raise ValueError(f"{quoted(value)} stands where {kind.__name__} is required")
        sample = _sample(model, **document["sampled_rows"])
        if document["verdict"] != VERDICT:
            raise ValueError(f"verdict is {quoted(document['verdict'])}, not {VERDICT!r}")
        return Certificate(
            files,
            form,
            model,
            proof_rows,
            sample,
            contracts,
        )
    except (AttributeError, CardError, KeyError, OverflowError, TypeError, ValueError) as reason:
        raise BundleError(f"{path} is no certificate of this project: {reason}") from None


def scorer_figures(document: Mapping[str, Any]) -> dict[str, Measured]:
    """What the certificate `document` says of each scorer. Raises BundleError where it says
    nothing that can be read."""
    try:
        if tuple(document["figures"]) != _FIGURES:
            raise ValueError(f"its figures are {listed(document['figures'])}")
        found = {
            name: {place: _figures(*numbers) for place, numbers in places.items()}
            for name, places in document["subjects"].items()
        }
        if not found:
            raise ValueError("it names no scorer")
        return {
            name: Measured(places.pop("overall"), places, None, 0) for name, places in found.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as reason:
        raise BundleError(f"the certificate's figures cannot be read: {reason}") from None


def _figures(rows: int, *worst: float) -> Figures:
    if len(worst) != len(_FIGURES) - 1:
        raise ValueError(f"{len(worst) + 1} figures stand where {len(_FIGURES)} are required")
    found = figures_of(rows, np.array(worst, np.float64))
    if type(rows) is not int or not np.isfinite([found.logit.share, found.probability.share]).all():
        raise ValueError("a share of a budget, or a number of rows, is none")
    return found


def _rows(sample: Rows) -> dict[str, Any]:
    """What the certificate holds of the sampled rows."""
    if isinstance(sample, RawRows):
        numbers = {"shape": list(sample.numbers.shape), "values": _encode(sample.numbers, "<f8")}
        return {**numbers, "texts": sample.texts}
    return {"shape": list(sample.shape), "values": _encode(sample, "<f4")}


def _sample(trained: Trained, shape: list[int], values: str, texts: Any = None) -> Rows:
    """The sampled rows, which must fit the model."""
    design = trained.design
    if (texts is None) != (design is None):
        raise ValueError("the sampled rows are of a model of another kind")
    if design is None:
        sample = _decode(values, "<f4").reshape(shape).astype(np.float32)
        if sample.ndim != 2 or not np.isfinite(sample).all():
            raise ValueError(f"the sampled rows, of shape {sample.shape}, are not finite rows")
        return sample
    numbers = _decode(values, "<f8").reshape(shape).astype(np.float64)
    sampled = RawRows(numbers, tuple(map(tuple, texts)))
    design.require_rows(sampled)
    return sampled


def _design(trained: Trained) -> dict[str, Any]:
    """What the certificate holds of the columns of a model that encodes them."""
    design = trained.design
    if design is None or design.is_numeric:
        return {}
    return {
        "columns": [column.to_document() for column in design.columns],
        "imputed": _encode(design.imputed, "<f8"),
        "center": _encode(design.center, "<f8"),
    }


def _trained(weight: str, bias: float, mean: str, scale: str, **encoded: Any) -> Trained:
    weights = _decode(weight, "<f4").astype(np.float32)
    means, scales = (_decode(text, "<f8").astype(np.float64) for text in (mean, scale))
    design = _decoded_design(**encoded) if encoded else None
    dense, width = (len(weights),) * 2 if design is None else (design.dense, design.width)
    if not (len(weights) == width and len(means) == len(scales) == dense):
        raise ValueError("the parts of the trained model differ in width")
    if not (np.isfinite([*weights, *means, float(bias)]).all() and (scales > 0).all()):
        raise ValueError("the trained model holds values that no training leaves")
    return Trained(weights, float(bias), Scaling(means, scales), design)


def _decoded_design(columns: list[Any], imputed: str, center: str) -> Design:
    values = (_decode(text, "<f8").astype(np.float64) for text in (imputed, center))
    design = Design(tuple(map(Column.from_document, columns)), *values)
    if design.is_numeric:
        raise ValueError("the trained model has columns that are plain numbers alone")
    design.require_constants()
    return design


def require_files(path: Path, certificate: Certificate, found: Mapping[str, str]) -> None:
    """Raise BundleError unless the certificate at `path` lists these files with these digests."""
    for name in sorted({*certificate.files, *found}):
        stated, actual = (str(files.get(name)) for files in (certificate.files, found))
        if stated != actual:
            raise BundleError(
                f"{path} certifies {name} with sha256 {stated[:12]}…, {path.parent / name} has "
                f"{actual[:12]}…: the certificate belongs to another bundle"
            )


def require_proof_rows(path: Path, certificate: Certificate, batches: Sequence[ProofBatch]) -> None:
    """Raise BundleError unless the certificate at `path` was issued for the rows of `batches`.

    A certificate with an older PROOF_ROWS_VERSION was issued for rows that this code cannot make
    any more, and says nothing about these.
    """
    issued, found = certificate.proof_rows, ProofRowsDigest.of(batches)
    if not 0 < issued.version <= found.version:
        raise BundleError(
            f"{path} was issued for version {issued.version} of the proof rows, this installation "
            f"has version {found.version}: use the serve-runtime that matches"
        )
    if issued.version == found.version and issued != found:
        raise BundleError(
            f"{path} was issued for {issued.rows} rows with sha256 {issued.sha256[:12]}…, this "
            f"model's are {found.rows} with {found.sha256[:12]}…: the certificate belongs to "
            "another bundle"
        )


def require_contracts(path: Path, certificate: Certificate, found: Mapping[str, int]) -> None:
    """Raise BundleError unless the certificate at `path` gives the contracts these counts."""
    stated = certificate.contracts
    if certificate.proof_rows.version == PROOF_ROWS_VERSION and stated != found:
        name = min(n for n in {*stated, *found} if stated.get(n) != found.get(n))
        raise BundleError(
            f"{path}: {quoted(name)} was shown by {stated.get(name)} rows, now by "
            f"{found.get(name)}: the certificate belongs to another bundle"
        )


def _scorer_figures(found: Measured) -> dict[str, list[float]]:
    named = {"overall": found.overall, **found.buckets}
    return {name: [figures.rows, *_rounded(figures)] for name, figures in named.items()}


def _rounded(figures: Figures) -> list[float]:
    """The figures in the order of _FIGURES, rounded to 4 digits: errors need no more."""
    errors = (*astuple(figures.logit), *astuple(figures.probability), figures.kernel_ulp)
    return [float(f"{value:.4g}") for value in errors]


def _encode(values: npt.NDArray[Any], dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode()


def _decode(text: str, dtype: str) -> npt.NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype).copy()
