"""parity.json: what was proven, of which files, on which rows, with which versions."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from export.errors import BundleError
from export.folding import FOLDED, SUBTRACT_FIRST, Folding, Form
from export.parity.figures import Figures, Measured, Parity
from export.parity.proof_rows import CORPUS_VERSION, Case, digest
from serve_runtime.arrays import Float32
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.sealed_json import seal, unseal
from train.standardize import Scaling
from train.trained import Trained

CERTIFICATE: Final = "parity.json"
TORCHSCRIPT: Final = "model.torchscript.pt"
PROGRAM: Final = "model.pt2"
"""Files of a bundle beside the ONNX models and the manifest."""

FORMAT_VERSION: Final = 2
_FIGURES: Final = (
    "rows",
    *(f"{score} {error}" for score in ("logit", "probability")
      for error in ("absolute", "relative", "ulp", "share of budget")),
    "sigmoid ulp",
)  # fmt: skip
"""What the numbers of a subject's range are, in order."""
VERDICT: Final = "every score is inside its budget, every contract holds"


@dataclass(frozen=True)
class Corpus:
    """The rows of a proof, by their digest."""

    version: int
    sha256: str
    rows: int

    @classmethod
    def of(cls, cases: Sequence[Case]) -> "Corpus":
        """What identifies `cases`."""
        return cls(CORPUS_VERSION, digest(cases), sum(len(case.rows) for case in cases))


@dataclass(frozen=True)
class Certificate:
    """What `verify` needs of a certificate, and holds its own findings against."""

    files: Mapping[str, str]
    """SHA-256 of each model file."""
    form: Form
    trained: Trained
    corpus: Corpus
    sample: Float32
    """Training and hold-out rows (k, d); none where the bundle was made without."""
    contracts: Mapping[str, int]
    """By contract: the rows that showed it."""


def write(
    certificate: Certificate,
    parity: Parity,
    folding: Folding,
    versions: Mapping[str, str],
) -> str:
    """The certificate as sealed JSON, with the figures that were found."""
    trained, sample = certificate.trained, certificate.sample
    document = {
        "format_version": FORMAT_VERSION,
        "verdict": VERDICT,
        "files": certificate.files,
        "versions": versions,
        "corpus": asdict(certificate.corpus),
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
        },
        "sampled_rows": {"shape": list(sample.shape), "values": _encode(sample, "<f4")},
        "contracts": certificate.contracts,
        "figures": _FIGURES,
        "subjects": {name: _subject(found) for name, found in parity.subjects.items()},
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
        version=FORMAT_VERSION,
        error=BundleError,
        indent=1,
    )
    try:
        trained, rows = document["trained"], document["sampled_rows"]
        form = document["form"]
        if form not in (FOLDED, SUBTRACT_FIRST):
            raise ValueError(f"form is {form!r}")
        model = _trained(**trained)
        corpus = Corpus(**document["corpus"])
        files, contracts = dict(document["files"]), dict(document["contracts"])
        for value, kind in (
            (corpus.sha256, str),
            *((number, int) for number in (corpus.version, corpus.rows, *contracts.values())),
            *((digest, str) for digest in files.values()),
        ):
            if type(value) is not kind:
                raise ValueError(f"{value!r} stands where {kind.__name__} is required")
        sample = _decode(rows["values"], "<f4").reshape(rows["shape"]).astype(np.float32)
        if sample.ndim != 2 or not np.isfinite(sample).all():
            raise ValueError(f"the sampled rows, of shape {sample.shape}, are not finite rows")
        if document["verdict"] != VERDICT:
            raise ValueError(f"verdict is {document['verdict']!r}, not {VERDICT!r}")
        return Certificate(
            files,
            form,
            model,
            corpus,
            sample,
            contracts,
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as reason:
        raise BundleError(f"{path} is no certificate of this project: {reason}") from None


def _trained(weight: str, bias: float, mean: str, scale: str) -> Trained:
    weights = _decode(weight, "<f4").astype(np.float32)
    means, scales = (_decode(text, "<f8").astype(np.float64) for text in (mean, scale))
    if not len(weights) == len(means) == len(scales):
        raise ValueError("the parts of the trained model differ in width")
    if not (np.isfinite([*weights, *means, float(bias)]).all() and (scales > 0).all()):
        raise ValueError("the trained model holds values that no training leaves")
    return Trained(weights, float(bias), Scaling(means, scales))


def require_files(path: Path, certificate: Certificate, found: Mapping[str, str]) -> None:
    """Raise BundleError unless the certificate at `path` is of the files with these digests."""
    for name in sorted({*certificate.files, *found}):
        stated, actual = (str(files.get(name)) for files in (certificate.files, found))
        if stated != actual:
            raise BundleError(
                f"{path} certifies {name} with sha256 {stated[:12]}…, {path.parent / name} has "
                f"{actual[:12]}…: the certificate belongs to another bundle"
            )


def require_corpus(path: Path, certificate: Certificate, cases: Sequence[Case]) -> None:
    """Raise BundleError unless the certificate at `path` was issued for the corpus `cases`.

    A certificate of an older CORPUS_VERSION was issued for other rows, rightly.
    """
    issued, found = certificate.corpus, Corpus.of(cases)
    if not 0 < issued.version <= found.version:
        raise BundleError(
            f"{path} was issued for version {issued.version} of the corpus, this installation has "
            f"version {found.version}: use the serve-runtime that matches"
        )
    if issued.version == found.version and issued != found:
        raise BundleError(
            f"{path} was issued for {issued.rows} rows with sha256 {issued.sha256[:12]}…, this "
            f"model's are {found.rows} with {found.sha256[:12]}…: the certificate belongs to "
            "another bundle"
        )


def require_contracts(path: Path, certificate: Certificate, found: Mapping[str, int]) -> None:
    """Raise BundleError unless the certificate at `path` says of the contracts what was found."""
    stated = certificate.contracts
    if certificate.corpus.version == CORPUS_VERSION and stated != found:
        name = min(n for n in {*stated, *found} if stated.get(n) != found.get(n))
        raise BundleError(
            f"{path}: {name!r} was shown by {stated.get(name)} rows, now by {found.get(name)}: the "
            "certificate belongs to another bundle"
        )


def _subject(found: Measured) -> dict[str, list[float]]:
    named = {"overall": found.overall, **found.buckets}
    return {name: [figures.rows, *_rounded(figures)] for name, figures in named.items()}


def _rounded(figures: Figures) -> list[float]:
    """In the order of _FIGURES after the rows, to 4 digits: an error needs no more."""
    errors = (*astuple(figures.logit), *astuple(figures.probability), figures.kernel_ulp)
    return [float(f"{value:.4g}") for value in errors]


def _encode(values: npt.NDArray[Any], dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode()


def _decode(text: str, dtype: str) -> npt.NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype).copy()
