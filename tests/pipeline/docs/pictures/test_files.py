"""The files are as the pages need them: all there, small, accessible, the same each time."""

import re
from xml.etree import ElementTree

import pytest

from docs.pictures.cli import PICTURES
from pipeline.docs.documented import read_page
from pipeline.docs.pictures.shown import FOLDER, SVG, texts


def test_pages_show_all_that_is_made():
    names = {*PICTURES, "diabetes"}
    assert {path.stem for path in FOLDER.glob("*.svg")} == names
    shown = re.findall(
        r"^!\[[^\]]{20,}\]\(pictures/([\w-]+)\.svg\)$", read_page("docs/pictures.md"), re.M
    )
    assert sorted(shown) == sorted(names)
    of_readme = re.findall(
        r"^!\[[^\]]{20,}\]\(docs/pictures/([\w-]+)\.svg\)$", read_page("README.md"), re.M
    )
    assert len(of_readme) == 2
    assert set(of_readme) < names


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_same_twice_and_as_committed(name, picture, experiments):
    svg = picture(name).svg(name)
    assert PICTURES[name](experiments).svg(name) == svg
    # Other processors round otherwise, so that the committed lines may differ by a hundredth.
    assert texts((FOLDER / f"{name}.svg").read_text(encoding="utf-8")) == texts(svg)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.svg")), ids=lambda file: file.stem)
def test_a_file_is_small_complete_and_accessible(file):
    svg = file.read_text(encoding="utf-8")
    assert len(svg.encode()) < 200_000
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    named = [root.find(f"{SVG}{tag}") for tag in ("title", "desc")]
    assert root.get("aria-labelledby") == " ".join(part.get("id") for part in named)
    assert all(len(part.text) > 15 for part in named)
    assert texts(svg)
    assert root[2].tag == f"{SVG}rect"  # the paper, below all else
    assert root[2].get("fill") == "#ffffff"
    assert not re.search(r'href="[^#]|var\(|@import|<script|nan', svg)
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', svg)) <= set(ids)
