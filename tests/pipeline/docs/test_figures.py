"""The page of figures, docs/parity.md, has them all, and the README quotes them rightly."""

import pytest

from docs import machines
from docs.figures import PAGE, PICTURE
from docs.figures import SECTIONS as OWN

SECTIONS = (*OWN, *machines.SECTIONS)
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_figures(name: str) -> None:
    assert TEXT.count(f"<!-- figures: {name} -->\n") == 1
    content = TEXT.split(f"<!-- figures: {name} -->\n")[1].split("<!-- end -->")[0]
    assert any(character.isdigit() for character in content)


def test_every_section_of_the_page_is_made() -> None:
    assert TEXT.count("<!-- figures: ") == TEXT.count("<!-- end -->") == len(SECTIONS)
    assert PICTURE.exists()


@pytest.mark.parametrize("name", ["torch.onnx.export", "skl2onnx"])
def test_the_readme_quotes_the_page(name: str) -> None:
    line = next(line for line in TEXT.splitlines() if line.startswith(f"| {name} |"))
    outside = line.split(" | ")[1]
    assert outside in (PAGE.parents[1] / "README.md").read_text(encoding="utf-8")
