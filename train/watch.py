"""What a person sees while a model is fitted."""

from collections.abc import Callable, Iterator

from serve_runtime.commands.progress import Count, is_live
from train.optimize.fit import Fit, Record


class Watch:
    """Says a line for each record of a `Fit`, and on a terminal shows how far it is."""

    def __init__(self, say: Callable[[str], None], *, look: bool) -> None:
        """With `look`, the cost is measured at some more epochs where a terminal shows it: after 1,
        2, 4, … and at the end. Each takes a pass over the rows."""
        self._say, self._look = say, look
        self._looked = list[Record]()
        self._records = list[Record]()

    @property
    def curve(self) -> list[Record]:
        """The records, and what was measured besides."""
        return sorted([*self._records, *self._looked], key=lambda record: record.epoch)

    def __call__(self, fit: Fit) -> Iterator[Record | None]:
        """Iterate over `fit` and yield its items."""
        spec, now = fit.spec, fit.state
        left = "at most " if spec.tolerance or spec.patience else ""
        count = Count("fitting", "epochs", spec.epochs, first=now.epoch, left=left)
        cost, before = "", fit.updated
        looks = self._look and is_live()

        def updated() -> None:
            before()
            count.reach(now.epoch, spec.epochs, note=cost)

        fit.updated = updated
        for record in fit:
            if record is not None:
                self._say(_line(record))
                cost = f"cost {record.cost:.6f}"
            elif looks and now.epoch.bit_count() == 1:  # 1, 2, 4, …
                self._looked.append(fit.measured())
                cost = f"cost {self._looked[-1].cost:.6f}"
            yield record
        self._records = fit.records
        if looks:
            self._looked.append(fit.measured())


def _line(record: Record) -> str:
    line = f"epoch {record.epoch:>7}  cost {record.cost:.6f}  accuracy {record.accuracy:.2%}"
    if record.validation_cost is not None:
        line += f"  hold-out {record.validation_cost:.6f}  {record.validation_accuracy:.2%}"
    return line
