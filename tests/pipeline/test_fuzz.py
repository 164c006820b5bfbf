"""Checkpoints that were damaged or resealed, by the thousands: refused, or exactly the same.

`make fuzz` runs more of them: FUZZ is how many times as many, FUZZ_SEED begins elsewhere.
"""

import io
import json
import os
import random
import resource
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from serve_runtime import ServeError
from serve_runtime.bundle.manifest import FileEntry
from serve_runtime.bundle.sealed_json import seal
from train.optimize.fit import FitState
from train.persistence import run_folder
from train.persistence.checkpoints import Checkpoints
from train.recipe.recipe import Recipe

TIMES = int(os.environ.get("FUZZ", "1"))
SEED = os.environ.get("FUZZ_SEED", "0")
MOST_MEMORY = 1_000_000_000
"""What reading adds; torch itself takes some hundred megabytes."""


def peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run."""
    from click.testing import CliRunner

    from train.cli import main

    folder = tmp_path_factory.mktemp("fuzz") / "run"
    points = "data.points={x=[[1,2],[2,1],[3,5],[4,4]],y=[0,1,0,1]}"
    arguments = ["--set", points, "--holdout", "0", "--epochs", "3", "--out", str(folder)]
    recipe = folder.parent / "r.toml"
    recipe.write_text("")
    result = CliRunner().invoke(main, ["--recipe", str(recipe), *arguments])
    assert result.exit_code == 0, result.output
    return folder


def reseal(folder: Path, content: bytes) -> None:
    """Put `content` in the checkpoint's place, with metrics.json made to fit."""
    (folder / "checkpoint.pt").write_bytes(content)
    document = json.loads((folder / "metrics.json").read_text())
    del document["sha256"]
    document["checkpoint"] = vars(FileEntry.of(content))
    (folder / "metrics.json").write_text(seal(document, indent=1))


def model(read) -> object:
    """What the card's digest of the weights protects; the sample of rows is no part of it."""
    return read.card, {name: tensor.tolist() for name, tensor in read.state_dict.items()}


