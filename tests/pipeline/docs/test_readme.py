"""The README's code blocks do what the README says."""

import re
import sys
import tomllib
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest

from pipeline.docs.documented import ROOT, prepare, run
from train.recipe.recipe import Recipe

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    (match["language"], match["text"])
    for match in re.finditer(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", README, re.M | re.S)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("readme"))


def assert_output(expected: str, found: str) -> None:
    flags = ELLIPSIS | NORMALIZE_WHITESPACE
    assert OutputChecker().check_output(expected, found, flags), f"{expected}\n---\n{found}"


def python_blocks() -> list[tuple[str, str]]:
    return [
        (text, BLOCKS[i + 1][1])
        for i, (language, text) in enumerate(BLOCKS)
        if language == "python"
    ]


def test_every_python_block_is_followed_by_its_output() -> None:
    assert [BLOCKS[i + 1][0] for i, block in enumerate(BLOCKS) if block[0] == "python"] == [
        "text",
    ] * 5


@pytest.mark.parametrize(("code", "output"), python_blocks())
def test_python_block_prints_what_the_readme_says(folder: Path, code: str, output: str) -> None:
    assert_output(output, run([sys.executable, "-c", code], folder))


def test_console_blocks_print_what_the_readme_says(folder: Path) -> None:
    sessions = [text for language, text in BLOCKS if language == "console"]
    commands = [part for text in sessions for part in re.split(r"^\$ ", text, flags=re.M)[1:]]
    assert len(commands) == 6
    for part in commands:
        command, _, output = part.partition("\n")
        assert_output(output, run(["bash", "-c", f"set -o pipefail; {command}"], folder))


def test_toml_block_is_a_recipe_with_the_real_defaults() -> None:
    (text,) = (text for language, text in BLOCKS if language == "toml")
    recipe = Recipe.from_dict(tomllib.loads(text))
    assert (recipe.model, recipe.optimizer, recipe.log) == (
        Recipe().model,
        Recipe().optimizer,
        Recipe().log,
    )
    assert recipe.data.holdout == Recipe().data.holdout


def test_make_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`?make ([a-z]+)", README)) - {"are", "sets"}
    assert named >= {"run", "test", "wheel", "train", "export", "verify", "score"}
    assert [t for t in named if not re.search(rf"^{t}:.*## ", makefile, re.M)] == []
