"""Small and large numbers as people write them: 4.3·10⁻⁶."""

from typing import Final

_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: int) -> str:
    """Such as 10⁻⁶."""
    return f"10{str(exponent).translate(_RAISED)}"


def scientific(value: float) -> str:
    """`value` with two significant digits, with a power of ten where it is below 0.001."""
    if value == 0 or not 0 < abs(value) < 1e-3:
        return f"{value:,.2g}" if abs(value) < 100 else f"{value:,.0f}"
    return in_powers(value, 2)


def in_powers(value: float, digits: int) -> str:
    """`value` with so many significant digits, six at most, and a power of ten."""
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{float(mantissa):g}·{power_of_ten(int(exponent))}"
