"""`python -m train`: fit a logistic regression and leave a run folder."""

from serve_runtime.commands.start import start

if __name__ == "__main__":
    start("train.cli", "python -m train")
