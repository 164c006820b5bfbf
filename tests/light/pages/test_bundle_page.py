import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from light import mixed
from light.commands.running import invoke, run_command
from light.helpers import TINY, card_field, graph_of, reseal, tiny_card, write_model
from light.pages.reading import read
from light.wide import write_bundle
from serve_runtime import Predictor
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import MEANS
from serve_runtime.bundle.model_file import read_models
from serve_runtime.features.column import CATEGORY, Column
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding


def page_of(model, *, exit_code=0):
    result = invoke("inspect", model, "--html")
    assert result.exit_code == exit_code, result.output
    return read(result.stdout)


def renamed(folder, names, **card):
    """The model of a bundle with other names of its columns, as a file beside it."""
    file = read_models(folder)[0]
    columns = tuple(
        replace(column, name=name) for column, name in zip(file.card.columns, names, strict=True)
    )
    made = replace(file.card, columns=columns, **card)
    path = folder.parent / "model.onnx"
    path.write_bytes(graph_of(file.content, file.card) + card_field(made.to_json()))
    return path


def test_a_bundle_is_told_on_one_page():
    page = page_of(TINY)
    titles = [title for level, title in page.headings if level == 2]
    assert titles == [
        "What it takes", "What drives the score", "From which probability on", "Is it proven?",
        "Files", "How to call it",
    ]  # fmt: skip
    assert page.headings[0] == (1, "The model tiny")
    card = tiny_card()
    assert f"model_id {card.model_id}" in page.text
    assert "the probability of 1 (the other label is 0)" in page.text
    assert "yes: digests match, scores are proven" in page.text
    certificate = json.loads((TINY / "parity.json").read_text())
    assert certificate["verdict"] in page.text
    for scorer, found in certificate["subjects"].items():
        share = found["overall"][certificate["figures"].index("logit share of budget")]
        assert f"{scorer} {share:.1%}" in page.text
    for contract, rows in certificate["contracts"].items():
        assert f"{contract} {rows:,}" in page.text
    for name, digest in certificate["files"].items():
        assert f"{name} {(TINY / name).stat().st_size:,} {digest}" in page.text


def test_the_page_is_the_same_each_time():
    assert invoke("inspect", TINY, "--html").stdout == invoke("inspect", TINY, "--html").stdout


def test_a_model_alone_has_a_page(tmp_path):
    page = page_of(write_model(tmp_path / "m.onnx", replace(tiny_card(), training={})))
    assert "Is it proven?" not in page.text
    assert "its card and its graph fit" in page.text


def test_every_kind_of_column_is_shown(tmp_path):
    path = tmp_path / "mixed.onnx"
    means = [40.0, None, 4.25, mixed.BORN + 3e4, None, None]
    path.write_bytes(mixed.file_of(training={MEANS: means}))
    page = page_of(path)
    assert "age number, bent 0 to 99, average 40 has a weight of its own (3 in training)" in (
        page.text
    )
    assert "visits number 0 to 9, average 4.25 refused" in page.text
    assert (
        "born date or time 2023-11-14 to 2023-11-15, average 2023-11-15 counts as the median"
        in (page.text)
    )
    assert "colour category of 6 levels" in page.text
    assert "is a level of its own (2 in training)" in page.text
    assert "Levels of colour" in page.text
    assert "2 rare ones together 2 " in page.text
    assert "A level that training did not see refused" not in page.text
    curves = [found["aria-label"] for tag, found in page.tags if found.get("class") == "curve"]
    assert [label.partition(":")[0] for label in curves] == ["What age adds to the logit"]
    (visits,) = (f for t, f in page.tags if t == "svg" and "−1.425" in f["aria-label"])
    assert visits["aria-label"] == "from −1.425 to +1.275"


def test_bars_span_what_columns_add(tmp_path):
    _, folder = write_bundle(tmp_path / "b", [2.0, -1.0], bias=0)
    names = ["up", "down"]
    page = page_of(renamed(folder, names, training={MEANS: [0.25, 0.5]}))
    labels = [found["aria-label"] for tag, found in page.tags if tag == "svg"]
    assert labels == ["from −0.5 to +1.5", "from −0.5 to +0.5"]
    bars = [found for tag, found in page.tags if tag == "rect"]
    assert [(bar["class"], bar["x"], bar["width"]) for bar in bars] == [
        ("down", f"{50 - 49 / 3:.2f}%", f"{49 / 3:.2f}%"),
        ("up", "50.00%", "49.00%"),
        ("down", f"{50 - 49 / 3:.2f}%", f"{49 / 3:.2f}%"),
        ("up", "50.00%", f"{49 / 3:.2f}%"),
    ]
    assert "× 1.221 for +0.1" in page.text
    assert f"× {math.exp(-0.1):.4f} for +0.1" in page.text


