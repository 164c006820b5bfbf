"""`python -m train`: fit a logistic regression and leave a run folder."""

from train.cli import main

if __name__ == "__main__":
    main(prog_name="python -m train")
