import gc
import signal
import threading
import time
import weakref

import pytest

from serve_runtime.tables.background import read_ahead, write_behind


class BrokenError(Exception):
    """What one side raises."""


def wait_until(done):
    for _ in range(500):
        if done():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before  # others may end meanwhile


def counted(count, taken):
    for i in range(count):
        taken.append(i)
        yield i


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_items_come_in_order_from_another_thread(count):
    threads = []

    def items():
        for i in range(count):
            threads.append(threading.get_ident())
            yield i

    with read_ahead(items()) as taken:
        assert list(taken) == list(range(count))
    assert threading.get_ident() not in threads


def test_only_a_few_items_are_taken_ahead():
    taken = []
    with read_ahead(counted(100, taken)) as items:
        assert next(items) == 0
        assert wait_until(lambda: len(taken) == 3)
        time.sleep(0.05)
        assert len(taken) == 3
    assert len(taken) == 3


def test_an_error_comes_in_its_place():
    def items():
        yield 1
        yield 2
        raise BrokenError("reason")

    with read_ahead(items()) as taken:
        assert (next(taken), next(taken)) == (1, 2)
        with pytest.raises(BrokenError, match="reason"):
            next(taken)


def test_leaving_early_ends_a_read_that_waits_and_closes():
    waiting, closed = threading.Event(), []

    def items():
        try:
            yield 1
            waiting.wait()
            yield 2
        finally:
            closed.append(True)

    with read_ahead(items(), waiting.set) as taken:
        assert next(taken) == 1
    assert closed == [True]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are those of POSIX")
def test_a_wait_ends_at_a_signal_that_another_thread_got():
    """As at one that comes just before the wait begins: neither ends the wait by itself."""
    waiting, ended_by_leaving = threading.Event(), []

    def items():
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        ended_by_leaving.append(waiting.wait(10))
        yield 1

    def interrupt(*_):
        raise BrokenError("interrupted")

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(BrokenError), read_ahead(items(), waiting.set) as taken:
            next(taken)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended_by_leaving == [True]


def test_items_are_written_in_order_by_another_thread():
    written = []
    with write_behind(lambda item: written.append((item, threading.get_ident()))) as write:
        for item in range(100):
            write(item)
    assert [item for item, _ in written] == list(range(100))
    assert threading.get_ident() not in {thread for _, thread in written}


def test_only_a_few_items_wait_to_be_written():
    go, done = threading.Event(), []
    with write_behind(lambda _: go.wait()) as write:

        def put():
            for item in range(10):
                write(item)
                done.append(item)

        thread = threading.Thread(target=put)
        thread.start()
        assert wait_until(lambda: len(done) == 2)
        time.sleep(0.05)
        assert len(done) == 2
        go.set()
        thread.join()
    assert len(done) == 10


def test_after_an_error_of_writing_nothing_more_is_written():
    written = []

    def fail(item):
        written.append(item)
        if item == 3:
            raise BrokenError("full")

    def put_all():
        with write_behind(fail) as write:
            for item in range(100):
                write(item)

    with pytest.raises(BrokenError, match="full"):
        put_all()
    assert len(written) < 8


def test_a_caught_error_of_writing_is_raised_by_every_later_call():
    tries = []

    def fail(item):
        tries.append(item)
        raise BrokenError("full")

    def put_all():
        with write_behind(fail) as write:
            write(0)
            assert wait_until(lambda: tries)
            for item in range(1, 5):
                with pytest.raises(BrokenError, match="full"):
                    write(item)

    with pytest.raises(BrokenError, match="full"):
        put_all()
    assert tries == [0]


@pytest.mark.parametrize("side", ["read", "write"])
def test_a_failed_batch_is_let_go_without_a_collection(side):
    class Batch:
        """Something that can be weakly referenced."""

    def fail(item):
        raise BrokenError("full")

    def generate():
        batch = Batch()
        seen.append(weakref.ref(batch))
        yield 1
        fail(batch)

    def run():
        if side == "read":
            with read_ahead(generate()) as items:
                list(items)
        else:
            batch = Batch()
            seen.append(weakref.ref(batch))
            with write_behind(fail) as write:
                write(batch)

    seen = []
    gc.disable()
    try:
        with pytest.raises(BrokenError) as raised:
            run()
        del raised
        assert wait_until(lambda: seen[0]() is None)
    finally:
        gc.enable()


def test_what_ends_the_reading_may_fail_itself():
    closed = []

    def items():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    def fail():
        raise BrokenError("cancel")

    with pytest.raises(BrokenError, match="cancel"), read_ahead(items(), fail) as taken:
        next(taken)
    assert closed == [True]


def test_the_error_of_the_last_item_is_raised_on_leaving():
    def fail(item):
        raise BrokenError(item)

    with pytest.raises(BrokenError, match="last"), write_behind(fail) as write:
        write("last")


def test_leaving_on_an_error_drops_what_is_not_written():
    go, begun, written = threading.Event(), threading.Event(), []

    def slow(item):
        begun.set()
        go.wait()
        written.append(item)

    def fail():
        with write_behind(slow) as write:
            write(1)
            write(2)
            assert begun.wait(5)
            threading.Timer(0.1, go.set).start()
            raise BrokenError("reason")

    with pytest.raises(BrokenError, match="reason"):
        fail()
    assert written == [1]
    assert wait_until(lambda: threading.active_count() == 1 or not any(
        isinstance(thread, threading.Timer) for thread in threading.enumerate()))  # fmt: skip
