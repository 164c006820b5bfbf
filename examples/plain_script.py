"""Embed the predictor in a plain script: three lines, no torch in the process.

python examples/plain_script.py bundles/breast-cancer
"""

import sys

from serve_runtime import Predictor

predictor = Predictor(sys.argv[1])
# One patient as your program may hold it: a dict of numbers, in any order.
patient = dict.fromkeys(predictor.feature_names_in_, 0.0) | {"mean radius": 17.99}
label, probability = predictor.predict([patient])[0], predictor.probability([patient])[0]
print(f"{label}: P({predictor.classes_[1]}) = {probability:.4f}")
