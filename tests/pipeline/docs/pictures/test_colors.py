"""The colours of the pictures."""

import re

import pytest

from pipeline.docs.documented import ROOT
from report.figures.palette import LIGHT


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", sorted({*LIGHT} - {"paper", "grid"}))
def test_text_in_every_colour_has_contrast_on_paper(name):
    paper, ink = luminance(LIGHT["paper"]), luminance(LIGHT[name])
    assert (paper + 0.05) / (ink + 0.05) > 5


def test_colours_are_those_of_the_report():
    style = ROOT / "report" / "templates" / "style.css"
    if not style.is_file():
        pytest.skip("the report has no style sheet here")
    light = style.read_text(encoding="utf-8").split("}")[0]
    assert LIGHT.items() <= dict(re.findall(r"--(\w+): (#\w+);", light)).items()
