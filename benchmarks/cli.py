"""The command: asks questions, prints the answers, keeps the page of results."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks import (
    batches,
    crowd,
    everywhere,
    files,
    guest,
    memory,
    methods,
    million,
    one_row,
    page,
    reload,
    sizes,
    soak,
)
from benchmarks.answers import Answer, targets_on
from benchmarks.workshop import FULL, QUICK, Scale, Workshop

PAGE = Path(__file__).with_name("results.md")


@dataclass(frozen=True)
class Question:
    """A section of the page."""

    title: str
    answer: Callable[[Workshop], Answer]


QUESTIONS: Mapping[str, Question] = {
    "one-row": Question("What does one row cost?", one_row.answer),
    "batches": Question("And a batch, from 1 row to 10 million?", batches.answer),
    "methods": Question("And the other methods?", methods.answer),
    "everywhere": Question("Is anything slower than scikit-learn?", everywhere.answer),
    "million": Question("A million rows, however they lie?", million.answer),
    "files": Question("A file?", files.answer),
    "memory": Question("Does memory grow with the file?", memory.answer),
    "guest": Question("What does a program pay that embeds it?", guest.answer),
    "sizes": Question("And on disk?", sizes.answer),
    "crowd": Question("Many threads at once?", crowd.answer),
    "reload": Question("A new model under load?", reload.answer),
    "soak": Question("Does memory grow with the calls?", soak.answer),
}

_TARGETS, _MACHINE = "targets", "machine"
_TITLES = {
    _TARGETS: "Targets",
    _MACHINE: "The machine",
    **{name: question.title for name, question in QUESTIONS.items()},
}


def ask(names: tuple[str, ...], scale: Scale, results: Path) -> None:
    """Answer the questions `names`, print each answer, and put it into the page `results`."""
    text = results.read_text(encoding="utf-8") if results.exists() else page.new(_TITLES)
    with TemporaryDirectory() as folder:
        shop = Workshop(Path(folder), scale, results.with_suffix(".svg"))
        for name in names:
            start = time.perf_counter()
            click.secho(f"\n{QUESTIONS[name].title}\n", bold=True)
            answer = QUESTIONS[name].answer(shop)
            made = f"Asked on {date.today().isoformat()}, for {time.perf_counter() - start:.0f} s."
            click.echo(f"{answer.text()}\n\n{made}")
            others = page.replace(text, _TARGETS, "")
            text = page.replace(others, name, f"{answer.markdown()}\n\n{made}")
            text = page.replace(text, _TARGETS, targets_on(text).markdown())
            text = page.replace(text, _MACHINE, page.machine())
            results.write_text(text, encoding="utf-8")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(QUESTIONS)), help="These questions.")
@click.option("--quick", is_flag=True, help="About a minute, less exact; leaves results.md alone.")
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page of results, made where it is not there; its picture lies beside it.",
)
def main(only: tuple[str, ...], quick: bool, results: Path | None) -> None:
    """Time serve_runtime beside others and beside what the machine can do."""
    names = only or tuple(QUESTIONS)
    if quick and results is None:
        with TemporaryDirectory() as folder:
            ask(names, QUICK, Path(folder) / PAGE.name)
    else:
        ask(names, QUICK if quick else FULL, results or PAGE)
