"""Whatever the record of a folder of scores holds, resuming says in a few lines what is wrong."""

import json

import pytest

from serve_runtime import OutputError
from serve_runtime.bundle.sealed_json import seal

pytest.importorskip("pyarrow")

from serve_runtime import score_file
from serve_runtime.scoring.score_folder import RECORD

ODD_RECORDS = {
    "deep": lambda document: "[" * 100_000,
    "many digits": lambda document: '{"format_version":' + "9" * 5000 + "}",
    "not UTF-8": lambda document: "\udcff",
    "empty": lambda document: "",
    "a list": lambda document: "[]",
    "a huge version": lambda document: seal({**document, "format_version": "9" * 1_000_000}),
    "odd parts": lambda document: seal({**document, "parts": [[]]}),
    "odd file": lambda document: seal({**document, "parts": {"a.csv": {"x" * 1_000_000: 1}}}),
    "odd types": lambda document: seal({**document, "types": {"x1": {"\x1b[2J": 1}}}),
    "odd settings": lambda document: seal({**document, "settings": {"model": ["\x1b[2J"] * 9999}}),
    "odd source": lambda document: seal(
        {
            **document,
            "parts": {"a.csv": {**document["parts"]["a.csv"], "source": "\x1b[2J" * 99_999}},
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD_RECORDS)
def test_a_record_of_anything_gives_a_short_message(predictor, tmp_path, odd):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "a.csv").write_text("x1,x2\n1,2\n")
    score_file(predictor, data, out)
    record = out / RECORD
    document = json.loads(record.read_text())
    document.pop("sha256")
    record.write_bytes(ODD_RECORDS[odd](document).encode("utf-8", "surrogateescape"))
    with pytest.raises(OutputError) as caught:
        score_file(predictor, data, out, resume=True)
    message = str(caught.value)
    assert message.replace("\n", "").isprintable()
    assert len(message) < 1000
    assert str(out) in message
