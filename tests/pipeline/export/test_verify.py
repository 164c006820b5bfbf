"""A sound bundle is proven again to the figures that it was issued with; damaged ones: damage/."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from export.certificate import ProofRowsDigest
from export.publish import export_bundle
from export.verify import verify_bundle
from serve_runtime.bundle.manifest import CERTIFICATE


@pytest.mark.parametrize("sample", [True, False], ids=["sample", "no sample"])
def test_an_undamaged_bundle_is_proven_again(
    run_folder: Path, tmp_path: Path, sample: bool
) -> None:
    bundle = tmp_path / "bundle"
    issued = export_bundle(run_folder, bundle, keep_sample=sample)
    again = verify_bundle(bundle)
    assert again.card == issued.card
    recorded = json.loads((bundle / CERTIFICATE).read_text())
    assert recorded["subjects"].keys() == again.parity.scorers.keys()
    for name, found in again.parity.scorers.items():
        figures = recorded["subjects"][name]
        assert figures.keys() == {"overall", *found.buckets}
        rows, absolute, _, _, share, *_, kernel = figures["overall"]
        assert rows == found.overall.rows
        assert absolute == float(f"{found.overall.logit.absolute:.4g}")
        assert share == float(f"{found.overall.logit.share:.4g}")
        assert kernel == float(f"{found.overall.kernel_ulp:.4g}")
    assert recorded["contracts"] == again.contracts
    assert recorded["corpus"] == asdict(ProofRowsDigest.of(again.batches))


def test_an_undamaged_bundle_with_a_centre_is_proven_again(centered: Path) -> None:
    again = verify_bundle(centered)
    assert again.affine.center is not None
    assert again.folding.form == "subtract-first"
