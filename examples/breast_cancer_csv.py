"""Write scikit-learn's breast-cancer set as a CSV file with an id, for the other examples.

python examples/breast_cancer_csv.py patients.csv
"""

import sys

from sklearn.datasets import load_breast_cancer

frame = load_breast_cancer(as_frame=True).data
frame.insert(0, "id", [f"P{i:03d}" for i in range(len(frame))])
frame.to_csv(sys.argv[1], index=False)
