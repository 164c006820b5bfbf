"""docs/recipe.md holds the reference that the declarations of the keys make."""

import subprocess
import sys
import tomllib

import click
import pytest

from train.cli import main
from train.recipe.key_declaration import keys_of
from train.recipe.recipe import SECTIONS, Recipe
from train.recipe.reference import BEGIN, END, reference


@pytest.fixture
def page(repository) -> str:
    return (repository / "docs" / "recipe.md").read_text(encoding="utf-8")


def test_the_page_holds_the_reference(page):
    assert page.split(BEGIN)[1].split(END)[0].strip() == reference().strip()


def test_the_reference_has_a_line_for_every_key():
    lines = reference().splitlines()
    for section, kind in SECTIONS.items():
        start = lines.index(f"## [{section}]")
        for name in keys_of(kind):
            assert any(line.startswith(f"| `{name}` | ") for line in lines[start:])


def test_every_key_is_said_in_full():
    for kind in SECTIONS.values():
        for name, declared in keys_of(kind).items():
            assert declared.help.endswith("."), name
            assert declared.wanted, name
            assert declared.default, name


def test_the_example_of_the_page_is_a_recipe(page):
    text = page.split("```toml\n")[1].split("```")[0]
    assert Recipe.from_dict(tomllib.loads(text)).data.file == "customers.csv"


def test_options_are_those_that_are_declared():
    declared = {
        flag
        for kind in SECTIONS.values()
        for key in keys_of(kind).values()
        for flag in (key.flag or "").split("/")
    }
    options = [p for p in main.params if isinstance(p, click.Option) and "__" in str(p.name)]
    found = {flag for option in options for flag in (*option.opts, *option.secondary_opts)}
    assert found == declared - {""}
    assert len(options) == 37


def test_as_a_program_it_prints_the_reference(repository):
    command = [sys.executable, "-m", "train.recipe.reference"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == reference().strip()
