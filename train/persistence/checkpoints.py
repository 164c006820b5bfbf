"""Checkpoints, from which a training that was interrupted goes on to the same bits.

A checkpoint file is a line of sealed JSON with the size and the SHA-256 of what follows, and then
what torch.save wrote.
"""

import io
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import torch

from serve_runtime.bundle.manifest import FileEntry
from serve_runtime.bundle.sealed_json import seal, unseal
from serve_runtime.errors import OutputError
from serve_runtime.outputs.new_file import new_file
from serve_runtime.outputs.temporary import remove_leftovers
from serve_runtime.outputs.writing import followed
from train.design import Design
from train.errors import LostProcessError, RunError, StoppedError
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.optimize.fit import Fit
from train.persistence.archive import load_archive
from train.persistence.run_folder import NOT_OURS, versions
from train.recipe.recipe import Recipe
from train.selection.choice import Choice

_FORMAT_VERSION = 3
_ZIP = b"PK"
"""How a checkpoint of format version 1 begins: it was torch's archive alone."""
_NO_COLUMNS = Design((), np.empty(0), np.empty(0))
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Checkpoints:
    """The checkpoint file of one training, beside the run folder `out` that it will leave.

    The first process of `group` writes the file every `recipe.log.checkpoint_every` updates, and
    when a signal ends the training; it replaces the file as a whole. `inputs` is everything besides
    the recipe that the training depends on: name → digest or description; `choice` is
    the state_dict of a `Choice`, and is kept too. A checkpoint is loaded
    only by a training with the same recipe and the same inputs. `say` takes lines for a person.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        inputs: Mapping[str, str],
        choice: Mapping[str, Any],
        say: Callable[[str], None],
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self.path, self._group, self._choice = path_of(out), group, choice
        if group.first:
            remove_leftovers(self.path)
        self._every, self._say = recipe.log.checkpoint_every, say
        self._made_for = {**_flat(recipe), **inputs}
        self._versions = {
            **versions(),
            "threads": str(torch.get_num_threads()),
            "processes": str(group.size),
        }
        self._signal: int | None = None

    def load(self, fit: Fit) -> bool:
        """Have `fit` go on from the checkpoint; returns False where there is none.

        Raises RunError where it was truncated or altered, was written by another version, or was
        made by another recipe or from other rows, saying what differs.
        """
        saved = _saved(self.path, self._group)
        if saved is None:
            return False
        try:
            made_for, versions = _texts(saved["made_for"]), _texts(saved["versions"])
            self._check(made_for)
            fit.load_state_dict(saved["fit"])
        except RunError:
            raise
        except NOT_OURS as reason:
            raise _unreadable(self.path, reason) from None
        other = [f"{k} {v} (now {self._versions.get(k)})" for k, v in versions.items()
                 if v != self._versions.get(k)]  # fmt: skip
        if other:
            self._say(f"warning: the checkpoint was made with {', '.join(other)}: bits may differ")
        return True

    def _check(self, made_for: Mapping[str, str]) -> None:
        keys = sorted({*made_for, *self._made_for})
        differ = [
            f"{key} is {self._made_for.get(key, 'not given')}, was {made_for.get(key, 'not given')}"
            for key in keys
            if made_for.get(key) != self._made_for.get(key)
        ]
        if differ:
            raise RunError(
                f"{self.path} was made by another training: {'; '.join(differ)}. Resume with what "
                "it was made from, or start anew with --force"
            )

    @contextmanager
    def keeping(self, fit: Fit) -> Iterator[None]:
        """Write checkpoints while the `with` block trains with `fit`.

        After the first SIGINT or SIGTERM the update under way is finished, a checkpoint is written
        and StoppedError is raised; a second signal ends the process at once. Where another process
        is lost, a checkpoint is written too, LostProcessError names it, and SIGTERM is ignored from
        then on.
        """
        is_main = threading.current_thread() is threading.main_thread()  # others take no signals
        handlers = {n: signal.signal(n, self._on_signal) for n in _SIGNALS if is_main}
        fit.updated = lambda: self._after_update(fit)
        try:
            yield
        except LostProcessError as reason:
            self._write(fit)
            if is_main:  # torchrun sends it to all that are left, which end anyway and say why
                handlers[signal.SIGTERM] = signal.SIG_IGN
            raise LostProcessError(
                f"{reason}: training ended after update {fit.state.updates:,}; {self.path} has "
                "all of it, go on with the same command and --resume"
            ) from None
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def remove(self) -> None:
        """Remove the file: the run folder is complete, or the training would only fail again."""
        if self._group.first:
            self.path.unlink(missing_ok=True)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number

    def _after_update(self, fit: Fit) -> None:
        if self._signal is not None:
            self._write(fit)
            name = signal.Signals(self._signal).name
            raise StoppedError(
                f"{name} after update {fit.state.updates:,}: {self.path} has all of it; go on "
                "with the same command and --resume",
                128 + self._signal,
            )
        if self._every and fit.state.updates % self._every == 0:
            try:
                self._write(fit)
            except OutputError as reason:  # the training is worth more than its checkpoint
                kept = "; the last one stays" if self.path.exists() else ""
                self._say(f"warning: no checkpoint at update {fit.state.updates:,}: {reason}{kept}")

    def _write(self, fit: Fit) -> None:
        if not self._group.first:
            return
        buffer = io.BytesIO()
        torch.save(
            {
                "made_for": self._made_for,
                "versions": self._versions,
                "choice": self._choice,
                "fit": fit.state_dict(),
            },
            buffer,
        )
        content = buffer.getvalue()
        header = {"format_version": _FORMAT_VERSION, "content": vars(FileEntry.of(content))}
        with new_file(self.path, notice=self._say) as aside:
            aside.write_bytes(b"%s\n%s" % (seal(header).encode(), content))


def saved_choice(out: Path, group: ProcessGroup = SINGLE_PROCESS) -> Mapping[str, Any] | None:
    """What the checkpoint of the run folder `out` holds of the choice of a penalty: the state_dict
    of a `Choice`; None where there is no checkpoint.

    Raises RunError as `Checkpoints.load` does, but does not look at what it was made for.
    """
    path = path_of(out)
    saved = _saved(path, group)
    if saved is None:
        return None
    try:
        choice: Mapping[str, Any] = saved["choice"]
        Choice.restored(_NO_COLUMNS, choice)
    except NOT_OURS as reason:
        raise _unreadable(path, reason) from None
    return choice


def _saved(path: Path, group: ProcessGroup) -> Any:
    """What torch.save wrote into the checkpoint file, read by the first process of `group`; None
    where there is no file. Raises RunError."""
    content = group.gather(_read(path) if group.first else None)[0]
    if content is None:
        return None
    try:
        return load_archive(_unsealed(path, content))
    except RunError:
        raise
    except NOT_OURS as reason:
        raise _unreadable(path, reason) from None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as reason:
        raise RunError(f"cannot read {path}: {reason.strerror}") from None


def _unsealed(path: Path, content: bytes) -> bytes:
    """What torch.save wrote into a checkpoint file, which is intact, or RunError is raised."""
    if content.startswith(_ZIP):
        raise RunError(
            f"{path} has format version 1, this version reads {_FORMAT_VERSION}: resume "
            "with the version that wrote it, or start anew with --force"
        )
    header, _, saved = content.partition(b"\n")
    document = unseal(
        header.decode("utf-8", errors="replace"),
        what=str(path),
        version=_FORMAT_VERSION,
        error=RunError,
        remedy="start anew with --force",
    )
    if document.get("content") != vars(FileEntry.of(saved)):
        raise RunError(
            f"{path} was truncated or altered since it was written: start anew with --force"
        )
    return saved


def _unreadable(path: Path, reason: Exception) -> RunError:
    return RunError(
        f"{path} is whole, but torch {torch.__version__} cannot read it "
        f"({type(reason).__name__}): resume with what it was made with, or start anew with --force"
    )


def _texts(values: Any) -> Mapping[str, str]:
    """`values` if they are texts by name. Raises TypeError for anything else."""
    if not all(isinstance(text, str) for pair in values.items() for text in pair):
        raise TypeError("something else stands where texts are required")
    return cast(Mapping[str, str], values)


def path_of(out: Path) -> Path:
    """The checkpoint file of the training that will leave the run folder `out`."""
    out = followed(out)
    return out.with_name(f"{out.name}.resume")


def _flat(recipe: Recipe) -> dict[str, str]:
    """The recipe as texts by section.key, without what does not change the result."""
    sections = recipe.to_dict()
    threshold = sections.pop("threshold", None)
    return {"threshold": repr(threshold)} | {
        f"{section}.{key}": repr(value)
        for section, values in sections.items()
        for key, value in values.items()
        if (section, key) not in (("log", "checkpoint_every"), ("data", "points"))
    }
