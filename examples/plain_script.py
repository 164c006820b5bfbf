"""Embed the predictor in a plain script: three lines, no torch in the process.

python examples/plain_script.py bundles/breast-cancer
"""

import sys

from serve_runtime import Predictor

predictor = Predictor(sys.argv[1])
# A row as your program may hold it: a dict of numbers, in any order. Here, the middle of the
# ranges that the model was trained on, which its card knows.
card = predictor.card
row = {
    name: (low + high) / 2
    for name, low, high in zip(card.feature_names, card.feature_min, card.feature_max, strict=True)
}
print(f"P({card.classes[1]}) = {predictor.probability([row])[0]:.4f}")
print(f"label: {predictor.predict([row])[0]}")
