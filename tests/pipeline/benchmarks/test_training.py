"""The benchmarks of training, end to end at tiny sizes; nothing is asserted of a time."""

import re
from pathlib import Path

from benchmarks.training.cli import TRAINING
from pipeline.benchmarks.tiny import TINY, section


def test_every_section_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "training.md"
    TRAINING.run(tuple(TRAINING.sections), TINY, path)
    text = path.read_text(encoding="utf-8")
    for name in TRAINING.sections:
        assert re.search(r"Measured on \d{4}-\d\d-\d\d; took \d+ s\.\n$", section(text, name))
    assert "| one read (torch.sum) |" in text
    assert "train to two reads ≤ 1.25×" in text.split("## The machine")[0]
    assert len(list(tmp_path.iterdir())) == 1
