from functools import partial
from itertools import pairwise

from benchmarks.harness.timing import Times, time_in_rounds


def test_a_round_times_every_call_in_a_new_order() -> None:
    order: list[str] = []

    def call(name: str) -> None:
        order.append(name)
        sum(range(300_000))  # longer than what short calls are repeated for

    names = ("a", "b", "c")
    found = time_in_rounds({name: partial(call, name) for name in names}, seconds=0, rounds=(8, 99))
    assert found.rounds == 8
    assert set(found.seconds) == set(names)
    timed = [name for name, next_name in pairwise(order) if name != next_name]
    assert len({tuple(timed[i : i + 3]) for i in range(0, len(timed) - 3, 3)}) > 1


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    found = Times({"ours": [1.0, 10.0, 3.0], "theirs": [2.0, 30.0, 4.0]})
    assert found.ratio("theirs", "ours") == 2
    assert found.median("theirs") == 4
    assert found.fastest(["theirs", "ours"]) == "ours"
