"""The whole page: its frame, summary and sections, in one file that refers to nothing outside."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from importlib import import_module, resources
from pkgutil import iter_modules
from typing import Final

from markupsafe import Markup

import report.sections
from report.page import render
from report.section import Section
from report.source import Source
from report.summary import summary
from serve_runtime.commands.version import installed_version

ORDER: Final = (
    *("data", "training", "performance", "model", "rows", "architecture", "proof", "files"),
)
"""The modules of report.sections, as the page has them."""


def document(source: Source) -> str:
    """The page as HTML: the same for the same run, bundle and library versions."""
    style, script = _joined(".css"), _joined(".js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    found = [section for make in sections() if (section := make(source)) is not None]
    return render(
        "page.html.j2",
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        title=source.folder.resolve().name,
        source=source,
        summary=summary(source),
        sections=found,
        version=installed_version(),
    )


def sections() -> Iterator[Callable[[Source], Section | None]]:
    """What makes each section, in the order of the page."""
    there = {module.name for module in iter_modules(report.sections.__path__)}
    for name in ORDER:
        if name in there:
            yield import_module(f"report.sections.{name}").section


def _joined(ending: str) -> str:
    """The files of the templates' folder with this ending: the page's own first, then those of
    sections."""
    files = [file for file in resources.files("report").joinpath("templates").iterdir()
             if file.name.endswith(ending)]  # fmt: skip
    files.sort(key=lambda file: (file.name not in ("style.css", "explore.js"), file.name))
    return "\n" + "\n".join(file.read_text(encoding="utf-8") for file in files)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
