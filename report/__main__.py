"""`python -m report`: a page about a run and its bundle."""

from serve_runtime.commands.start import start

if __name__ == "__main__":
    start("report.cli", "python -m report")
