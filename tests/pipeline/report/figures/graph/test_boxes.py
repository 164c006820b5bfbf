"""A graph is an SVG element that any page may hold, whatever the names in it."""

import xml.etree.ElementTree as ET

from report.figures.graph.boxes import DATA, WIDTH, Box, draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> ET.Element:
    return ET.fromstring(str(text).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def texts(element: ET.Element) -> list[str]:
    return [text.text or "" for text in element.iter(f"{SVG}text")]


def test_it_has_a_name_and_a_description() -> None:
    element = drawn(draw("k", "Two < three", "a & b", {"a": Box("A")}, []))
    assert element.attrib["role"] == "img"
    assert element.attrib["aria-labelledby"] == "k-t k-d"
    assert [element.find(f"{SVG}{tag}") is not None for tag in ("title", "desc")] == [True, True]
    assert element.findtext(f"{SVG}title") == "Two < three"
    assert element.findtext(f"{SVG}desc") == "a & b"


def test_nothing_in_a_name_is_markup() -> None:
    odd = "<script>alert(1)</script>\"'&"
    text = draw("k", odd, odd, {"a": Box(odd, (odd,), DATA, odd), "b": Box("B")}, [("a", "b")])
    assert "<script" not in text
    assert texts(drawn(text)).count(odd) == 2 + 1


def test_what_does_not_print_is_shown() -> None:
    said = texts(drawn(draw("k", "t", "d", {"a": Box("\u202eabc\x07\n\0")}, [])))
    assert said == ["\\u202eabc\\x07 \\x00"]


def test_a_long_name_is_cut() -> None:
    element = drawn(draw("k", "t", "d", {"a": Box("W" * 1000)}, []))
    (said,) = texts(element)
    assert said == "W" * 27 + "…"
    rectangle = element.find(f"{SVG}rect")
    assert rectangle is not None
    assert float(rectangle.attrib["width"]) >= 27 * 12  # W is the widest letter, about its size


def test_security_policy_and_bytes() -> None:
    boxes = {"a": Box("A", ("b",), flows="n × 3"), "b": Box("B")}
    text = draw("k", "t", "d", boxes, [("a", "b")])
    assert text == draw("k", "t", "d", boxes, [("a", "b")])
    assert "style=" not in text
    assert 'viewBox="0 0 380' in text
    assert WIDTH == 380


def test_one_arrow_head_for_each_arrow() -> None:
    boxes = {name: Box(name) for name in "abcde"}
    arrows = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d"), ("d", "e")]
    element = drawn(draw("k", "t", "d", boxes, arrows))
    heads = [path for path in element.iter(f"{SVG}path") if path.attrib["fill"] != "none"]
    assert len(heads) == len(arrows)
    assert len(list(element.iter(f"{SVG}rect"))) == len(boxes)
