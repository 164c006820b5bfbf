"""A served model for scikit-learn's tools: scorers, permutation importance, calibration, voting.

python examples/scikit_learn_tools.py bundles/breast-cancer patients.csv

scikit-learn is no dependency of serve-runtime, so the class below is yours to copy. It needs
scikit-learn 1.6 or later.
"""

import sys
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import calibration_curve
from sklearn.inspection import permutation_importance
from sklearn.metrics import get_scorer
from sklearn.model_selection import cross_val_score

from serve_runtime import Predictor


class ServedClassifier(ClassifierMixin, BaseEstimator):  # in this order: the mixin's tags count
    """A Predictor as a fitted scikit-learn classifier: what it computes never changes.

    scikit-learn sorts the labels of every classifier, and many of its tools rely on that without
    looking. A Predictor has the negative label first, whatever it is called; where that is the
    later one in the alphabet, this class turns the columns and the sign of its scores round.
    Without that, ROC AUC would come out as 1 - AUC.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def fit(self, X: Any, y: Any = None, **parameters: Any) -> "ServedClassifier":
        """Do nothing, as FrozenEstimator does: cross-validation then scores this very model."""
        return self

    def __sklearn_clone__(self) -> "ServedClassifier":
        return self  # another one would be the same, and would open the model again

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> Any:
        """The two labels (2,), sorted."""
        return np.sort(self.predictor.classes_)

    @property
    def _turned(self) -> bool:
        """Whether the positive label of the model is the first of the sorted ones."""
        return bool(self.classes_[0] != self.predictor.classes_[0])

    @property
    def n_features_in_(self) -> int:
        """Number of features, d."""
        return self.predictor.n_features_in_

    @property
    def feature_names_in_(self) -> Any:
        """Names of the features (d,); frames are matched by them, arrays by position."""
        return self.predictor.feature_names_in_

    @property
    def coef_(self) -> Any:
        """Weights of the raw features (1, d), for the logit of classes_[1]."""
        return -self.predictor.coef_ if self._turned else self.predictor.coef_

    @property
    def intercept_(self) -> Any:
        """The logit of classes_[1] where all features are 0, (1,)."""
        return -self.predictor.intercept_ if self._turned else self.predictor.intercept_

    def predict(self, X: Any) -> Any:
        """The label of each row (n,), at the threshold of the model's card."""
        return self.predictor.predict(X)

    def predict_proba(self, X: Any) -> Any:
        """The probability of each of classes_ for each row (n, 2)."""
        found = self.predictor.predict_proba(X)
        return found[:, ::-1] if self._turned else found

    def decision_function(self, X: Any) -> Any:
        """The logit of classes_[1] for each row (n,)."""
        found = self.predictor.decision_function(X)
        return -found if self._turned else found


def main() -> None:
    """Ask some of scikit-learn's tools about a model."""
    model, frame = ServedClassifier(Predictor(sys.argv[1])), pd.read_csv(sys.argv[2])
    rows, labels = frame[list(model.feature_names_in_)], frame["diagnosis"]

    print(f"ROC AUC        {get_scorer('roc_auc')(model, rows, labels):.4f}")
    folds = cross_val_score(model, rows, labels, scoring="neg_log_loss", cv=4)
    print(f"log loss       {np.round(-folds, 4)} on four parts of the rows")
    share, chance = calibration_curve(
        labels, model.predict_proba(rows)[:, 1], pos_label=model.classes_[1], n_bins=3
    )
    for expected, found in zip(chance, share, strict=True):
        print(f"calibration    {expected:.3f} was promised, {found:.3f} came")
    importance = permutation_importance(
        model, rows, labels, scoring="roc_auc", n_repeats=3, random_state=0
    )
    for i in np.argsort(-importance.importances_mean)[:3]:
        print(f"importance     {importance.importances_mean[i]:.4f} {rows.columns[i]}")


if __name__ == "__main__":
    main()
