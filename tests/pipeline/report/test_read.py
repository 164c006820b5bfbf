"""A run and a bundle are read, and what does not belong together is told."""

import json
import re
import shutil
from pathlib import Path

import pytest

from export.publish import export_bundle
from report.read import read_source
from serve_runtime.bundle.manifest import FileEntry
from serve_runtime.bundle.sealed_json import seal
from serve_runtime.errors import ArtifactError
from train.errors import RunError
from train.persistence import run_folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_a_run_and_its_bundle(whole, whole_bundle):
    source = read_source(whole, whole_bundle)
    assert source.card.feature_names[0] == "mean radius"
    assert source.card.threshold == 0.3
    assert source.history[0]["epoch"] == 0
    assert source.recipe["data"]["builtin"] == "breast_cancer"
    assert source.profile is not None
    assert source.profile["rows"] == 455
    assert source.bundle is not None
    assert source.bundle.problem == ""
    assert source.bundle.certificate["verdict"]
    sizes = {path.name: path.stat().st_size for path in whole_bundle.iterdir()}
    assert source.bundle.files == sizes


def test_a_run_alone(whole):
    source = read_source(whole)
    assert source.bundle is None
    assert source.card.threshold == 0.5


def test_a_run_from_before_there_were_profiles(run):
    (run / run_folder.PROFILE).unlink()
    assert read_source(run).profile is None


@pytest.mark.parametrize("name", [run_folder.HISTORY, run_folder.METRICS])
def test_a_run_that_lacks_a_file_is_refused(name, run):
    (run / name).unlink()
    with pytest.raises(RunError, match=r"^[^(]* is not a run: .*train"):
        read_source(run)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "epoch,cost,accuracy\n",
        "epoch,cost,accuracy\n0,none,1\n",
        "epoch,cost,accuracy\n0,1\n",
        "epoch,cost,accuracy\n0,1,1,1\n",
        "epoch,cosu,accuracy\n0,1,1\n",
        "\xff",
    ],
)
def test_a_damaged_history_is_refused(content, run):
    (run / run_folder.HISTORY).write_bytes(content.encode("latin-1"))
    with pytest.raises(RunError, match=r"is not what training wrote \(.*\): train again$"):
        read_source(run)


def test_an_edited_recipe_changes_nothing(run):
    """Nothing seals recipe.toml, and it is there to be edited and trained again: what the run was
    trained with is on its card."""
    before = read_source(run).recipe
    (run / run_folder.RECIPE).write_text('[data]\nbuiltin = "other"\n')
    assert read_source(run).recipe == before


def test_figures_that_lack_columns_are_refused(run):
    """As those of runs that earlier versions left."""
    figures = run_folder.read_metrics(run)
    del figures["importance"]["mean radius"]
    (run / run_folder.METRICS).write_text(seal(figures, indent=1))
    with pytest.raises(RunError, match="does not tell the importance of each column: train again"):
        read_source(run)


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_a_folder_that_is_no_run_is_refused(kind, tmp_path):
    folder = tmp_path / "folder"
    if kind == "file":
        folder.write_text("")
    elif kind == "empty":
        folder.mkdir()
    with pytest.raises(RunError, match=r"is not a run: .*make one with `python -m train`"):
        read_source(folder)


def test_a_folder_that_is_no_bundle_is_refused(whole, tmp_path):
    for folder in (tmp_path, tmp_path / "missing", whole):
        with pytest.raises(ArtifactError, match=r"is no bundle, it has no MANIFEST\.json: name a"):
            read_source(whole, folder)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda b: _flip(b / "model.onnx"), r"model\.onnx is not the file that was exported"),
        (lambda b: _flip(b / "model.pt2"), r"model\.pt2 is not the file that was exported"),
        (lambda b: _flip(b / "parity.json"), r"parity\.json"),
        (lambda b: _flip(b / "MANIFEST.json"), r"MANIFEST\.json"),
        (lambda b: (b / "parity.json").write_text("{}"), r"parity\.json has no format_version"),
        (lambda b: (b / "parity.json").unlink(), r"cannot read .*parity\.json"),
        (lambda b: (b / "model.pt2").unlink(), r"'model\.pt2': missing; export again"),
        (lambda b: (b / "more.bin").write_text(""), r"'more\.bin': not part of a bundle"),
    ],
    ids=["onnx", "pt2", "certificate", "manifest", "other", "no certificate", "no file", "more"],
)
def test_files_that_were_not_proven_are_told(damage, told, whole, bundle):
    damage(bundle)
    parts = read_source(whole, bundle).bundle
    assert parts is not None
    assert re.search(told, parts.problem)


def test_the_certificate_of_another_bundle_is_told(whole, bundle, odd, tmp_path):
    export_bundle(odd, tmp_path / "odd")
    shutil.copy(tmp_path / "odd" / "parity.json", bundle)
    parts = read_source(whole, bundle).bundle
    assert parts is not None
    assert "parity.json is not the file" in parts.problem
    other = read_source(whole, tmp_path / "odd").bundle
    assert other is not None
    assert "is the bundle of another run than" in other.problem


def test_a_bundle_of_columns_with_other_names_is_told(make_run, tmp_path):
    """Its weights are the same, and yet it asks for something else."""
    values, labels = [float(i % 7) for i in range(60)], [i % 7 > 3 or i % 5 == 0 for i in range(60)]
    rows = [int(label) for label in labels]
    ours, theirs = (make_run({name: values, "y": rows}, data={"target": "y"}) for name in "ab")
    export_bundle(theirs, tmp_path / "theirs")
    assert read_source(theirs, tmp_path / "theirs").bundle.problem == ""
    parts = read_source(ours, tmp_path / "theirs").bundle
    assert "is the bundle of another run than" in parts.problem


def test_a_certificate_without_figures_is_told(whole, bundle):
    """It and the manifest are sealed anew, as somebody may who means harm."""
    path = bundle / "parity.json"
    document = json.loads(path.read_text())
    del document["sha256"], document["figures"]
    path.write_text(seal(document, indent=1))
    manifest = json.loads((bundle / "MANIFEST.json").read_text())
    del manifest["sha256"]
    manifest["files"]["parity.json"] = vars(FileEntry.of(path.read_bytes()))
    (bundle / "MANIFEST.json").write_text(seal(manifest, indent=1))
    source = read_source(whole, bundle)
    assert "the certificate's figures cannot be read" in source.bundle.problem
