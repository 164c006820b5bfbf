"""Affine's digest."""

from dataclasses import replace

import numpy as np

from light.bundle.random_models import random_affine


def test_the_digest_of_the_weights_tells_every_constant():
    affine = random_affine(2, centered=True)
    changed = [
        replace(affine, weight=affine.weight[::-1]),
        replace(affine, bias=float(np.nextafter(np.float32(affine.bias), np.float32(9)))),
        replace(affine, center=affine.center[::-1]),
        replace(affine, center=None),
    ]
    assert len({a.sha256() for a in (affine, *changed)}) == 5
