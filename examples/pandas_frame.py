"""Score a pandas frame: columns are matched by name, in any order, extra ones ignored.

python examples/pandas_frame.py bundles/breast-cancer patients.csv
"""

import sys

import pandas as pd

from serve_runtime import Predictor

predictor = Predictor(sys.argv[1])
frame = pd.read_csv(sys.argv[2])
frame["probability"] = predictor.probability(frame)
frame["label"] = predictor.predict(frame)
print(frame[["id", "probability", "label"]].head(3).to_string(index=False))
