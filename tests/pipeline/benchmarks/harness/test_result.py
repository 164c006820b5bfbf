import pytest

from benchmarks.harness.result import Result, Target, at_least, at_most, ratio_text, targets_on
from export.text_table import TextTable


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (at_most("a", 1.0, 1), ("a ≤ 1×", "1.00×", "met")),
        (at_most("a", 1.004, 1), ("a ≤ 1×", "1.00×", "missed")),
        (at_least("b", 2.0, 2), ("b ≥ 2×", "2.00×", "met")),
        (at_least("b", 1.9, 2), ("b ≥ 2×", "1.90×", "missed")),
    ],
)
def test_a_target_says_met_or_missed(target: Target, line: tuple[str, str, str]) -> None:
    result = Result([TextTable(("x", "y"), [("1", "2")])], [target])
    assert targets_on(result.markdown()).rows == [line]
    assert line[1] in result.text()


def test_a_ratio_below_one_is_in_bold() -> None:
    assert [ratio_text(ratio) for ratio in (0.5, 1.0, 12.345, 345.6)] == [
        "**0.50×**", "1.00×", "12.35×", "346×",
    ]  # fmt: skip
