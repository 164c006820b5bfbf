"""Other ways from a file to a file of scores: pyarrow alone, and scripts with pandas.

pyarrow alone reads the features and writes scores that were computed before: no program that reads
and writes through pyarrow can be faster.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq

from benchmarks.harness.context import ExportedModel
from benchmarks.harness.timing import Call
from benchmarks.peers import exports
from benchmarks.peers.scorers import session

_BATCH = 64 << 10
"""Rows in a batch of Parquet. CSV is read in blocks of 1 MiB, the default: 4 and 16 are slower."""

Read = Callable[[], Iterable[Any]]


def pyarrow_copies(source: Path, names: list[str], scores: Path) -> dict[str, Call]:
    """By name: read columns `names` of `source`, and write the content of `scores` once more."""
    if source.suffix == ".parquet":
        return _parquet_copies(source, names, scores)
    return _csv_copies(source, names, scores)


def _parquet_copies(source: Path, names: list[str], scores: Path) -> dict[str, Call]:
    result, piece = pq.read_table(scores), pq.read_metadata(scores).row_group(0).num_rows
    result = result.set_column(1, "label", result["label"].combine_chunks().dictionary_encode())
    writer = partial(  # hardly two probabilities are the same: a dictionary doubles the time
        pq.ParquetWriter,
        scores.with_stem("copy"),
        result.schema,
        use_dictionary=["label"],
        store_schema=False,
    )

    def read(**how: Any) -> Any:
        return pq.ParquetFile(source, **how).iter_batches(_BATCH, columns=names)

    reads: Mapping[str, Read] = {
        "iter_batches": read,
        "iter_batches, no pre_buffer": partial(read, pre_buffer=False, buffer_size=256 << 10),
        "dataset": partial(_scan, source, "parquet", names),
    }
    return {name: partial(_copy, read, result, piece, writer) for name, read in reads.items()}


def _csv_copies(source: Path, names: list[str], scores: Path) -> dict[str, Call]:
    types = dict.fromkeys(names, pa.float32())
    schema = pa.schema([("probability", pa.float32()), ("label", pa.string())])
    result = pa.csv.read_csv(scores).cast(schema)
    writer = partial(pa.csv.CSVWriter, scores.with_stem("copy"), schema)
    some = pa.csv.ConvertOptions(column_types=types, include_columns=names)
    form = pa.dataset.CsvFileFormat(convert_options=pa.csv.ConvertOptions(column_types=types))
    reads: Mapping[str, Read] = {
        "open_csv": partial(pa.csv.open_csv, source, convert_options=some),
        "dataset": partial(_scan, source, form, names),
    }
    return {name: partial(_copy, read, result, _BATCH, writer) for name, read in reads.items()}


def _scan(source: Path, form: Any, names: list[str]) -> Any:
    """Batches of a dataset, with the read-ahead kept small."""
    return pa.dataset.dataset(source, format=form).to_batches(
        columns=names, batch_size=_BATCH, batch_readahead=4, fragment_readahead=1
    )


def _copy(read: Read, result: Any, piece: int, open_writer: Callable[[], Any]) -> None:
    """Write `result` in pieces of `piece` rows, each once as many have been read, in a thread."""
    done = written = 0
    with open_writer() as writer, ThreadPoolExecutor(1) as pool:
        writing: deque[Future[None]] = deque()
        for batch in read():
            done += batch.num_rows
            while written + piece <= done:
                if len(writing) > 1:
                    writing.popleft().result()
                writing.append(pool.submit(writer.write_table, result.slice(written, piece)))
                written += piece
        for piece_written in writing:
            piece_written.result()
        if written < len(result):
            writer.write_table(result.slice(written))
    if done != len(result):
        raise ValueError(f"read {done} rows; the result has {len(result)}")


def pandas_scripts(model: ExportedModel, source: Path, scores: Path) -> dict[str, Call]:
    """By name: read `source` with pandas, score it with another library, write the scores."""
    sklearn = exports.sklearn_model(model.affine)
    sklearn.feature_names_in_ = np.array(model.names, dtype=object)
    graph = session(exports.skl2onnx_export(sklearn, raw_scores=False), 0)  # 0: all cores
    names, own = list(model.names), scores.with_stem("script")

    def read() -> pd.DataFrame:
        if source.suffix == ".parquet":
            return pd.read_parquet(source, columns=names)
        return pd.read_csv(source, usecols=names, dtype=np.float32)

    def write(probability: Any) -> None:
        label = np.where(probability >= 0.5, "yes", "no")
        frame = pd.DataFrame({"probability": probability, "label": label})
        if source.suffix == ".parquet":
            frame.to_parquet(own, index=False)
        else:
            frame.to_csv(own, index=False)

    def with_skl2onnx() -> None:
        taken = {"features": read().to_numpy(np.float32)}
        write(graph.run(["probabilities"], taken)[0][:, 1])

    return {
        "pandas and scikit-learn": lambda: write(sklearn.predict_proba(read())[:, 1]),
        "pandas and skl2onnx": with_skl2onnx,
    }
