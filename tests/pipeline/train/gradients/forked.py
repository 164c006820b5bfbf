"""`python -m train` in several processes, started as torchrun starts them, but forked from one that
has loaded all that they import: loading takes longer than a short training."""

import os
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import torch
import torch.distributed as dist

from train.cli import main
from train.selection import sample

SECONDS = 300
"""How long a training may take."""


def run_forked(
    processes: int, folder: Path, *arguments: str, most_rows: int = sample.MOST_ROWS
) -> tuple[int, str, str]:
    """Run `python -m train` with `arguments` in `processes` processes, which choose by at most
    `most_rows` rows.

    Returns the largest exit code, and what they have printed to their output and their error
    streams, which are files in `folder`.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "train.run"])
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    started = [
        context.Process(
            target=_member,
            args=(rank, processes, store.port, folder, arguments, most_rows),
            daemon=True,
        )
        for rank in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(SECONDS)
    codes = [process.exitcode for process in started]
    said, complained = (
        "".join((folder / f"{name}-{rank}").read_text("utf-8") for rank in range(processes))
        for name in ("out", "err")
    )
    assert None not in codes, f"not ended after {SECONDS} s: {codes}\n{said}{complained}"
    return max(abs(code) for code in codes if code is not None), said, complained


def _member(
    rank: int, size: int, port: int, folder: Path, arguments: Sequence[str], most_rows: int
) -> None:
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(size),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        TORCHELASTIC_USE_AGENT_STORE="True",
    )
    sample.MOST_ROWS = most_rows
    torch.set_num_threads(1)
    for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
        with (folder / f"{name}-{rank}").open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["train", *arguments]
    main()
