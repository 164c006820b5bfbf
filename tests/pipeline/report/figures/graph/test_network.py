"""The network is drawn from what it takes: names, shapes and labels."""

import re

from report.figures.graph.boxes import Box
from report.figures.graph.network import features, network


def titles(text: str) -> list[str]:
    return re.findall(r'font-weight="600">([^<]+)<', text)


def small(text: str) -> list[str]:
    return re.findall(r'font-size="10px"[^>]*>([^<]+)<', text)


def test_plain_numbers() -> None:
    text = network("k", [[features(["a", "b", "c", "d"])]], 4, answer="yes")
    assert titles(text) == ["X", "Linear", "Sigmoid", "ŷ"]
    for said in ("n × 4", "… and 1 more", "weights 1 × 4, bias", "5 parameters", "logit z, n × 1"):
        assert said in small(text)
    assert "probability of yes" in small(text)


def test_one_column() -> None:
    text = network("k", [[features(["hours"])]], 1)
    assert ["hours" in small(text), "2 parameters" in small(text)] == [True, True]


def test_what_is_added_to_the_bias() -> None:
    levels = [features(["c"], "Categories", "texts n × 1"), Box("Look up")]
    text = network("k", [[features(["a"])]], 1, added=[levels])
    assert {*titles(text)} == {"X", "Categories", "Look up", "Sum", "Linear", "Sigmoid", "ŷ"}
    assert "weights 1 × 1, + offset" in small(text)
    alone = network("k", [], 0, added=[levels])
    assert "Linear" not in titles(alone)
    assert "logit z, n × 1" in small(alone)


def test_names_are_data() -> None:
    odd = "<b onclick='x'>&\u202e"
    text = network("k", [[features([odd], odd, odd)]], 1, added=[[Box(odd)]], answer=odd)
    assert "<b " not in text
    assert "\u202e" not in text
    assert text == network("k", [[features([odd], odd, odd)]], 1, added=[[Box(odd)]], answer=odd)
