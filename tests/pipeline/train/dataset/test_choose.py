"""Whether rows fit into memory is judged by the first lines of a CSV."""

import gzip

import pytest

from train.dataset import choose


def test_lines_of_text_are_counted_by_the_first_ones(tmp_path):
    wide = "1.5," * 700 + "0\n"

    (tmp_path / "w.csv").write_text(wide * 2000)
    (tmp_path / "w.csv.gz").write_bytes(gzip.compress(wide.encode() * 2000))
    (tmp_path / "s.csv").write_text(wide * 7)
    assert choose._lines(str(tmp_path / "w.csv")) == pytest.approx(2000, rel=0.01)
    assert choose._lines(str(tmp_path / "s.csv")) == 7
    assert choose._lines(str(tmp_path / "w.csv.gz")) < 2000