def damaged(rng: random.Random, content: bytes) -> bytes:
    """The checkpoint with bytes changed, cut, copied or removed."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(found) + 1)
        kind = rng.randrange(5)
        if kind == 0 and found:
            found[at % len(found)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            del found[at : at + rng.choice((1, 8, 64))]
        elif kind == 3:
            found[at:at] = found[at : at + rng.choice((1, 64))]
        else:
            found[at : at + 4] = rng.randbytes(4)
    return bytes(found)


def test_damaged_checkpoints_are_refused(run, tmp_path):
    """Half of them with a digest that fits: then what is in them has to show it."""
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    content, expected = (run / "checkpoint.pt").read_bytes(), model(run_folder.read(run))
    before, said = peak(), []
    for number in range(1500 * TIMES):
        rng = random.Random(f"checkpoints/{SEED}/{number}")
        changed = damaged(rng, content)
        if number % 3:
            reseal(folder, changed)
        else:
            (folder / "checkpoint.pt").write_bytes(changed)
        try:
            found = run_folder.read(folder)
        except ServeError as reason:
            said.append(str(reason))
            continue
        except BaseException as reason:
            reason.add_note(f"case {number}, seed {SEED}")
            raise
        assert model(found) == expected, number
    assert all(text.replace("\n", "").isprintable() for text in said)
    assert peak() - before < MOST_MEMORY


class Resumed:
    """What a checkpoint of a training is written from, and loaded into."""

    def __init__(self) -> None:
        self.state, self.updated, self.found = FitState(), lambda: None, None

    def state_dict(self) -> dict:
        return {"theta": torch.tensor([1.0, 2.0]), "records": [{"epoch": 1, "cost": 0.5}]}

    def load_state_dict(self, found) -> None:
        self.found = found["theta"].tolist(), found["records"]


def test_damaged_resume_files_are_refused(tmp_path):
    said = []
    checkpoints = Checkpoints(
        Recipe.from_dict({"log": {"checkpoint_every": 1}}),
        tmp_path / "run",
        {"rows": "a"},
        {},
        said.append,
    )
    fit = Resumed()
    with checkpoints.keeping(fit):
        fit.updated()
    content, path = checkpoints.path.read_bytes(), checkpoints.path
    assert checkpoints.load(fit)
    expected, archive = fit.found, content.partition(b"\n")[2]
    for number in range(6000 * TIMES):
        rng = random.Random(f"resume/{SEED}/{number}")
        changed, fits = damaged(rng, content), number % 4 == 0
        if fits:  # the digests fit, and torch has to find what is wrong
            changed = damaged(rng, archive)
            header = json.loads(content.partition(b"\n")[0])
            del header["sha256"]
            header["content"] = vars(FileEntry.of(changed))
            changed = seal(header).encode() + b"\n" + changed
        path.write_bytes(changed)
        try:
            checkpoints.load(fit)
        except ServeError as reason:
            said.append(str(reason))
            continue
        except BaseException as reason:
            reason.add_note(f"case {number}, seed {SEED}")
            raise
        assert fits or changed == content, number
        assert fits or fit.found == expected, number
    assert len(said) > 5000 * TIMES
    assert all(text.replace("\n", "").isprintable() for text in said)


def saved(document) -> bytes:
    buffer = io.BytesIO()
    torch.save(document, buffer)
    return buffer.getvalue()


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (1 << 30))
    return buffer.getvalue()


def with_part(run: Path, *keys: str, value: object) -> bytes:
    document = torch.load(run / "checkpoint.pt", weights_only=True)
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return saved(document)


LAUGHS: list[object] = []
for _ in range(40):
    LAUGHS = [LAUGHS, LAUGHS]

PARTS = {
    "huge view": ("sample", torch.zeros(1, 1).expand(1 << 30, 2)),
    "meta": ("sample", torch.zeros(4, 2, device="meta")),
    "sparse": ("sample", torch.zeros(4, 2).to_sparse()),
    "text": ("sample", "x"),
    "complex": ("sample", torch.zeros(4, 2, dtype=torch.complex64)),
    "bfloat16": ("sample", torch.zeros(4, 2, dtype=torch.bfloat16)),
    "other width": ("sample", torch.zeros(4, 3)),
    "no tensors": ("state_dict", 5),
    "other tensors": ("state_dict", {"a": torch.zeros(1)}),
    "outer product": ("standardized", {"0.weight": torch.zeros(1, 2), "0.bias": torch.zeros(1),
                                       "mean": torch.zeros(1 << 15, 1), "scale": torch.ones(2)}),
    "no scale": ("standardized", {"0.weight": torch.zeros(1, 2), "0.bias": torch.zeros(1),
                                  "mean": torch.zeros(2), "scale": torch.zeros(2)}),
    "keys": ("standardized", {5: torch.zeros(2)}),
    "laughs": ("format_version", LAUGHS),
    "version": ("format_version", True),
    "card": ("card", b"\xff"),
    "long card": ("card", "[" * 100_000),
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_a_resealed_checkpoint_of_other_parts_is_one_message(run, tmp_path, part):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    key, value = PARTS[part]
    reseal(folder, with_part(run, key, value=value))
    before = peak()
    with pytest.raises(ServeError, match=r"checkpoint\.pt") as caught:
        run_folder.read(folder)
    assert len(str(caught.value)) < 1600
    assert peak() - before < MOST_MEMORY // 4


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x80\x02}.", saved([1]), saved(5), bomb()],
                         ids=["empty", "zip", "pickle", "list", "number", "bomb"])  # fmt: skip
def test_a_resealed_file_that_is_no_checkpoint_is_one_message(run, tmp_path, content):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    reseal(folder, content)
    before = peak()
    with pytest.raises(ServeError, match=r"checkpoint\.pt is no checkpoint of this project"):
        run_folder.read(folder)
    assert peak() - before < MOST_MEMORY // 4
