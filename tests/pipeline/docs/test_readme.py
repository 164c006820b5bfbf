"""README.md: short, with the commands that a reader needs, and figures from the pages it quotes."""

import re

from pipeline.docs.documented import PAGES, ROOT, read_page

README = read_page("README.md")


def test_the_readme_is_one_page() -> None:
    assert README.count("\n") <= 150


def test_the_first_screen_shows_commands_and_python() -> None:
    first = "\n".join(README.splitlines()[:45])
    assert "```console\n$ python -m train" in first
    assert "\n$ python -m export bundle" in first
    assert "\n$ serve-runtime score" in first
    assert "```python\n" in first


def test_the_two_commands_that_do_everything_are_there() -> None:
    for command in ("make run ", "make test "):
        assert re.search(rf"^{command} ", README, re.M)


def test_make_targets_that_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", read_page(page), re.M)
    }
    assert named >= {"run", "test", "wheel", "train", "export", "verify", "score"}
    assert [t for t in named if not re.search(rf"^{t}:.*## ", makefile, re.M)] == []
