"""A certificate that belongs to another bundle, other rows or another model is refused.

Manifests match in every test, so that the certificate itself must tell.
"""

import base64
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.harness.random_run import random_run
from export import certificate, folding
from export.certificate import CERTIFICATE, ProofRowsDigest
from export.errors import BundleError
from export.publish import export_bundle
from export.verify import verify_bundle
from pipeline.export.bundle_files import (
    MODELS,
    affine_of,
    card_of,
    edit_certificate,
    one_up,
    recertify,
    reseal,
    up,
    write_models,
)
from serve_runtime.bundle.manifest import FileEntry
from train.trained import Trained

NO_DIGEST = "0" * 64


def in_order(*texts: object) -> str:
    """A pattern for a message that holds all of these."""
    return "(?s)" + ".*".join(re.escape(str(text)) for text in texts)


def encode(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def digest_of(path: Path) -> str:
    return FileEntry.of(path.read_bytes()).sha256[:12] + "…"


def test_a_certificate_issued_anew_is_accepted(bundle: Path, centered: Path) -> None:
    """The undamaged counterpart of every test below."""
    for folder in (bundle, centered):
        edit_certificate(folder, lambda document: None)
        verify_bundle(folder)
        recertify(folder)
        verify_bundle(folder)


# Of another bundle.


def test_a_certificate_of_other_weights_is_told_by_both_values(bundle: Path, other: Path) -> None:
    shutil.copy(other / CERTIFICATE, bundle)
    reseal(bundle)
    held, certified = (affine_of(folder).weight[0] for folder in (bundle, other))
    with pytest.raises(
        BundleError,
        match=in_order(f"model.onnx: the weight of 'c0' is {held!s}, in", f"{CERTIFICATE} it is "
                       f"{certified!s}"),
    ):  # fmt: skip
        verify_bundle(bundle)


def test_a_certificate_of_the_same_weights_and_another_card_is_told_by_both_digests(
    bundle: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(bundle, tmp_path / "other"))
    write_models(other, card=replace(card_of(bundle), classes=("yes", "no")))
    recertify(other)
    verify_bundle(other)
    shutil.copy(other / CERTIFICATE, bundle)
    reseal(bundle)
    name = "model.columnar.onnx"  # the first by name
    with pytest.raises(
        BundleError,
        match=in_order(f"{CERTIFICATE} certifies {name} with sha256 {digest_of(other / name)}",
                       f"{name} has {digest_of(bundle / name)}: the certificate belongs to another "
                       "bundle"),
    ):  # fmt: skip
        verify_bundle(bundle)


@pytest.mark.parametrize(("sample", "what"), [(True, "sampled rows"), (False, "trained")])
def test_a_certificate_of_another_width_is_told_by_both_widths(
    bundle: Path, tmp_path: Path, sample: bool, what: str
) -> None:
    export_bundle(random_run(tmp_path / "run", 4), tmp_path / "four", keep_sample=sample)
    shutil.copy(tmp_path / "four" / CERTIFICATE, bundle)
    if not sample:
        edit_certificate(bundle, lambda document: document["sampled_rows"].update(shape=[0, 5]))
    reseal(bundle)
    with pytest.raises(BundleError, match=f"{what} of 4 features, the models take 5$"):
        verify_bundle(bundle)


# Of other files.


@pytest.mark.parametrize("name", MODELS)
def test_another_digest_of_a_file_is_told_with_both(bundle: Path, name: str) -> None:
    edit_certificate(bundle, lambda document: document["files"].update({name: NO_DIGEST}))
    with pytest.raises(
        BundleError,
        match=in_order(f"{CERTIFICATE} certifies {name} with sha256 000000000000…",
                       f"{name} has {digest_of(bundle / name)}: the certificate belongs"),
    ):  # fmt: skip
        verify_bundle(bundle)


def test_a_file_that_the_certificate_leaves_out_or_adds_is_named(bundle: Path) -> None:
    true = certificate.read(bundle / CERTIFICATE).files
    edit_certificate(bundle, lambda document: document["files"].pop("model.pt2"))
    with pytest.raises(BundleError, match=r"certifies model\.pt2 with sha256 None….*has [0-9a-f]+"):
        verify_bundle(bundle)
    edit_certificate(bundle, lambda document: document.update(files={**true, "z": NO_DIGEST}))
    with pytest.raises(BundleError, match=r"certifies z with sha256 0{12}…, .*has None…"):
        verify_bundle(bundle)


# Of other rows.


def test_another_corpus_digest_is_told_with_both(bundle: Path) -> None:
    actual = certificate.read(bundle / CERTIFICATE).proof_rows
    edit_certificate(bundle, lambda document: document["corpus"].update(sha256=NO_DIGEST))
    with pytest.raises(
        BundleError,
        match=in_order(CERTIFICATE, f"{actual.rows} rows with sha256 000000000000…",
                       f"{actual.sha256[:12]}…", "the certificate belongs to another bundle"),
    ):  # fmt: skip
        verify_bundle(bundle)


def test_another_number_of_rows_is_told_with_both(bundle: Path) -> None:
    rows = certificate.read(bundle / CERTIFICATE).proof_rows.rows
    edit_certificate(bundle, lambda document: document["corpus"].update(rows=7))
    with pytest.raises(BundleError, match=in_order(CERTIFICATE, "7 rows", rows, "another bundle")):
        verify_bundle(bundle)


def test_a_training_row_altered_by_1_ulp_does_not_fit_the_corpus_digest(bundle: Path) -> None:
    issued = certificate.read(bundle / CERTIFICATE)
    sample = issued.sample.copy()
    sample[100] = one_up(sample[100], 2)
    edit_certificate(
        bundle, lambda document: document["sampled_rows"].update(values=encode(sample))
    )
    with pytest.raises(BundleError, match=f"{issued.proof_rows.sha256[:12]}….*belongs to another"):
        verify_bundle(bundle)


def test_a_training_row_that_is_not_finite_is_refused(bundle: Path) -> None:
    """A run with such a sample is; and the bound that verify prints becomes NaN."""
    sample = certificate.read(bundle / CERTIFICATE).sample.copy()
    sample[3, 1] = np.nan
    edit_certificate(
        bundle, lambda document: document["sampled_rows"].update(values=encode(sample))
    )
    with pytest.raises(BundleError, match=r"parity\.json.*finite"):
        verify_bundle(bundle)


def test_a_corpus_of_an_older_version_is_not_compared(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows cannot be made any more; the bundle is still proven, on the rows of today."""
    today = certificate.read(bundle / CERTIFICATE).proof_rows
    edit_certificate(
        bundle, lambda document: document["corpus"].update(version=1, sha256=NO_DIGEST)
    )
    monkeypatch.setattr(certificate, "PROOF_ROWS_VERSION", 3)
    assert ProofRowsDigest.of(verify_bundle(bundle).batches) == replace(today, version=3)


def test_a_corpus_of_a_newer_version_is_refused(bundle: Path) -> None:
    edit_certificate(bundle, lambda document: document["corpus"].update(version=3))
    with pytest.raises(
        BundleError, match=r"for version 3 of the proof rows, this .* has version 2"
    ):
        verify_bundle(bundle)


def test_other_contracts_are_told_by_both_counts(bundle: Path) -> None:
    name = "a neighbour's NaN changes nothing"
    shown = certificate.read(bundle / CERTIFICATE).contracts[name]
    edit_certificate(bundle, lambda document: document["contracts"].update({name: 7}))
    with pytest.raises(BundleError, match=rf"nothing\" was shown by 7 rows, now by {shown}"):
        verify_bundle(bundle)


def test_another_verdict_is_refused(bundle: Path) -> None:
    edit_certificate(bundle, lambda document: document.update(verdict="looks good"))
    with pytest.raises(BundleError, match="verdict is 'looks good', not 'every score is inside"):
        verify_bundle(bundle)


# Of another trained model.


@pytest.mark.parametrize(
    ("change", "what", "value"),
    [
        (lambda t: replace(t, weight=one_up(t.weight, 3)), "the weight of 'c3'", 3),
        (lambda t: replace(t, bias=float(up(t.bias))), "the bias", 5),
        (lambda t: replace(t, weight=t.weight[[1, 0, 2, 3, 4]]), "the weight of 'c0'", 0),
    ],
    ids=["weight 1 ULP", "bias 1 ULP", "features swapped"],
)
def test_another_trained_model_is_told_by_both_values(
    bundle: Path, change: Callable[[Trained], Trained], what: str, value: int
) -> None:
    trained = change(certificate.read(bundle / CERTIFICATE).trained)
    recertify(bundle, trained)
    held, certified = affine_of(bundle).values[value], trained.affine().values[value]
    with pytest.raises(
        BundleError,
        match=in_order(f"model.onnx: {what} is {held!s}, in", f"{CERTIFICATE} it is {certified!s}"),
    ):
        verify_bundle(bundle)


def test_other_weights_in_every_file_do_not_fit_the_trained_model(bundle: Path) -> None:
    """Card, digests, golden rows and certificate are re-made, all but the trained model."""
    true = affine_of(bundle)
    write_models(bundle, replace(true, weight=one_up(true.weight, 3)), measure=True)
    recertify(bundle)
    with pytest.raises(
        BundleError,
        match=in_order(f"model.onnx: the weight of 'c3' is {up(true.weight[3])!s}, in",
                       f"{CERTIFICATE} it is {true.weight[3]!s}"),
    ):  # fmt: skip
        verify_bundle(bundle)


def test_another_mean_does_not_fit_the_centre(centered: Path) -> None:
    trained = certificate.read(centered / CERTIFICATE).trained
    mean = trained.scaling.mean.copy()
    mean[2] += 1
    trained = replace(trained, scaling=replace(trained.scaling, mean=mean))
    recertify(centered, trained)
    held = affine_of(centered).values
    certified = folding.affine_of(trained, folding.SUBTRACT_FIRST).values
    first = int(np.flatnonzero(held != certified)[0])
    with pytest.raises(
        BundleError,
        match=in_order("model.onnx: the", f"is {held[first]!s}, in", f"it is {certified[first]!s}"),
    ):
        verify_bundle(centered)


@pytest.mark.parametrize("form", ["folded", "subtract-first"])
def test_another_form_is_refused(bundle: Path, centered: Path, form: str) -> None:
    folder = bundle if form == "subtract-first" else centered
    edit_certificate(folder, lambda document: document.update(form=form))
    with pytest.raises(
        BundleError, match=in_order("model.onnx and", f"{CERTIFICATE}: one of them subtracts")
    ):
        verify_bundle(folder)


# Of no use at all.


def _narrow(document: dict[str, Any]) -> None:
    document["trained"]["mean"] = encode(np.zeros(4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(form="other"), "form is 'other'"),
        (_narrow, "the parts of the trained model differ in width"),
        (lambda d: d["trained"].pop("scale"), "'scale'"),
        (lambda d: d["trained"].update(bias="x"), "could not convert string to float: 'x'"),
        (lambda d: d["trained"].update(weight="*"), "[Bb]ase64|base 64"),
        (lambda d: d["sampled_rows"].update(shape=[3, 5]), "cannot reshape array of size 1280"),
        (lambda d: d["corpus"].update(more=1), "unexpected keyword argument 'more'"),
        (lambda d: d.pop("files"), "'files'"),
        pytest.param(lambda d: d["corpus"].update(sha256=None), "None"),
    ],
    ids=["form", "width", "no scale", "bias", "weight", "rows", "corpus", "no files", "no digest"],
)
def test_a_certificate_that_is_sealed_and_no_certificate_is_refused(
    bundle: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_certificate(bundle, change)
    with pytest.raises(BundleError, match=rf"parity\.json is no certificate .*: .*({message})"):
        verify_bundle(bundle)


def test_what_is_read_is_what_was_written(bundle: Path) -> None:
    path = bundle / CERTIFICATE
    issued = certificate.read(path)
    recertify(bundle)
    again = certificate.read(path)
    assert (again.files, again.form, again.proof_rows) == (
        issued.files,
        issued.form,
        issued.proof_rows,
    )
    for one, other in (
        (again.sample, issued.sample),
        (again.trained.weight, issued.trained.weight),
        (again.trained.scaling.mean, issued.trained.scaling.mean),
        (again.trained.scaling.scale, issued.trained.scaling.scale),
    ):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    assert again.trained.bias == issued.trained.bias
