import json
import shutil

import pytest

from light.commands.running import invoke
from light.helpers import TINY, flipped
from light.pages.reading import read
from serve_runtime.bundle.sealed_json import seal


@pytest.fixture
def bundle(tmp_path):
    return shutil.copytree(TINY, tmp_path / "bundle")


def damaged_page(bundle, said):
    """The page of a bundle whose files do not match: written all the same, and exit 1."""
    output = bundle.parent / "page.html"
    result = invoke("inspect", bundle, "--html", "-o", output)
    assert result.exit_code == 1
    assert f"Error: the files of {bundle} do not match:" in result.stderr
    assert said in " ".join(result.stderr.split())
    page = read(output.read_text())
    assert page.headings[1] == (2, "Do not trust these files: they do not match")
    assert said in page.text
    assert "scores are proven" not in page.text
    assert invoke("inspect", bundle, "--html").stdout == output.read_text()
    return page


def test_an_altered_model_is_told_on_top(bundle):
    path = bundle / "model.onnx"
    path.write_bytes(flipped(path.read_bytes(), 200))
    said = (
        "model.onnx is not the file that was exported: MANIFEST.json and parity.json tell another "
        "digest or size"
    )
    page = damaged_page(bundle, said)
    assert "differs from MANIFEST.json and parity.json" in page.text
    assert "What drives the score" in page.text  # the columnar file has the model


def test_where_no_model_can_be_read_the_files_are_told(bundle):
    for name in ("model.onnx", "model.columnar.onnx"):
        (bundle / name).write_bytes((bundle / name).read_bytes()[:-50])
    page = damaged_page(bundle, "model.columnar.onnx is not the file that was exported")
    assert [title for _, title in page.headings[2:]] == ["Files"]


@pytest.mark.parametrize("name", ["model.pt2", "model.torchscript.pt", "parity.json"])
def test_every_file_is_checked(bundle, name):
    path = bundle / name
    path.write_bytes(flipped(path.read_bytes(), 60))
    damaged_page(bundle, f"{name} is not the file that was exported: MANIFEST.json")


def test_a_missing_file_is_told(bundle):
    (bundle / "model.pt2").unlink()
    page = damaged_page(bundle, "model.pt2: No such file or directory")
    assert "model.pt2 cannot be read" in page.text


def test_the_certificate_of_another_bundle_is_told(bundle):
    path = bundle / "parity.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    document["files"]["model.onnx"] = "0" * 64
    path.write_text(seal(document, indent=1))
    damaged_page(bundle, "model.onnx is not the file that was exported: parity.json tells another")


def test_a_damaged_manifest_is_told(bundle):
    path = bundle / "MANIFEST.json"
    path.write_text(path.read_text().replace("1", "2", 1))
    page = damaged_page(bundle, "MANIFEST.json")
    assert "as parity.json says" in page.text


def test_a_certificate_of_another_version_is_told(bundle):
    path = bundle / "parity.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    path.write_text(seal({**document, "format_version": 99}, indent=1))
    damaged_page(bundle, "has format version 99")


@pytest.mark.parametrize("odd", [None, 3, [], {"a": 1}, "text"])
@pytest.mark.parametrize("key", ["figures", "subjects", "contracts", "versions", "files"])
def test_a_certificate_may_hold_anything(bundle, key, odd):
    path = bundle / "parity.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    path.write_text(seal({**document, key: odd}, indent=1))
    result = invoke("inspect", bundle, "--html")
    assert result.exit_code == 1
    read(result.stdout)


def test_what_is_no_bundle_has_no_page(tmp_path):
    for path, said in ((tmp_path, "is no bundle, it has no"), (tmp_path / "x", "does not exist")):
        result = invoke("inspect", path, "--html")
        assert (result.exit_code, result.stdout) == (1, "")
        assert said in result.stderr
