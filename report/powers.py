"""Small and large numbers as people write them: 4.3·10⁻⁶."""

from math import floor, log10
from typing import Final

_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: int) -> str:
    """Such as 10⁻⁶."""
    return f"10{str(exponent).translate(_RAISED)}"


def scientific(value: float) -> str:
    """`value` with two significant digits, with a power of ten where it is below 0.001."""
    if value == 0 or not 0 < abs(value) < 1e-3:
        return f"{value:,.2g}" if abs(value) < 100 else f"{value:,.0f}"
    exponent = floor(log10(abs(float(f"{value:.2g}"))))
    digits = f"{value:.1e}".split("e")[0]
    return f"{float(digits):g}·{power_of_ten(exponent)}"