def test_ten_thousand_columns_fit(tmp_path):
    weight = np.random.default_rng(0).normal(size=10_000)
    names, folder = write_bundle(tmp_path / "b", weight)
    path = renamed(folder, [f"the column with the number {n} of all of them" for n in names])
    output = invoke("inspect", path, "--html").stdout
    assert len(output) < 1_000_000
    page = read(output)
    ranked = sorted(range(10_000), key=lambda i: -abs(np.float32(weight[i])))
    bars = [found for tag, found in page.tags if found.get("class") == "bar"]
    assert len(bars) == 50
    assert "The columns, the 50 that move it most" in page.text
    assert "The 9,950 other columns" in page.text
    assert f"number f{ranked[0]} of all" in page.text
    assert "are not on this page" in page.text
    assert "pd.read_csv" in page.text


def test_five_thousand_levels_fit(tmp_path):
    levels = tuple(sorted(f"level {n} of a long list" for n in range(5000)))
    columns = (Column("town", CATEGORY, levels=levels, counts=(3,) * 5000),)
    weights = np.random.default_rng(0).normal(size=5003).astype(np.float32)
    weights[5001:] = np.nan, weights[0]
    none = np.empty(0, np.float32)
    encoding = Encoding(columns, none, none, np.empty(0), (weights,))
    (tmp_path / "m.onnx").write_bytes(mixed.file_of(columns, Affine(none, 0.5), encoding))
    output = invoke("inspect", tmp_path / "m.onnx", "--html").stdout
    assert len(output) < 1_000_000
    page = read(output)
    assert "town category of 5,000 levels" in page.text
    assert "The 4,950 other levels of town" in page.text
    largest = levels[int(np.abs(weights[1:5001]).argmax())]
    assert f"{largest} 3 " in page.text
    assert sum(found.get("class") == "bar" for _, found in page.tags) == 51


HOSTILE = [
    "<script>alert(1)</script>", '"onload="x', "a\x1b[31m\u202eb", "'; --", "<!--", "]]>&amp;",
    "é日本\u05d0", "x" * 5000, "line\nbreak", "</style></table>", " ", "{{ 7 * 7 }}",
]  # fmt: skip


def test_hostile_names_are_shown_not_run(tmp_path):
    _, folder = write_bundle(tmp_path / "b", np.arange(1, len(HOSTILE) + 1) / 7)
    card = {"classes": ("<b>no</b>", '"yes"'), "training": {"metrics": {"holdout": {"auc": 0.5}}}}
    page = page_of(renamed(folder, HOSTILE, **card))
    assert "<script>alert(1)</script> number" in page.text
    assert "a\\x1b[31m\\u202eb number" in page.text
    assert "é日本\u05d0 number" in page.text
    assert "line\\nbreak number" in page.text
    assert "(5,000 characters)" in page.text
    assert 'the probability of "yes" (the other label is <b>no</b>)' in page.text
    assert not {tag for tag, _ in page.tags} & {"script", "b"}


def test_hostile_levels_are_shown_not_run(tmp_path):
    levels = tuple(sorted(HOSTILE))
    columns = (Column("<i>", CATEGORY, levels=levels, counts=(1,) * len(levels)),)
    none = np.empty(0, np.float32)
    table = np.ones(len(levels) + 3, np.float32)
    table[-2] = np.nan
    encoding = Encoding(columns, none, none, np.empty(0), (table,))
    (tmp_path / "m.onnx").write_bytes(mixed.file_of(columns, Affine(none, 0.5), encoding))
    page = page_of(tmp_path / "m.onnx")
    assert "</style></table> 1 +1" in page.text
    assert '" " 1 +1' in page.text


@pytest.mark.parametrize(
    ("low", "high", "weight"),
    [(0, 0, 1), (-3e38, 3e38, 1), (1e-40, 2e-40, 1e30), (5, 5, 0), (0, 1, -3e38), (-1, 1, 1e-40)],
)
def test_odd_numbers_have_a_page(tmp_path, low, high, weight):
    _, folder = write_bundle(tmp_path / "b", [weight], bias=0)
    file = read_models(folder)[0]
    column = replace(file.card.columns[0], low=float(low), high=float(high))
    made = replace(file.card, columns=(column,), training={MEANS: [float(low)]})
    path = tmp_path / "m.onnx"
    path.write_bytes(graph_of(file.content, file.card) + card_field(made.to_json()))
    page = page_of(path)
    assert "nan" not in page.text


