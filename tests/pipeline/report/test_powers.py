"""Numbers as people write them."""

import pytest

from report.powers import power_of_ten, scientific


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (4.3e-6, "4.3·10⁻⁶"),
        (9.99e-6, "1·10⁻⁵"),
        (1.5e-320, "1.5·10⁻³²⁰"),
        (0.00123, "0.0012"),
        (0.5, "0.5"),
        (1234.0, "1,234"),
        (float("inf"), "inf"),
    ],
)
def test_two_digits(value: float, text: str) -> None:
    assert scientific(value) == text


def test_powers() -> None:
    assert [power_of_ten(7), power_of_ten(-12)] == ["10⁷", "10⁻¹²"]
