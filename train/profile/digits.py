"""Numbers as profile.json holds them: in as few digits as say what is to be said."""

from serve_runtime.arrays import Floats


def shortest(values: Floats) -> list[float]:
    """The float32 values nearest to `values` (n,), in the fewest digits that tell them."""
    return [float(str(value)) for value in values.astype("f4")]


def rounded(values: Floats, digits: int) -> list[float]:
    """`values` (n,) to so many significant digits; whole numbers, with 0."""
    if not digits:
        return [int(value) for value in values]
    return [float(f"{value:.{digits}g}") for value in values.tolist()]
