"""`python -m export`: make a bundle out of a run, or prove one again."""

from export.cli import main

if __name__ == "__main__":
    main(prog_name="python -m export")
