"""Score rows over HTTP: a WSGI application on the standard library alone.

python examples/wsgi.py bundles/breast-cancer 8000
curl localhost:8000/score -d '[{"mean radius": 14.1, "mean texture": 19.3, …}, …]'

It answers {"probability": [0.98, …], "label": ["malignant", …]}, one entry a row, or 400 with what
is wrong. Behind a production server: gunicorn --chdir examples 'wsgi:Application("bundles/…")'.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import make_server

from serve_runtime import InputError, Predictor, ServeError

RELOAD_SECONDS = 5.0
MAX_BYTES = 10_000_000


class Application:
    """A WSGI application; a WSGI server may call it from many threads."""

    def __init__(self, bundle: str) -> None:
        self.predictor = Predictor(bundle, selftest=True)
        self.next_reload = time.monotonic() + RELOAD_SECONDS

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer one request."""
        status, answer = self.respond(environ)
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def respond(self, environ: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The HTTP status, and what the body says as JSON."""
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        if request == "GET /health":
            return "200 OK", {"status": "ok"}
        if request != "POST /score":
            return "404 Not Found", {"error": "ask for POST /score or GET /health"}
        self.reload_when_due()
        model = self.predictor.snapshot()  # a reload meanwhile does not change it
        try:
            probability = model.probability(read_rows(environ))
        except InputError as reason:
            return "400 Bad Request", {"error": str(reason)}
        label = model.label(probability)
        return "200 OK", {"probability": probability.tolist(), "label": label.tolist()}

    def reload_when_due(self) -> None:
        """Take up a new bundle, if there is one; look every RELOAD_SECONDS."""
        if time.monotonic() >= self.next_reload:
            self.next_reload = time.monotonic() + RELOAD_SECONDS
            try:
                self.predictor.reload()
            except ServeError:
                logging.exception("the bundle cannot be loaded; the model loaded before serves on")


def read_rows(environ: dict[str, Any]) -> list[Any]:
    """The rows in the body of a request."""
    try:
        length = max(0, min(int(environ.get("CONTENT_LENGTH") or 0), MAX_BYTES))
        rows = json.loads(environ["wsgi.input"].read(length))
    except (ValueError, RecursionError) as reason:
        raise InputError(f"the body must be JSON, at most {MAX_BYTES:,} bytes: {reason}") from None
    if not isinstance(rows, list):
        raise InputError(f"the body must be a list of rows: [{{…}}, …]; got {type(rows).__name__}")
    return rows


if __name__ == "__main__":
    with make_server("127.0.0.1", int(sys.argv[2]), Application(sys.argv[1])) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
