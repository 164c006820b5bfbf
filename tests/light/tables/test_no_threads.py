"""Where the system allows no new thread, one does all the work and says so."""

import threading

import pytest

from light.helpers import TINY, column
from serve_runtime import InputError, Predictor, score_file
from serve_runtime.tables.background import read_ahead, write_behind

NOTICE = r"the system allows no more threads \(can't start new thread\): one reads"


@pytest.fixture
def no_threads(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


def read_all(items, read):
    with read_ahead(items) as ahead:
        read.extend(ahead)


def write_all(items, write):
    with write_behind(write) as put:
        for item in items:
            put(item)


def test_items_are_read_one_after_the_other(no_threads):
    read = []
    with pytest.warns(RuntimeWarning, match=NOTICE):
        read_all((item for item in range(9)), read)
    assert read == list(range(9))


def test_an_error_of_the_reader_comes_after_what_it_read(no_threads):
    def items():
        yield 1
        raise OSError("gone")

    read = []
    with pytest.warns(RuntimeWarning, match=NOTICE), pytest.raises(OSError, match="gone"):
        read_all(items(), read)
    assert read == [1]


def test_items_are_written_in_order_and_errors_raised(no_threads):
    written = []
    with pytest.warns(RuntimeWarning, match=NOTICE):
        write_all(range(5), written.append)
    assert written == list(range(5))

    def fail(item):
        raise OSError("full")

    with pytest.warns(RuntimeWarning, match=NOTICE), pytest.raises(OSError, match="full"):
        write_all([1], fail)


def test_a_table_is_scored_by_one_thread(no_threads, tmp_path, predictor):
    (tmp_path / "in.csv").write_text("x1,x2\n" + "1,2\n6,3\n" * 50_000)
    with pytest.warns(RuntimeWarning, match=NOTICE):
        assert score_file(predictor, tmp_path / "in.csv", tmp_path / "out.csv") == 100_000
    expected = [f"{p:.9g}" for p in predictor.probability([[1, 2], [6, 3]]).tolist()]
    found = column("probability", tmp_path / "out.csv")
    assert [float(p) for p in found[:2]] == pytest.approx([float(p) for p in expected])
    (tmp_path / "in.csv").write_text("x1,x2\n1,a\n")
    with pytest.warns(RuntimeWarning, match=NOTICE), pytest.raises(InputError, match="'a' is no"):
        score_file(predictor, tmp_path / "in.csv", tmp_path / "out.csv")


def test_a_batch_is_scored_by_one_thread(no_threads, cut_blocks, predictor):
    cut_blocks(16, 64)
    rows = [[1.0, 2.0], [6.0, 3.0]] * 100
    team = Predictor(TINY, threads=4)
    with pytest.warns(RuntimeWarning, match=r"allows no more threads .*: 1 of 4 score"):
        found = team.probability(rows)
    assert found.tobytes() == predictor.probability(rows).tobytes()
