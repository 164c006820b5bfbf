"""Files that were damaged or edited, by tens of thousands: refused, or exactly the same model.

`make fuzz` runs more of them: FUZZ is how many times as many, FUZZ_SEED begins elsewhere. A failure
names the seed and the number of its case; `each` makes it again.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from light.bundle.graph.random_encodings import MODEL, encoded_file
from light.commands.running import invoke
from light.helpers import NAMES, TINY, card_field, graph_of, tiny_card
from light.mutations import damaged, each, edited, refielded
from serve_runtime import Predictor, ServeError
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.graph.read_encoded import read_encoded_graph
from serve_runtime.bundle.manifest import Manifest
from serve_runtime.bundle.model_file import parse_model
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.bundle.sealed_json import seal, sha256
from serve_runtime.shown import MOST_MESSAGE

TIMES = int(os.environ.get("FUZZ", "1"))
SEED = os.environ.get("FUZZ_SEED", "0")
MOST_MEMORY = 1_000_000_000

CONTENT = (TINY / "model.onnx").read_bytes()
ENCODED = encoded_file(MODEL, "rows")
CARD = tiny_card()
GRAPH = graph_of(CONTENT, CARD)
MANIFEST = (TINY / "MANIFEST.json").read_bytes()
ROWS = np.random.default_rng(0).normal(0, 3, (16, 2)).astype(np.float32)


def cases(what, count):
    """Numbers and generators of the cases of one test."""
    return each(f"{what}/{SEED}", count * TIMES)


def refused(make, what, number):
    """What `make` returns; None where it raises a ServeError, whose message is fit to print."""
    try:
        return make()
    except ServeError as reason:
        text = str(reason)
        assert text.replace("\n", "").isprintable(), (what, SEED, number)
        assert len(text) < 4 * MOST_MESSAGE, (what, SEED, number)
        return None
    except BaseException as reason:
        reason.add_note(f"case {number} of {what}, seed {SEED}")
        raise


def resealed(document):
    """The text of a card with a fitting digest; None where JSON cannot hold it."""
    document.pop("sha256", None)
    try:
        return seal(document)
    except ValueError:
        return None


def resident(what):
    """Bytes of this process in memory: now (VmRSS), or the most since the last reset (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{what}:")[1].split()[0])


@pytest.fixture(autouse=True)
def bounded_memory():
    if not Path("/proc/self/clear_refs").exists():  # only Linux tells the peak of one test
        yield
        return
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    yield
    assert resident("VmHWM") - before < MOST_MEMORY


def test_damaged_model_files_are_refused():
    for number, rng in cases("files", 45_000):
        content = damaged(rng, CONTENT) if rng.random() < 0.5 else refielded(rng, CONTENT)
        found = refused(lambda content=content: parse_model("m.onnx", content), "files", number)
        assert found is None or content == CONTENT, number


def test_edited_graphs_with_fitting_digests_are_refused():
    """Other constants are another model, and may be served; anything else is refused."""
    for number, rng in cases("graphs", 10_000):
        graph = refielded(rng, GRAPH) if rng.random() < 0.7 else damaged(rng, GRAPH)
        document = json.loads(CARD.to_json())
        document["graph_sha256"]["rows"] = sha256(graph).hexdigest()
        content = graph + card_field(resealed(document))
        found = refused(lambda content=content: parse_model("m.onnx", content), "graphs", number)
        assert found is None or graph == GRAPH, number


def test_damaged_encoded_files_are_refused():
    for number, rng in cases("encoded files", 5_000):
        content = damaged(rng, ENCODED) if rng.random() < 0.5 else refielded(rng, ENCODED)
        found = refused(lambda content=content: parse_model("m", content), "encoded files", number)
        assert found is None or content == ENCODED, number


def test_edited_encoded_graphs_are_refused_or_other_constants():
    graph, columns = write_model(MODEL.affine, "rows", MODEL.encoding), MODEL.encoding.columns
    accepted = 0
    for number, rng in cases("encoded graphs", 5_000):
        content = damaged(rng, graph) if rng.random() < 0.5 else refielded(rng, graph)
        found = refused(
            lambda content=content: read_encoded_graph(content, "m", columns), "encoded", number
        )
        if found is not None:
            layout, affine, encoding = found
            assert write_model(affine, layout, encoding) == content, number
            accepted += content != graph
    assert accepted > 0


def test_damaged_cards_and_manifests_are_refused(tmp_path):
    card = CARD.to_json()
    for number, rng in cases("cards", 20_000):
        text = damaged(rng, card.encode()).decode("utf-8", errors="replace")
        found = refused(lambda text=text: ModelCard.from_json(text), "cards", number)
        assert found is None or (text == card and found == CARD), number
    for number, rng in cases("manifests", 15_000):
        content = damaged(rng, MANIFEST)
        (tmp_path / "MANIFEST.json").write_bytes(content)
        found = refused(lambda: Manifest.read(tmp_path), "manifests", number)
        assert found is None or content == MANIFEST, number


def test_resealed_cards_serve_the_same_scores_or_are_refused(tmp_path):
    """A card whose digest fits is another card; whatever it says, scores and commands stand it."""
    expected = Predictor(TINY).probability(ROWS).tobytes()
    document, path, served = json.loads(CARD.to_json()), tmp_path / "model.onnx", 0
    for number, rng in cases("resealed", 10_000):
        text = resealed(edited(rng, document))
        if text is None:
            continue
        content = GRAPH + card_field(text)
        found = refused(lambda content=content: parse_model("m.onnx", content), "resealed", number)
        if found is None or rng.random() > 0.05:
            continue
        path.write_bytes(content)
        predictor = Predictor(path)
        assert predictor.probability(ROWS).tobytes() == expected, number
        assert len(predictor.predict(ROWS)) == len(ROWS)
        refused(predictor.selftest, "resealed", number)
        for command in ("inspect", "selftest"):
            result = invoke(command, path)
            assert isinstance(result.exception, SystemExit | None), (command, number)
            assert result.output.replace("\n", "").isprintable(), (command, number)
        served += 1
    assert served > 20


def test_resealed_manifests_are_refused_or_the_same(tmp_path):
    document = json.loads(MANIFEST)
    for number, rng in cases("resealed manifests", 5_000):
        changed = edited(rng, document)
        changed.pop("sha256", None)
        try:
            text = seal(changed, indent=1)
        except ValueError:
            continue
        (tmp_path / "MANIFEST.json").write_text(text)
        found = refused(lambda: Manifest.read(tmp_path), "resealed manifests", number)
        if found is not None:
            for name in ("model.onnx", "model.columnar.onnx"):
                (tmp_path / name).write_bytes((TINY / name).read_bytes())
                content = refused(lambda m=found, n=name: m.read_file(tmp_path, n), name, number)
                assert content in (None, (TINY / name).read_bytes()), number


def odd_table(rng):
    """The text of a CSV with the model's columns among others, and odd values in some places."""
    plain = ("1", "2.5", "-3", "1e3", " 4 ", "0.125", "7")
    odd = ("", "NA", "abc", "1e999", "-inf", "nan", '"5"', '"a\nb"', '"', "1,5", "0x1F", "true",
           "\u00a06", "\x1b[31m", "1_0", "٣", "\0", "x" * 5000, "-0", "1e-320")  # fmt: skip
    names = [*NAMES, *rng.sample(("id", "größe", "x1 ", "\x1b[2J", "a\u202eb"), rng.randrange(3))]
    rng.shuffle(names)
    if rng.random() < 0.1:
        names.append(rng.choice(names))
    share = rng.choice((0, 0, 0.01, 0.3))
    lines = [",".join(f'"{name}"' if rng.random() < 0.2 else name for name in names)]
    for _ in range(rng.randrange(8)):
        width = len(names) + (rng.random() < share) - (rng.random() < share)
        lines.append(
            ",".join(rng.choice(odd if rng.random() < share else plain) for _ in range(width))
        )
    return rng.choice(("\n", "\n", "\r\n", "\n\n")).join(lines) + rng.choice(("\n", "", "\n\n"))


def test_structured_tables_are_scored_right_or_refused(predictor, tmp_path):
    """Reading and scoring: every row that is promised, with the score that it has by itself."""
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    from serve_runtime import score_file

    source, scores, scored = tmp_path / "in.csv", tmp_path / "out.csv", 0
    for number, rng in cases("tables", 3_500):
        text = odd_table(rng)
        content = text.encode("utf-8", "surrogatepass")
        source.write_bytes(damaged(rng, content) if rng.random() < 0.3 else content)
        rows = refused(lambda: score_file(predictor, source, scores), "tables", number)
        scored += rows is not None and rows > 0
    assert scored > 500 * TIMES
    source = tmp_path / "in.parquet"
    for number, rng in cases("parquet", 1_500):
        values = [[rng.choice((1.0, -2.0, 1e30, 0.0)) for _ in range(5)] for _ in NAMES]
        kinds = (pa.float32(), pa.float64(), pa.int32(), pa.decimal128(38, 4), pa.string())
        columns = {
            name: pa.array([None if rng.random() < 0.02 else v for v in column]).cast(
                rng.choice(kinds), safe=False
            )
            if max(map(abs, column)) < 1e9
            else pa.array(column)
            for name, column in zip(NAMES, values, strict=True)
        }
        pq.write_table(pa.table(columns), source)
        content = source.read_bytes()
        changed = damaged(rng, content) if rng.random() < 0.5 else content
        source.write_bytes(changed)
        rows = refused(lambda: score_file(predictor, source, scores), "parquet", number)
        if rows is not None and changed == content:
            expected = predictor.probability(
                {
                    name: np.array(column, np.float32)
                    for name, column in zip(NAMES, values, strict=True)
                }
            )
            found = pa.csv.read_csv(scores)["probability"].to_numpy().astype(np.float32)
            np.testing.assert_array_equal(found, expected)


def test_inspect_of_anything_is_answered(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "MANIFEST.json").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    anything = [*(tmp_path / n for n in ("fifo", "huge", "folder", "loop", "", "none", "a" * 5000))]
    anything += ["/dev/null", "/dev/zero", "/dev/stdin", "/proc/self/mem", "/", ".", "\udcff"]
    for number, rng in cases("anything", 300):
        path = tmp_path / f"{number}"
        path.write_bytes(
            rng.randbytes(rng.randrange(2000)) if number % 2 else damaged(rng, CONTENT)
        )
        anything.append(path)
    for path in anything:
        for command in ("inspect", "selftest"):
            result = invoke(command, path)
            assert result.exit_code in (0, 1), (path, result.exception)
            assert isinstance(result.exception, SystemExit | None), (path, result.exception)
            assert result.output.replace("\n", "").isprintable()
            assert len(result.output) < 2000
