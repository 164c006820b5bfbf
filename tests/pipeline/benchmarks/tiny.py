"""A scale at which every section takes moments, and a way to read a section of a page."""

from benchmarks.harness.context import Scale

TINY = Scale(
    sizes=(1, 5),
    widths=(1, 3),
    grid_rows=(1, 64),
    seconds=0.001,
    rounds=(1, 1),
    rows=1000,
    file_rows=(1000, 1000),
    memory_rows=(1000, 2000),
    processes=1,
    calls=100,
)


def section(page: str, name: str) -> str:
    """What lies between the markers of section `name`."""
    found = page.split(f"<!-- figures: {name} -->\n")
    assert len(found) == 2
    return found[1].split("<!-- end -->")[0]
