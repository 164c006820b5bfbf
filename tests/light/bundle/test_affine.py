"""Affine's digest."""

from dataclasses import replace

import numpy as np
import pytest

from light.bundle.random_models import random_affine
from light.flush_to_zero import flushing
from serve_runtime.bundle.affine import float32_of, float_of


def test_the_digest_of_the_weights_tells_every_constant():
    affine = random_affine(2, centered=True)
    changed = [
        replace(affine, weight=affine.weight[::-1]),
        replace(affine, bias=float(np.nextafter(np.float32(affine.bias), np.float32(9)))),
        replace(affine, center=affine.center[::-1]),
        replace(affine, center=None),
    ]
    assert len({a.sha256() for a in (affine, *changed)}) == 5


@pytest.mark.parametrize("bits", [0, 1, 0x7FFFFF, 0x800000, 0x3F800000, 0x7F800000, 0x7FC00000])
@pytest.mark.parametrize("sign", [0, 1 << 31])
def test_a_float_has_the_bits_of_its_float32_on_any_host(bits, sign):
    value = np.array([bits | sign], np.uint32).view(np.float32)
    expected = value.astype(float).tobytes()
    with flushing():
        found = float_of(value)
        again = float32_of(found)
    assert np.array([found]).tobytes() == expected
    assert again.tobytes() == value.tobytes()
