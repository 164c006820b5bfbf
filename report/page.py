"""The templates of the page, whose values are data: escaped, never taken for markup."""

from functools import cache, partial
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from report.wording import count, number, percent, score
from serve_runtime.shown import message, printable, shortened

_MOST: Final = 60
"""Characters of a name in the page; of a longer one both ends are shown."""


def render(template: str, **values: Any) -> Markup:
    """The HTML that `report/templates/{template}` makes of `values`.

    What is no Markup is escaped; a value that the template names and that is not given is an error.
    Filters beside those of Jinja: `name` for names and texts out of tables, `text` for sentences
    that quote them, `pythonic` for texts in code, and of report.wording `number` (of four digits),
    `score`, `counted` and `percent`.
    """
    return Markup(_environment().get_template(template).render(values))


def name(value: object) -> str:
    """A name or a text of a table as the page shows it: whole on a line, of bounded length, with
    what does not print or turns the direction of writing escaped; "(blank)" where nothing would be
    seen."""
    shown = printable(shortened(str(value), _MOST)).replace("\n", "\\n")
    return shown if shown.strip() else f"(blank: {len(str(value))} characters)"


def pythonic(value: object) -> str:
    """A text as Python, and a shell, take it: in quotation marks, in ASCII where it does not
    print."""
    return repr(value)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        name=name, text=message, pythonic=pythonic, number=partial(number, digits=4), counted=count,
        score=score, percent=percent,
    )  # fmt: skip
    return environment
