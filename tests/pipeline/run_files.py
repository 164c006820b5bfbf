"""Run folders taken apart and put together again."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from serve_runtime.bundle.manifest import FileEntry
from serve_runtime.bundle.sealed_json import seal
from train.persistence import run_folder


def forge(folder: Path, change: Callable[[Any], object]) -> None:
    """Change the checkpoint's content in place, or put what `change` returns in its place, and
    write metrics.json anew, so that the digests agree."""
    saved = torch.load(folder / run_folder.CHECKPOINT, weights_only=True)
    changed = change(saved)
    buffer = io.BytesIO()
    torch.save(saved if changed is None else changed, buffer)
    (folder / run_folder.CHECKPOINT).write_bytes(buffer.getvalue())
    reseal(folder, checkpoint=vars(FileEntry.of(buffer.getvalue())))


def reseal(folder: Path, **changes: Any) -> None:
    """Change entries of metrics.json, and seal it again."""
    document = json.loads((folder / run_folder.METRICS).read_text())
    del document["sha256"]
    text = seal(document | changes, indent=1)
    (folder / run_folder.METRICS).write_text(text, encoding="utf-8")
