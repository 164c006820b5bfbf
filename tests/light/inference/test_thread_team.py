"""Threads that help: what they hold on to, and what happens where there can be none."""

import threading
import weakref

import pytest

from serve_runtime.inference.thread_team import ThreadTeam


class Work:
    """A call that holds a batch, say."""

    def __call__(self):
        pass


def test_a_finished_call_is_let_go_while_threads_are_busy():
    begun, end, helpers = threading.Barrier(3), threading.Event(), ThreadTeam(1)

    def long():
        begun.wait(20)
        end.wait(20)

    other = threading.Thread(target=helpers.run, args=(long,))
    other.start()
    begun.wait(20)  # the other thread and the helper are both in it
    try:
        for _ in range(3):
            work = Work()
            alive = weakref.ref(work)
            helpers.run(work)
            del work
            assert alive() is None
    finally:
        end.set()
        other.join(20)


def test_where_no_thread_can_be_had_the_caller_works_alone(monkeypatch):
    started = []

    def start(thread):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        begin(thread)

    begin = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.warns(
        RuntimeWarning, match=r"allows no more threads \(can't start .*: 2 of 4 score"
    ):
        helpers, calls = ThreadTeam(3), []
    helpers.run(lambda: calls.append(threading.get_ident()))
    assert threading.get_ident() in calls
    assert len(calls) <= 2
    del helpers
    started[0].join(20)
    assert not started[0].is_alive()
