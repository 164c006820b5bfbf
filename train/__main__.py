"""`python -m train`: fit a logistic regression and leave a run folder; `python -m train summary`
prints the statistics of one."""

import sys

from serve_runtime.commands.start import start

if __name__ == "__main__":
    if sys.argv[1:2] == ["summary"]:
        del sys.argv[1]
        start("train.statistics.command", "python -m train summary")
    else:
        start("train.cli", "python -m train")