@pytest.mark.parametrize("ends", [(0.0, 99.0), (18.0, 18.0), (-5.0, -1.0), (80.0, 90.0)])
def test_a_curve_is_drawn_within_the_range(tmp_path, ends):
    columns = (Column("age", low=ends[0], high=ends[1], knots=mixed.KNOTS),)
    none = np.array([np.nan], np.float32)
    encoding = Encoding(columns, none, np.zeros(1, np.float32), np.empty(0), (),
                        mixed.ENCODING.curves)  # fmt: skip
    affine = Affine(np.zeros(1, np.float32), 0.5)
    (tmp_path / "m.onnx").write_bytes(mixed.file_of(columns, affine, encoding))
    page = page_of(tmp_path / "m.onnx")
    (path,) = (found["d"] for tag, found in page.tags if tag == "path")
    numbers = [float(text) for text in re.findall(r"-?[\d.]+", path)]
    assert all(0 <= number <= 340 for number in numbers)
    curve = mixed.ENCODING.curves[0]
    values = curve.at(np.linspace(*ends, 1001, dtype=np.float32))
    (bar,) = (found for _, found in page.tags if found.get("class") == "bar")
    least, most = re.findall(r"[+−]?[\d.]+", bar["aria-label"])
    assert float(least.replace("−", "-")) == pytest.approx(values.min(), abs=0.02)
    assert float(most.replace("−", "-")) == pytest.approx(values.max(), abs=0.02)


def test_a_constant_curve_is_drawn(tmp_path):
    columns = (Column("age", low=0.0, high=1.0, knots=(0.5,)),)
    flat = np.zeros(2, np.float32)
    encoding = Encoding(columns, np.array([np.nan], np.float32), flat[:1], np.empty(0), (),
                        (Curve(np.array([0.5], np.float32), flat, flat),))  # fmt: skip
    affine = Affine(flat[:1], 0.5)
    (tmp_path / "m.onnx").write_bytes(mixed.file_of(columns, affine, encoding))
    assert "lowest 0 near 0, highest 0 near 0" in page_of(tmp_path / "m.onnx").text


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"metrics": 3, "rows": "many", "weights_per_standard_deviation": ["a", 1]},
        {"metrics": {"holdout": {"auc": None}, "training": {"accuracy": 1.0}}, "rows": -3},
        {"metrics": {"holdout": []}, "means": [1]},
    ],
)
def test_cards_that_tell_little_have_a_page(tmp_path, training):
    page = page_of(write_model(tmp_path / "m.onnx", replace(tiny_card(), training=training)))
    assert "Trained on" not in page.text
    assert "this card tells no means" in page.text


def test_the_code_on_the_page_runs(tmp_path, monkeypatch, capsys):
    path = tmp_path / "it's <odd>.onnx"
    path.write_bytes(mixed.file_of())
    page = page_of(path)
    python, shell = page.code
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(python, found)
    assert capsys.readouterr().out.split()[1] in ("no", "yes")
    assert found["values"].shape == (1, 6)
    assert isinstance(found["predictor"], Predictor)
    assert shell.splitlines()[2] == "serve-runtime selftest 'it'\"'\"'s <odd>.onnx'"


def test_the_page_goes_where_it_is_asked_for(tmp_path):
    output = tmp_path / "page.html"
    result = invoke("inspect", TINY, "--html", "-o", output)
    content = output.read_text()
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{output}: the page of tiny, {len(content):,} bytes\n"
    assert content == invoke("inspect", TINY, "--html").stdout
    assert content == invoke("inspect", TINY, "--html", "-o", "-").stdout
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_page_that_cannot_be_written_is_told(tmp_path):
    result = invoke("inspect", TINY, "--html", "-o", tmp_path / "none" / "page.html")
    assert result.exit_code == 1
    assert "page.html" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--json", "--html"), "--json or --html, not both"),
        (("-o", "page.html"), "-o is where the page of --html goes"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, options, said):
    result = run_command("inspect", TINY, *options, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr


def test_the_versions_of_a_bundle_do_not_matter(tmp_path):
    """A manifest may tell any versions: the page tells those of the proof."""
    folder = tmp_path / "b"
    write_bundle(folder, [1.0, 2.0])
    reseal(folder, torch="<b>9</b>")
    page = page_of(folder)
    assert "Is it proven?" not in page.text
    assert "as MANIFEST.json says" in page.text
