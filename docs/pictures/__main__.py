"""`python -m docs.pictures`: the pictures of the published experiments."""

from serve_runtime.commands.start import start

if __name__ == "__main__":
    start("docs.pictures.cli", "python -m docs.pictures")
