"""What the tests of the report look for in its HTML."""

import re
from html.parser import HTMLParser

VOID = {"input", "br", "img", "hr", "meta", "link"}
OPTIONAL = {"td", "th", "tr"}
"""Elements of which the end may be left out."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(html: str) -> _Reader:
    """The tags and texts of `html`, which has to be well-formed, and to hold nothing that the
    page's security policy forbids, no control character and no id twice."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    for tag, attributes in reader.tags:
        assert tag not in ("script", "style", "h1", "h2", "iframe")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert not (attributes.get("href") or "#").lstrip("#").startswith(("http", "javascript"))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not re.search("[\0-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", html)
    return reader


def text_of(html: str) -> str:
    """Its words, with one space between them."""
    return " ".join(" ".join(read(html).texts).split())
