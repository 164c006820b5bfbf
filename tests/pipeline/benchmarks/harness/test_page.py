import click
import pytest

from benchmarks.harness.page import new_page, replace_section


def test_a_page_without_the_section_is_refused() -> None:
    with pytest.raises(click.ClickException, match=r"has 0 sections 'x'; required: one"):
        replace_section(new_page("# Page", {"y": "Why?"}), "x", "new")


@pytest.mark.parametrize("before", ["", "old\n", "old\n\n| table |\n"])
def test_a_section_is_replaced_and_nothing_else(before: str) -> None:
    page = "a\n<!-- figures: x -->\n{}<!-- end -->\nb\n<!-- figures: y -->\nkept\n<!-- end -->\nc\n"
    assert replace_section(page.format(before), "x", "new") == page.format("new\n")
