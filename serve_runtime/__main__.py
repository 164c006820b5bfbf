"""`python -m serve_runtime` is the serve-runtime command."""

from serve_runtime.cli import main

if __name__ == "__main__":
    main(prog_name="serve-runtime")
