"""Trees give the probabilities of scikit-learn, and are written without pickle."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from voxome.models.pixels.trees import Trees

pytestmark = pytest.mark.slow


def grow(depth=None, classes=3):
    rng = np.random.default_rng(0)
    features = rng.random((300, 5)).astype(np.float32)
    forest = RandomForestClassifier(12, max_depth=depth, random_state=1)
    forest.fit(features, (features[:, 0] * classes).astype(int))
    return forest, features


@pytest.mark.parametrize("depth", [None, 1, 4])
def test_probabilities_are_those_of_scikit_learn_rounded(depth):
    forest, features = grow(depth)
    trees = Trees.of(forest.estimators_)
    ties = np.concatenate([features, np.resize(trees.nodes["threshold"], (201, 5)).clip(0, 1)]).astype(np.float32)
    for index in range(3):
        expected = np.rint(255 * forest.predict_proba(ties)[:, index])
        np.testing.assert_array_equal(trees.predict(np.ascontiguousarray(ties.T), index), expected)


def test_certainty_is_255_and_almost_certainty_is_not_254():
    forest, features = grow()
    trees = Trees.of(forest.estimators_)
    values = np.full(trees.values.shape, 0.999)
    almost = Trees(trees.nodes, trees.roots, values)
    assert set(almost.predict(np.ascontiguousarray(features.T), 0).tolist()) == {255}
