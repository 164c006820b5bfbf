"""Every block of every page does what the page says, and every file that it names is there."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from importlib.util import find_spec
from itertools import groupby, pairwise
from pathlib import Path

import click
import pytest

import export.cli
import report.cli
import serve_runtime.cli
import train.cli
from pipeline.docs.documented import (
    PAGES,
    ROOT,
    Block,
    adult_files,
    blocks,
    read_page,
    run,
    write_patients,
)
from train.recipe.recipe import Recipe

README = "README.md"
LANGUAGES = {"python", "console", "sh", "toml", "text"}
"""A `text` block is the output of the Python block before it, or a drawing."""

COMMANDS = {"train": train.cli.main, "export": export.cli.main, "report": report.cli.main}
OTHERS = {
    "cd",
    "cat",
    "curl",
    "echo",
    "git",
    "head",
    "kill",
    "ls",
    "pip",
    "sha256sum",
    "source",
    ".",
}
"""Commands that are not ours, and are not checked."""

OF_KIND = {name: [b for page in PAGES for b in blocks(page) if b.language == name]
           for name in LANGUAGES}  # fmt: skip

ADULT = "adult-train.csv"
"""What a block names that needs the Adult table, which is no part of the project."""

FOLDERS = (
    *("benchmarks", "docs", "examples", "export", "recipes", "report", "serve_runtime", "tests"),
    "train",
)


@pytest.fixture(scope="module")
def after_readme(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str]]]:
    """The folder of a reader who has followed README.md, and what each of its steps printed."""
    folder = tmp_path_factory.mktemp("reader")
    write_patients(folder)
    return folder, list(follow(README, folder))


def follow(page: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Run the Python and console blocks of a page in order: the output expected, and the found.

    Blocks about the Adult table have a test of their own.
    """
    found = [block for block in blocks(page) if ADULT not in block.text]
    for block, following in pairwise([*found, Block(page, 0, "", "")]):
        if block.language == "python":
            yield following.text, run([sys.executable, "-c", block.text], folder)
        elif block.language == "console":
            yield from steps_of(block, folder)


def steps_of(block: Block, folder: Path) -> Iterator[tuple[str, str]]:
    """Run the commands of a console block: the output expected, and the found."""
    for step in re.split(r"^\$ ", block.text.replace("\\\n", ""), flags=re.M)[1:]:
        command, _, output = step.partition("\n")
        yield output, run(["bash", "-c", f"set -o pipefail; {command}"], folder)


def assert_output(expected: str, found: str) -> None:
    flags = ELLIPSIS | NORMALIZE_WHITESPACE
    assert OutputChecker().check_output(expected, found, flags), f"{expected}\n---\n{found}"


def test_blocks_are_of_kinds_that_are_checked() -> None:
    assert {block.language for page in PAGES for block in blocks(page)} <= LANGUAGES


def test_python_blocks_are_followed_by_their_output() -> None:
    for page in PAGES:
        for block, following in pairwise([*blocks(page), Block(page, 0, "", "")]):
            assert block.language != "python" or following.language == "text", str(block)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_what_it_says(
    page: str, after_readme: tuple[Path, list[tuple[str, str]]], tmp_path: Path
) -> None:
    folder, steps = after_readme
    if page != README:
        folder = shutil.copytree(folder, tmp_path / "reader")
        steps = list(follow(page, folder))
    for expected, found in steps:
        assert_output(expected, found)


def test_the_readme_prints_what_it_says_of_adult(tmp_path: Path) -> None:
    files = adult_files()
    if files is None:
        pytest.skip("the Adult table is not in shared/data")
    for file in files:
        shutil.copy(file, tmp_path)
    about = [block for block in blocks(README) if ADULT in block.text]
    assert about
    for block in about:
        for expected, found in steps_of(block, tmp_path):
            assert_output(expected, found)


@pytest.mark.parametrize("block", OF_KIND["toml"], ids=str)
def test_a_toml_block_is_a_recipe(block: Block) -> None:
    Recipe.from_dict(tomllib.loads(block.text))


@pytest.mark.parametrize("block", OF_KIND["sh"], ids=str)
def test_a_shell_block_holds_commands_that_exist(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    for words in simple_commands(block.text):
        check_command(words)


def simple_commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell text, each as its words; `&&`, `|`, `;` and redirections split."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for divides, words in groupby(lexer, key=lambda word: set(word) <= set("&|;<>()")):
            found = list(words)
            if not divides:
                yield found


def check_command(words: list[str]) -> None:
    """Fail unless a command has this name, and takes these options and arguments."""
    match words:
        case ["serve-runtime", *rest]:
            parse(serve_runtime.cli.main, rest)
        case ["python", "-m", "train" | "export" as name, *rest]:
            parse(COMMANDS[name], rest)
        case ["torchrun", *rest]:
            assert "-m" in rest
            parse(COMMANDS["train"], rest[rest.index("-m") + 2 :])
        case [".venv/bin/python" | "python", "-m", module, *_]:
            assert find_spec(module) is not None, words
        case ["python", file, *_]:
            assert (ROOT / file).is_file(), words
        case ["make", *rest]:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            for target in (word for word in rest if "=" not in word):
                assert re.search(rf"^{target}:.*## ", makefile, re.M), words
        case [name, *_]:
            assert name in OTHERS or (ROOT / name).exists() or name.startswith(".venv/"), words


def parse(command: click.Command, words: list[str]) -> None:
    """Have click parse the words, as it would before it runs the command."""
    with command.make_context(command.name, words) as context:
        if isinstance(command, click.Group):
            name, found, rest = command.resolve_command(context, words)
            assert found is not None, words
            found.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", read_page(page), flags=re.M | re.S)
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path if path else ROOT / page).resolve()
        assert file.exists(), f"{page} links {target}"
        assert not anchor or anchor in anchors(file), f"{page} links {target}"


def anchors(file: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str) -> None:
    named = re.findall(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*\w/?", read_page(page))
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing == set()
