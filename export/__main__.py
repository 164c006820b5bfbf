"""`python -m export`: make a bundle out of a run, or prove one again."""

from serve_runtime.commands.start import start

if __name__ == "__main__":
    start("export.cli", "python -m export")
