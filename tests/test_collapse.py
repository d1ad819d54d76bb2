"""The measures of mode collapse, against SciPy and against distributions whose values are known."""

import numpy as np
import pytest
from lab.data.load import RING_CENTRES, RING_DEVIATION, load
from scipy import linalg, stats

from lab.metrics import collapse


def test_divergence_is_zero_on_average_for_an_even_spread_and_the_entropy_gap_for_a_known_one():
    draw = np.random.default_rng(0)
    even = [collapse.divergence(draw.multinomial(300, np.full(10, 0.1))) for _ in range(2000)]
    assert abs(np.mean(even)) < 0.0005  # the plain estimate gives 9 / 600 = 0.015
    shares = np.array([0.4, 0.3, 0.2, 0.1] + [0] * 6)
    uneven = [collapse.divergence(draw.multinomial(300, shares)) for _ in range(2000)]
    assert np.mean(uneven) == pytest.approx(np.log(10) - stats.entropy(shares), abs=0.002)
    assert collapse.divergence([0] * 9 + [500]) == pytest.approx(np.log(10))


def test_chi_square_and_band_are_scipys():
    counts = np.array([310, 280, 305, 299, 306])
    assert collapse.chi_square_p(counts) == pytest.approx(stats.chisquare(counts).pvalue)
    low, high = collapse.uniform_band(3000, 10)
    assert stats.binom.cdf(high, 3000, 0.1) - stats.binom.cdf(low, 3000, 0.1) == pytest.approx(0.95, abs=0.01)


def test_frechet_distance_is_its_formula_also_where_features_are_constant():
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(400, 5)) @ draw.normal(size=(5, 5)), draw.normal(1, 2, size=(300, 5))
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert collapse.frechet_distance(one, other) == pytest.approx(expected)
    dead = np.zeros((400, 1))
    assert collapse.frechet_distance(np.hstack([one, dead]), np.hstack([other, dead[:300]])) == pytest.approx(expected)
    assert collapse.frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_modes_of_the_ring():
    ring = load("ring")
    counts = collapse.ring_counts(ring.validation_images)
    # Within 3 deviations lie 1 - exp(-9/2) of a Gaussian in the plane.
    assert counts.sum() / 2500 == pytest.approx(1 - np.exp(-4.5), abs=0.005) and counts.min() > 250
    nearby = RING_CENTRES[[3, 3, 6]] + [[2.9 * RING_DEVIATION, 0], [0, 3.1 * RING_DEVIATION], [0, 0]]
    assert collapse.ring_counts(nearby).tolist() == [0, 0, 0, 1, 0, 0, 1, 0]


def test_nearest_images(mnist5k):
    images, among = mnist5k.validation_images[:5], mnist5k.train_images[:300]
    indices, distances = collapse.nearest(images, among, 3)
    pixels = (part.reshape(len(part), -1) / 255 for part in (images, among))
    expected = np.linalg.norm(next(pixels)[:, None] - next(pixels), axis=-1)
    np.testing.assert_array_equal(indices, expected.argsort(axis=1)[:, :3])
    np.testing.assert_allclose(distances, expected.min(axis=1), rtol=1e-4)
    assert collapse.nearest(among[7:8], among, 1)[0] == 7
