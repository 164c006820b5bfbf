"""Names, values and messages as a person may see them: whole on a line, and of bounded length.

What a file holds may be anything: a name of a million characters, or one with the codes that move
a terminal's cursor or turn the direction of writing. Every text that comes from elsewhere goes
through here before it is shown. Standard library only, and little of it: errors import this.
"""

from collections.abc import Callable, Collection
from itertools import islice
from typing import Any

MOST_CHARACTERS = 60
"""Of one name or value; of a longer one both ends are shown."""

MOST_NAMES = 8
"""Of a list; of a longer one the first are shown, and how many more there are."""

MOST_MESSAGE = 1500
"""Characters of a message: some twenty lines. Ours have less; this holds whatever they quote."""


def quoted(value: object) -> str:
    """A name or a value in quotation marks, so that blanks show; numbers as they are.

    Characters that do not print are escaped, and the middle of a long one is left out.
    """
    if isinstance(value, str):
        return repr(shortened(str(value), MOST_CHARACTERS))
    try:
        text = str(value.item()) if hasattr(value, "item") else repr(value)
    except Exception:  # a number of more digits than Python prints, an object that fails
        text = f"<{type(value).__name__}>"
    return printable(shortened(text, MOST_CHARACTERS))


def listed(
    names: Collection[Any],
    most: int = MOST_NAMES,
    *,
    show: Callable[[Any], str] = quoted,
    joint: str = ", ",
) -> str:
    """The first `most` names, each as `show` writes it, and how many more there are."""
    more = len(names) - most
    said = joint.join(map(show, islice(names, most)))
    return said + (f" and {more:,} more" if more > 0 else "")


def printable(text: str) -> str:
    """`text` with every character escaped that does not print, but for line ends.

    Those are control characters, what changes the direction of writing or has no width, blanks
    that look like a space, and halves of surrogate pairs.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def message(text: str) -> str:
    """A message whatever it quotes: `printable`, and of at most MOST_MESSAGE characters or so.

    Long words, such as paths, are shortened first, so that what is said of them stays.
    """
    if len(text) > MOST_MESSAGE:
        words = (shortened(word, MOST_MESSAGE // 5) for word in text.split(" "))
        text = shortened(" ".join(words), MOST_MESSAGE)
    return printable(text)


def shortened(text: str, most: int) -> str:
    """`text`, or of one of more than `most` characters both ends and how many it has."""
    if len(text) <= most:
        return text
    return f"{text[: most - most // 4]}… ({len(text):,} characters) …{text[-(most // 4) :]}"
