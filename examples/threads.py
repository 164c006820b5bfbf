"""Share one predictor among the threads of a server: it needs no lock.

python examples/threads.py bundles/breast-cancer
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from serve_runtime import InputError, Predictor

predictor = Predictor(sys.argv[1])


def handle(request: np.ndarray) -> str:
    """What a request handler would do: score, or tell the client what is wrong."""
    try:
        return f"200 {predictor.probability(request).round(4).tolist()}"
    except InputError as reason:
        return f"400 {reason}"


rng = np.random.default_rng(0)
requests = [rng.random((size, predictor.n_features_in_)) for size in (1, 2, 3)]
requests.append(np.full((1, predictor.n_features_in_), np.nan))
with ThreadPoolExecutor(4) as pool:
    for response in pool.map(handle, requests):
        print(response)
