"""The whole page: its frame, summary and sections, in one file that refers to nothing outside."""

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from markupsafe import Markup

from report.page import render
from report.sections import (
    architecture,
    data,
    files,
    model,
    performance,
    proof,
    rows,
    training,
)
from report.source import Source
from report.summary import summary
from serve_runtime.commands.version import installed_version

SECTIONS: Final = (data, training, performance, model, rows, architecture, proof, files)
"""In the order of the page."""


def document(source: Source) -> str:
    """The page as HTML: the same for the same run, bundle and library versions."""
    style, script = _joined(".css"), _joined(".js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    made = (module.section(source) for module in SECTIONS)
    return render(
        "page.html.j2",
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        run=source.folder.resolve().name,
        target=_target(source.recipe.get("data", {})),
        source=source,
        summary=summary(source),
        sections=[section for section in made if section is not None],
        version=installed_version(),
    )


def _target(data: Mapping[str, Any]) -> str:
    """The name of the column that is predicted; empty where it is told by its place."""
    target = str(data.get("target", ""))
    return "" if target.lstrip("-").isdigit() or not data.get("header", True) else target


def _joined(ending: str) -> str:
    """The files of the templates' folder with this ending: the page's own first, then those of
    sections."""
    files = [file for file in resources.files("report").joinpath("templates").iterdir()
             if file.name.endswith(ending)]  # fmt: skip
    files.sort(key=lambda file: (file.name not in ("style.css", "explore.js"), file.name))
    return "\n" + "\n".join(file.read_text(encoding="utf-8") for file in files)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
