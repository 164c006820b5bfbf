"""A page read as a browser and a screen reader would, by the standard library."""

import base64
import hashlib
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "br", "hr", "img", "input"}
OPTIONAL = {"td", "th", "tr"}
"""Elements whose end tags HTML lets be left out."""
DRAWN = {"rect", "line", "path", "circle"}


class Page(HTMLParser):
    """What a page holds; `problems` is what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems, self.open, self.ids, self.links = [], [], [], []
        self.headings, self.tags, self.texts, self.code = [], [], [], []
        self.policy = self.style = ""
        self.feed(text)
        self.close()
        left = [tag for tag in self.open if tag not in OPTIONAL]
        if left:
            self.problems.append(f"not closed: {left}")
        if len(set(self.ids)) != len(self.ids):
            self.problems.append("an id is there twice")
        if missing := {link for link in self.links if link[1:] not in self.ids}:
            self.problems.append(f"links lead nowhere: {missing}")

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        for name, value in found.items():
            if name == "style" or name.startswith("on"):
                self.problems.append(f"{tag} has {name}={value!r}")
            if name in ("src", "href") and not (value or "").startswith("#"):
                self.problems.append(f"{tag} fetches {value!r}")
        if tag in ("script", "iframe", "object", "img", "link"):
            self.problems.append(f"a {tag}")
        if tag == "svg" and not (found.get("role") == "img" and found.get("aria-label")):
            self.problems.append("an svg without a name")
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
        if tag == "th" and found.get("scope") not in ("row", "col"):
            self.problems.append("a th without a scope")
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if tag in OPTIONAL:
            while self.open and self.open[-1] in (OPTIONAL if tag == "tr" else {"td", "th"}):
                self.open.pop()
        if tag not in VOID and tag not in DRAWN:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in OPTIONAL:
            while self.open and self.open[-1] in OPTIONAL:
                self.open.pop()
        if tag in self.open:
            while self.open.pop() != tag:
                pass
        elif tag not in DRAWN:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
            return
        if self.open and self.open[-1] == "code" and "pre" in self.open:
            self.code.append(data)
        self.texts.append(data)
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append((int(self.open[-1][1]), data))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def read(text: str) -> Page:
    """A page, checked for what every page must be."""
    assert text.isascii(), [c for c in text if not c.isascii()]
    page = Page(text)
    assert page.problems == []
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert page.policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table")
    assert tags.count("main") == tags.count("h1") == 1
    return page
