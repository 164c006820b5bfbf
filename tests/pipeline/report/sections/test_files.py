"""What is there to copy works."""

import html
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from export.publish import export_bundle
from report.read import read_source
from report.sections.files import section


def blocks_of(run: Path, bundle: Path | None = None) -> list[str]:
    found = section(read_source(run, bundle))
    return [
        html.unescape(b) for b in re.findall(r"<pre><code>(.*?)</code></pre>", found.body, re.S)
    ]


@pytest.fixture(scope="module")
def odd_bundle(odd, tmp_path_factory) -> Path:
    bundle = tmp_path_factory.mktemp("a folder's name") / "bundle"
    export_bundle(odd, bundle)
    return bundle


def test_the_row_of_a_model_of_odd_names_can_be_scored(odd, odd_bundle, capsys):
    blocks = blocks_of(odd, odd_bundle)
    python = next(block for block in blocks if "Predictor" in block)
    exec(compile(python, "block", "exec"), {})
    said = capsys.readouterr().out
    assert 0 < float(said.split("]")[0].strip("[")) < 1
    assert said.splitlines()[1] in ("['<b>yes</b>']", r"['n\u202eo']")
    session = next(block for block in blocks if "onnxruntime" in block)
    exec(compile(session, "block", "exec"), {})
    assert "probability" in capsys.readouterr().out


def test_commands_name_the_bundle(odd, odd_bundle):
    commands = [line for block in blocks_of(odd, odd_bundle) for line in block.splitlines()
                if line.startswith(("serve-runtime", "python"))]  # fmt: skip
    assert len(commands) == 3
    assert all(str(odd_bundle) in shlex.split(line) for line in commands)


def test_of_many_columns_a_table_is_scored(whole, whole_bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source = read_source(whole)
    assert isinstance(source.sample, np.ndarray)
    names = ",".join(source.card.feature_names)
    np.savetxt("new-rows.csv", source.sample[:2], delimiter=",", header=names, comments="")
    python = next(block for block in blocks_of(whole, whole_bundle) if "pandas" in block)
    exec(compile(python, "block", "exec"), {})
    assert "malignant" in capsys.readouterr().out


def test_a_run_alone_tells_how_to_export_it(whole):
    assert blocks_of(whole)[0].startswith(f"python -m export bundle {whole} bundles/run")
