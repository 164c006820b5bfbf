"""`python -m serve_runtime` is the serve-runtime command."""

from serve_runtime.commands.start import start


def main() -> None:
    """Run the program `serve-runtime`."""
    start("serve_runtime.cli", "serve-runtime")


if __name__ == "__main__":
    main()
