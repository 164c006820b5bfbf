"""Certificates that belong to another bundle, other rows or another model.

Manifests match in every damage, so that the certificate itself must tell.
"""

import base64
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from re import compile as pattern
from typing import Any

import numpy as np

from benchmarks.harness.random_run import random_run
from export import certificate, folding
from export.publish import export_bundle
from pipeline.export.bundle_files import (
    MODELS,
    SWAPPED,
    affine_of,
    card_of,
    edit_certificate,
    one_up,
    recertify,
    reseal,
    up,
    write_models,
)
from pipeline.export.damage.damages import Text, damage
from serve_runtime.bundle.manifest import CERTIFICATE, FileEntry
from train.trained import Trained

NO_DIGEST = "0" * 64


def encode(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def digest_of(path: Path) -> str:
    return FileEntry.of(path.read_bytes()).sha256[:12] + "…"


# Of another bundle.


@damage("a certificate of the same weights and another card")
def _(bundle: Path) -> Sequence[Text]:
    other = Path(shutil.copytree(bundle, bundle.parent / "other"))
    write_models(other, card=replace(card_of(bundle), classes=("yes", "no")))
    recertify(other)
    shutil.copy(other / CERTIFICATE, bundle)
    reseal(bundle)
    name = "model.columnar.onnx"  # the first by name
    return (
        f"{CERTIFICATE} certifies {name} with sha256 {digest_of(other / name)}",
        f"{name} has {digest_of(bundle / name)}: the certificate belongs to another bundle",
    )


for _sample, _what in ((True, "sampled rows"), (False, "trained")):

    @damage(f"a certificate of another width, told by the {_what}")
    def _(bundle: Path, sample: bool = _sample, what: str = _what) -> Sequence[Text]:
        other = bundle.parent
        export_bundle(random_run(other / "run", 4), other / "four", keep_sample=sample)
        shutil.copy(other / "four" / CERTIFICATE, bundle)
        if not sample:
            edit_certificate(bundle, lambda d: d["sampled_rows"].update(shape=[0, 5]))
        reseal(bundle)
        return (pattern(f"{what} of 4 features, the models take 5$"),)


# Of other files.

for _name in MODELS:

    @damage(f"another digest of {_name} in the certificate")
    def _(bundle: Path, name: str = _name) -> Sequence[Text]:
        edit_certificate(bundle, lambda d: d["files"].update({name: NO_DIGEST}))
        return (
            f"{CERTIFICATE} certifies {name} with sha256 000000000000…",
            f"{name} has {digest_of(bundle / name)}: the certificate belongs",
        )


@damage("a file left out of the certificate")
def _(bundle: Path) -> Sequence[Text]:
    edit_certificate(bundle, lambda d: d["files"].pop("model.pt2"))
    return (pattern(r"certifies model\.pt2 with sha256 None….*has [0-9a-f]+"),)


@damage("a file added to the certificate")
def _(bundle: Path) -> Sequence[Text]:
    edit_certificate(bundle, lambda d: d["files"].update(z=NO_DIGEST))
    return "certifies z with sha256 000000000000…, ", "has None…"


# Of other rows.


@damage("another digest of the proof rows")
def _(bundle: Path) -> Sequence[Text]:
    actual = certificate.read(bundle / CERTIFICATE).proof_rows
    edit_certificate(bundle, lambda d: d["corpus"].update(sha256=NO_DIGEST))
    return (
        CERTIFICATE,
        f"{actual.rows} rows with sha256 000000000000…",
        f"{actual.sha256[:12]}…",
        "the certificate belongs to another bundle",
    )


@damage("another number of proof rows")
def _(bundle: Path) -> Sequence[Text]:
    rows = certificate.read(bundle / CERTIFICATE).proof_rows.rows
    edit_certificate(bundle, lambda d: d["corpus"].update(rows=7))
    return CERTIFICATE, "7 rows", str(rows), "another bundle"


@damage("proof rows of a newer version")
def _(bundle: Path) -> Sequence[Text]:
    edit_certificate(bundle, lambda d: d["corpus"].update(version=4))
    return "for version 4 of the proof rows, this ", " has version 3"


def change_sample(bundle: Path, change: Callable[[np.ndarray], object]) -> None:
    """Change the sampled rows in the certificate in place."""
    sample = certificate.read(bundle / CERTIFICATE).sample.copy()
    change(sample)
    edit_certificate(bundle, lambda d: d["sampled_rows"].update(values=encode(sample)))


@damage("a value of a sampled row off by 1 ULP")
def _(bundle: Path) -> Sequence[Text]:
    digest = certificate.read(bundle / CERTIFICATE).proof_rows.sha256[:12]
    change_sample(bundle, lambda rows: rows.__setitem__(100, one_up(rows[100], 2)))
    return f"{digest}…", "belongs to another"


@damage("a sampled row that is not finite")
def _(bundle: Path) -> Sequence[Text]:
    """A run with such a sample is refused; and the bound that verify prints would become NaN."""
    change_sample(bundle, lambda rows: rows.__setitem__((3, 1), np.nan))
    return CERTIFICATE, "finite"


# Of other findings.


@damage("another count of a contract")
def _(bundle: Path) -> Sequence[Text]:
    name = "a neighbour's NaN changes nothing"
    shown = certificate.read(bundle / CERTIFICATE).contracts[name]
    edit_certificate(bundle, lambda d: d["contracts"].update({name: 7}))
    return (f'nothing" was shown by 7 rows, now by {shown}',)


@damage("another verdict")
def _(bundle: Path) -> Sequence[Text]:
    edit_certificate(bundle, lambda d: d.update(verdict="looks good"))
    return ("verdict is 'looks good', not 'every score is inside",)


# Of another trained model.

TRAINED: dict[str, tuple[Callable[[Trained], Trained], str, int]] = {
    "a weight off by 1 ULP": (
        lambda t: replace(t, weight=one_up(t.weight, 3)), "the weight of 'c3'", 3,
    ),
    "the bias off by 1 ULP": (lambda t: replace(t, bias=float(up(t.bias))), "the bias", 5),
    "two features swapped": (
        lambda t: replace(t, weight=t.weight[SWAPPED]), "the weight of 'c0'", 0,
    ),
}  # fmt: skip
"""The change, what the message calls the first value that differs, and the value's position."""

for _what, (_change, _named, _position) in TRAINED.items():

    @damage(f"{_what} in the trained model")
    def _(
        bundle: Path,
        change: Callable[[Trained], Trained] = _change,
        named: str = _named,
        position: int = _position,
    ) -> Sequence[Text]:
        trained = change(certificate.read(bundle / CERTIFICATE).trained)
        recertify(bundle, trained)
        held, certified = affine_of(bundle).values[position], trained.affine().values[position]
        return f"model.onnx: {named} is {held!s}, in", f"{CERTIFICATE} it is {certified!s}"


@damage("other weights in every file but not in the trained model")
def _(bundle: Path) -> Sequence[Text]:
    """Card, digests, golden rows and certificate are re-made."""
    true = affine_of(bundle)
    write_models(bundle, replace(true, weight=one_up(true.weight, 3)), measure=True)
    recertify(bundle)
    return (
        f"model.onnx: the weight of 'c3' is {up(true.weight[3])!s}, in",
        f"{CERTIFICATE} it is {true.weight[3]!s}",
    )


@damage("another mean in the trained model", centered=True)
def _(bundle: Path) -> Sequence[Text]:
    trained = certificate.read(bundle / CERTIFICATE).trained
    mean = trained.scaling.mean.copy()
    mean[2] += 1
    trained = replace(trained, scaling=replace(trained.scaling, mean=mean))
    recertify(bundle, trained)
    held = affine_of(bundle).values
    certified = folding.affine_of(trained, folding.SUBTRACT_FIRST).values
    first = int(np.flatnonzero(held != certified)[0])
    return "model.onnx: the", f"is {held[first]!s}, in", f"it is {certified[first]!s}"


for _form in (folding.FOLDED, folding.SUBTRACT_FIRST):

    @damage(f"a certificate that says {_form}", centered=_form == folding.FOLDED)
    def _(bundle: Path, form: str = _form) -> Sequence[Text]:
        edit_certificate(bundle, lambda d: d.update(form=form))
        return "model.onnx and", f"{CERTIFICATE}: one of them subtracts"


# Of no use at all.

UNREADABLE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another form": (lambda d: d.update(form="other"), "form is 'other'"),
    "a mean of another width": (
        lambda d: d["trained"].update(mean=encode(np.zeros(4))),
        "the parts of the trained model differ in width",
    ),
    "no scale": (lambda d: d["trained"].pop("scale"), "'scale'"),
    "a bias of text": (
        lambda d: d["trained"].update(bias="x"), "could not convert string to float: 'x'",
    ),
    "weights of no base64": (lambda d: d["trained"].update(weight="*"), "[Bb]ase64|base 64"),
    "rows of another shape": (
        lambda d: d["sampled_rows"].update(shape=[3, 5]), "cannot reshape array of size 1280",
    ),
    "an unknown key": (
        lambda d: d["corpus"].update(more=1), "unexpected keyword argument 'more'",
    ),
    "no files": (lambda d: d.pop("files"), "'files'"),
    "no digest": (lambda d: d["corpus"].update(sha256=None), "None"),
}  # fmt: skip

for _what, (_edit, _message) in UNREADABLE.items():

    @damage(f"a certificate with {_what}")
    def _(
        bundle: Path,
        edit: Callable[[dict[str, Any]], object] = _edit,
        message: str = _message,
    ) -> Sequence[Text]:
        edit_certificate(bundle, edit)
        return "parity.json is no certificate ", pattern(f": .*({message})")
