"""Write scikit-learn's breast-cancer set as a CSV file: an id, 30 features, the diagnosis.

python examples/breast_cancer_csv.py patients.csv
"""

import sys

from sklearn.datasets import load_breast_cancer

data = load_breast_cancer(as_frame=True)
frame = data.data
frame.insert(0, "id", [f"P{i:03d}" for i in range(len(frame))])
frame["diagnosis"] = data.target_names[data.target]
frame.to_csv(sys.argv[1], index=False)
