"""Every damage of the table is noticed, and named with what was found and what was expected."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from export.errors import BundleError
from export.verify import verify_bundle
from pipeline.export.bundle_files import (
    FILES,
    MODELS,
    affine_of,
    edit_certificate,
    recertify,
    reseal,
)
from pipeline.export.damage import cards, certificates, files, values
from pipeline.export.damage.damages import DAMAGES, in_order
from serve_runtime import ArtifactError
from serve_runtime.bundle.manifest import CERTIFICATE

FILLED_BY = (cards, certificates, files, values)
"""These are imported so that they put their damages into the table."""


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_noticed(name: str, bundle: Path, pristine_centered: Path) -> None:
    damage = DAMAGES[name]
    if damage.centered:
        shutil.rmtree(bundle)
        shutil.copytree(pristine_centered, bundle)
    message = in_order(damage.do(bundle))
    with pytest.raises(damage.error, match=message):
        verify_bundle(bundle)


def test_what_the_damages_start_from_is_accepted(bundle: Path, centered: Path) -> None:
    for folder in (bundle, centered):
        verify_bundle(folder)
        edit_certificate(folder, lambda document: None)
        verify_bundle(folder)
        recertify(folder)
        verify_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_any_changed_byte_is_noticed(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    for position in np.linspace(0, len(content) - 1, 25).astype(int):
        changed = bytearray(content)
        changed[position] ^= 1
        (bundle / name).write_bytes(changed)
        with pytest.raises((ArtifactError, BundleError), match=name):
            verify_bundle(bundle)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_another_bundle_is_told_by_its_card(
    bundle: Path, other: Path, name: str
) -> None:
    shutil.copy(other / name, bundle)
    reseal(bundle)
    named = "model.columnar.onnx" if name == "model.onnx" else name
    with pytest.raises(
        BundleError, match=rf"{named} carries .*model\.onnx: its column 'c0': its low is"
    ):
        verify_bundle(bundle)


def test_a_certificate_of_other_weights_shows_both_values(bundle: Path, other: Path) -> None:
    shutil.copy(other / CERTIFICATE, bundle)
    reseal(bundle)
    held, certified = (affine_of(folder).weight[0] for folder in (bundle, other))
    texts = [
        f"model.onnx: the weight of 'c0' is {held!s}, in",
        f"{CERTIFICATE} it is {certified!s}",
    ]
    with pytest.raises(BundleError, match=in_order(texts)):
        verify_bundle(bundle)
