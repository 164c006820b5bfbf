"""Runs and bundles that the export tests share; each test that damages one copies it first."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmarks.harness.random_run import random_mixed_run, random_run
from export import verify
from export.parity.contracts import check, consecutive
from export.publish import export_bundle
from pipeline.export.bundle_files import Model, make_model
from serve_runtime import Predictor


@pytest.fixture(scope="session", autouse=True)
def consecutive_logits_once() -> Iterator[None]:
    """Consecutive logits show something of this machine, whatever the bundle: a process tries each
    window once, and again where a test has put another Predictor in its place."""
    true = consecutive.rising_from_logit_to_logit

    @cache
    def tried(windows: tuple[float, ...], _: type[Predictor]) -> int:
        return true(windows)

    def once(windows: tuple[float, ...] = consecutive.WINDOWS) -> int:
        return tried(windows, consecutive.Predictor)

    with pytest.MonkeyPatch.context() as patch:
        for module in (check, consecutive, verify):
            patch.setattr(module, "rising_from_logit_to_logit", once)
        yield


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_run(tmp_path_factory.mktemp("runs") / "five", width=5)


@pytest.fixture(scope="session")
def pristine(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("bundles") / "five"
    export_bundle(run_folder, bundle)
    return bundle


@pytest.fixture
def bundle(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the same width with other weights."""
    folder = tmp_path_factory.mktemp("other")
    export_bundle(random_run(folder / "run", 5, seed=9), folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="session")
def pristine_centered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("centered")
    run = random_run(folder / "run", 5, offset=1e4, spread=0.1, standardize=True)
    assert export_bundle(run, folder / "bundle").folding.form == "subtract-first"
    return folder / "bundle"


@pytest.fixture
def centered(pristine_centered: Path, tmp_path: Path) -> Path:
    """A copy of a bundle whose graphs subtract a centre; a test may damage it."""
    return Path(shutil.copytree(pristine_centered, tmp_path / "centered"))


@pytest.fixture(scope="session")
def mixed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of numbers with gaps, precise numbers and categories. Two numbers are bent: one that is
    refused where it is missing, and a precise one that has an indicator."""
    return random_mixed_run(tmp_path_factory.mktemp("runs") / "mixed", bent={0, 4})


@pytest.fixture(scope="session")
def mixed(mixed_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `mixed_run`."""
    bundle = tmp_path_factory.mktemp("bundles") / "mixed"
    export_bundle(mixed_run, bundle)
    return bundle


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, bool], Model]:
    """A random model of a width, with a centre or without; each is made once."""
    made: dict[tuple[int, bool], Model] = {}

    def model(width: int, centered: bool) -> Model:
        key = width, centered
        if key not in made:
            made[key] = make_model(tmp_path_factory.mktemp("models"), width, centered)
        return made[key]

    return model
