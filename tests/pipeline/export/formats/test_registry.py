"""The list of artifact formats: complete, opened when needed, and known without torch and onnx."""

import subprocess
import sys
from pathlib import Path

import pytest

from export.formats.artifact import ArtifactFormat
from export.formats.registry import ARTIFACT_NAMES, FORMATS
from pipeline.export.bundle_files import affine_of, card_of
from serve_runtime.bundle.model_file import MODEL_FILES


def test_file_names_and_layouts_are_unique_and_onnx_comes_first() -> None:
    assert len(set(ARTIFACT_NAMES)) == len(FORMATS)
    layouts = {f.onnx_layout: f.file_name for f in FORMATS if f.onnx_layout}
    assert layouts == MODEL_FILES
    assert ARTIFACT_NAMES[: len(layouts)] == tuple(MODEL_FILES.values())


@pytest.mark.parametrize("format_", FORMATS, ids=ARTIFACT_NAMES)
def test_every_format_opens_what_it_builds(
    pristine: Path, tmp_path: Path, format_: ArtifactFormat
) -> None:
    card, affine = card_of(pristine), affine_of(pristine)
    content = format_.build(affine, card)
    assert content == (pristine / format_.file_name).read_bytes()
    (tmp_path / format_.file_name).write_bytes(content)
    artifact = format_.load(tmp_path)
    assert (artifact.name, artifact.card) == (format_.file_name, card.to_json())
    assert artifact.affine.sha256() == affine.sha256()
    artifact.require_own_program()


def test_the_names_are_known_without_torch_and_onnx() -> None:
    code = (
        "import sys; sys.modules.update(torch=None, onnx=None); "
        "from export.formats.registry import ARTIFACT_NAMES; print(*ARTIFACT_NAMES)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert tuple(done.stdout.split()) == ARTIFACT_NAMES
