"""Kernels have the same bits whether they are freshly compiled or cached, and on any processor that
has multiply-adds: each case is a process of its own."""

import os
import platform
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from train.gradients import numba_kernels, vectors

GRADIENTS = """
import sys
import numpy as np, torch
from train.gradients.cpu import NumbaGradients, gradient_source
from train.gradients.source import Categories, Rows

torch.set_num_threads(int(sys.argv[1]))
found = []
for width, count in ((1, 5), (3, 300), (7, 9000), (30, 20000), (33, 1000), (300, 5000)):
    generator = torch.Generator().manual_seed(width)
    x = torch.randn(width, count, generator=generator)
    y = torch.randint(2, (count,), generator=generator).float()
    theta = torch.randn(width + 1, generator=generator) / width**0.5
    order = torch.randperm(count, generator=generator)[: count * 9 // 10]
    for loss in ("bce", "mse", "linear"):
        for batches, index in ((False, None), (True, order)):
            out = torch.empty(width + 1)
            NumbaGradients(Rows(x, y), batches=batches).gradient(loss, theta, index, out)
            found.append(out.numpy())
kinds = {torch.uint8: 5, torch.int16: 300, torch.int32: 40_000}
codes = [torch.randint(n, (count,), generator=generator).to(t) for t, n in kinds.items()]
coded = Rows(x[:7], y, codes, Categories(tuple(torch.full((n,), 1 / n) for n in kinds.values())))
theta = torch.randn(7 + sum(kinds.values()) + 1, generator=generator)
for batches, index in ((False, None), (True, order)):
    out = torch.empty_like(theta)
    gradient_source(coded, batches=batches).gradient("bce", theta, index, out)
    found.append(out.numpy())
np.save(sys.argv[2], np.concatenate(found))
"""


@pytest.fixture(scope="module")
def gradients(tmp_path_factory, repository):
    """The gradients that a new process finds, with `threads` and some environment variables."""
    result = tmp_path_factory.mktemp("gradients") / "found.npy"

    def find(cache: Path, threads: int = 1, **variables: str) -> np.ndarray:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **variables}
        command = [sys.executable, "-c", GRADIENTS, str(threads), str(result)]
        subprocess.run(command, env=environment, cwd=repository, check=True)
        return np.load(result)

    return find


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cold(gradients, cache):
    """The gradients that fill the empty `cache`."""
    found = gradients(cache)
    assert list(cache.glob("*/*.nbc"))  # or later ones would be cold as well
    return found


def test_warm_cache_gives_the_bits_of_a_cold_one(cold, cache, gradients):
    assert gradients(cache, threads=2).tobytes() == cold.tobytes()


def test_no_cache_gives_the_bits_of_a_cache(cold, gradients, tmp_path):
    (tmp_path / "read-only").write_bytes(b"a file, below which there is no folder to write into")
    only = "numba.core.caching.UserProvidedCacheLocator"
    found = gradients(tmp_path / "read-only" / "cache", NUMBA_CACHE_LOCATOR_CLASSES=only)
    assert found.tobytes() == cold.tobytes()


def test_cache_without_the_callers_gives_the_same_bits(cold, cache, gradients, tmp_path):
    shutil.copytree(cache, tmp_path / "cache")
    for path in tmp_path.glob("cache/*/*gradient_sums*"):
        path.unlink()
    assert gradients(tmp_path / "cache").tobytes() == cold.tobytes()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names are those of x86 processors")
@pytest.mark.parametrize("processor", ["haswell", "generic"])
def test_builds_for_older_processors(processor, cold, gradients, tmp_path):
    older = gradients(tmp_path, NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES="")
    if processor == "haswell":  # has multiply-adds, and no AVX-512
        assert older.tobytes() == cold.tobytes()
    np.testing.assert_allclose(older, cold, rtol=1e-5, atol=1e-6)


def test_change_of_vectors_is_noticed_by_the_cache():
    found = sha256(Path(vectors.__file__).read_bytes()).hexdigest()
    assert found == numba_kernels.VECTORS_SHA256, f"set VECTORS_SHA256 in numba_kernels.py: {found}"


def test_cold_training_leaves_the_bytes_of_a_warm_one(tmp_path, repository):
    runs = []
    for name, threads in (("cold", "1"), ("warm", "2")):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-m", "train", "--out", str(tmp_path / name)]
        subprocess.run(command, env=environment, cwd=repository, check=True, capture_output=True)
        runs.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert runs[0] == runs[1]
    assert len(runs[0]) == 5
