"""Small pieces of HTML: escaped text, tables, lists, and the page around them.

Everything that comes from a file goes through `text` or `shown`. The page is ASCII: other
characters are written as references, so that no encoding can spoil them.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.pages.style import STYLE
from serve_runtime.shown import printable, shortened

MOST_NAME = 60
"""Characters of a name or a value; of a longer one both ends are shown."""


def text(value: object) -> str:
    """A text of ours, or a number, as HTML."""
    return escape(str(value))


def shown(value: object, most: int = MOST_NAME) -> str:
    """A name or a value from a file as HTML: what does not print is escaped, a long one is cut."""
    return escape(printable(shortened(str(value), most)).replace("\n", "\\n"))


def number(value: float) -> str:
    """Of six digits at most, with a true minus."""
    return f"{value:,.4g}".replace("-", "\N{MINUS SIGN}") if abs(value) < 1e4 else _long(value)


def _long(value: float) -> str:
    found = f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"
    return found.replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """A number with its sign."""
    return ("+" if value > 0 else "") + number(value)


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
) -> str:
    """A table of HTML cells, the first of each row its heading. `numbers` are the columns that are
    set to the right. It scrolls within itself where it is wider than the screen."""
    right = [' class="n"' if i in numbers else "" for i in range(len(heads))]
    head = "".join(f'<th scope="col"{c}>{h}</th>' for h, c in zip(heads, right, strict=True))
    body = "".join(
        f'<tr><th scope="row">{first}</th>'
        + "".join(f"<td{c}>{cell}</td>" for cell, c in zip(cells, right[1:], strict=True))
        + "</tr>\n"
        for first, *cells in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table>'
        f"<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>"
        "</table></div>\n"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of names and values, both HTML."""
    return "<dl>" + "".join(f"<div><dt>{n}</dt><dd>{v}</dd></div>\n" for n, v in pairs) + "</dl>\n"


def code(caption: str, lines: Sequence[str]) -> str:
    """Lines of code to copy: a click selects them all."""
    body = escape(printable("\n".join(lines)))
    return f'<p>{text(caption)}</p>\n<pre tabindex="0"><code>{body}</code></pre>\n'


def section(key: str, title: str, body: str) -> str:
    """A part of the page with a heading of the second level; empty where there is nothing."""
    if not body:
        return ""
    heading = f'<h2 id="{key}-h">{text(title)}</h2>'
    return f'<section id="{key}" aria-labelledby="{key}-h">\n{heading}\n{body}</section>\n'


def page(title: str, body: str) -> str:
    """The page as ASCII text. Nothing is fetched and nothing is run: the style is allowed by its
    digest, and that is all that its security policy allows."""
    digest = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    found = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
    return found.encode("ascii", "xmlcharrefreplace").decode()
