"""Mixtures: those of scikit-learn, sorted by their means, and never of a constant."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.models.pixels.mixture import Mixture, fit_mixture
from voxome.models.pixels.place import Place

pytestmark = pytest.mark.slow


def draw(seed, shares=(0.3, 0.7), means=(90, 150), stds=(12, 18), count=40_000):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(m, s, int(count * share)) for share, m, s in zip(shares, means, stds, strict=True)]
    return np.concatenate(parts).clip(0, 255).round().astype(np.uint8)


def fit(values, components=2):
    return fit_mixture(*np.unique(values, return_counts=True), components)


def posterior(card, values, index):
    box = Box.of_shape((1, 1, len(values)))
    image = np.array(values, np.float32)[None, None]
    return Mixture(card).predict(image, Place(box, box, (1.0, 1.0, 1.0)), index)[0, 0]


@pytest.mark.parametrize("seed", range(10))
def test_the_darkest_is_first_whatever_the_sample(seed):
    card = fit(draw(seed))
    assert [one.mean for one in card.components] == pytest.approx([90, 150], abs=1.5)
    assert [one.std for one in card.components] == pytest.approx([12, 18], abs=1)
    assert [one.weight for one in card.components] == pytest.approx([0.3, 0.7], abs=0.02)
    swapped = fit(draw(seed, (0.7, 0.3), (150, 90), (18, 12)))
    assert [one.mean for one in swapped.components] == pytest.approx([one.mean for one in card.components], abs=1)


def test_probabilities_are_those_of_scikit_learn_between_the_means():
    values = draw(0)
    card = fit(values)
    plain = GaussianMixture(2, random_state=0, tol=1e-8, max_iter=1000).fit(values[:, None].astype(float))
    dark = int(plain.means_[:, 0].argmin())
    grey = np.arange(91, 150)
    expected = 255 * plain.predict_proba(grey[:, None].astype(float))[:, dark]
    assert posterior(card, grey, 0) == pytest.approx(expected, abs=3)


def test_beyond_the_means_probabilities_stay():
    card = fit(draw(1, stds=(30, 5)))
    found = posterior(card, np.arange(256), 0).astype(int)
    assert (np.diff(found) <= 0).all()
    assert (found[0], found[255]) == (255, found[160])


def test_three_classes_are_named_and_numbered():
    card = fit(draw(2, (0.2, 0.5, 0.3), (40, 110, 200), (8, 10, 9)), 3)
    mixture = Mixture(card)
    assert mixture.classes == ("darkest", "1", "brightest")
    assert [mixture.find_class(name) for name in ("0", "1", "2", "brightest")] == [0, 1, 2, 2]
    assert posterior(card, [40, 110, 200], 1).tolist() == [0, 255, 0]


def test_a_grey_value_that_is_frequent_does_not_take_a_class_without_width():
    values = np.concatenate([draw(3), np.full(5000, 97, np.uint8)])
    assert min(one.std for one in fit(values).components) > 0.2


@pytest.mark.parametrize("values", [[7, 7, 7], []])
def test_a_constant_has_no_classes(values):
    with pytest.raises(InvalidInput, match="constant"):
        fit(np.array(values, np.uint8))
