"""A first look at data, and the theory behind the exercises."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from sklearn.decomposition import PCA

from lab.data.arrays import Arrays
from lab.explore import dataset, theory

X = np.linspace(-0.9, 0.9, 12)
Y = np.sin(3 * X)


def test_the_ridge_fit_solves_the_normal_equations():
    basis = chebyshev.chebvander(X, 5)
    expected = np.linalg.solve(basis.T @ basis + 0.1 * np.eye(6), basis.T @ Y)
    np.testing.assert_allclose(theory.fit_polynomial(X, Y, 0.1, degree=5), expected, atol=1e-12)


def test_without_decay_it_is_least_squares_and_decay_shrinks_it():
    np.testing.assert_allclose(
        theory.fit_polynomial(X, Y, 0.0, degree=5), chebyshev.chebfit(X, Y, 5), atol=1e-12
    )
    sizes = [
        np.linalg.norm(theory.fit_polynomial(X, Y, strength)) for strength in (0, 1e-3, 1, 100)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_the_three_fits_are_too_close_good_and_too_far():
    _, _, (close, good, far) = theory.polynomial_fits()
    assert close["training"] < good["training"] < far["training"]
    assert good["true"] < min(close["true"], far["true"])


def test_the_picture_shows_all_that_the_errors_are_taken_over():
    x, _, fits = theory.polynomial_fits()
    for axis, fit in zip(theory.draw_theory("polynomial").axes, fits, strict=True):
        truth, curve, _ = axis.lines
        assert (
            curve.get_xdata()[[0, -1]] == x[[0, -1]]
        ).all() and f"true error {fit['true']:.3f}" in axis.get_title()
        assert fit["true"] == pytest.approx(
            np.sqrt(np.mean((curve.get_ydata() - truth.get_ydata()) ** 2)), rel=0.01
        )
        low, high = axis.get_ylim()
        assert low < curve.get_ydata().min() and curve.get_ydata().max() < high


def test_softmax_is_the_same_for_every_offset_only_if_shifted():
    logits = np.array([0, 1, 2], np.float32)
    expected = np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()
    for offset in (-1000, -50, 0, 50, 1000):
        np.testing.assert_allclose(
            theory.shifted_softmax(logits + np.float32(offset)), expected, rtol=1e-5
        )
    np.testing.assert_allclose(theory.naive_softmax(logits + 50), expected, rtol=1e-5)
    assert (
        np.isnan(theory.naive_softmax(logits + 1000)[2])
        and np.isnan(theory.naive_softmax(logits - 1000)).all()
    )


def test_the_optimal_discriminator():
    x = np.array([-2.0, 0, 1])
    same = theory.optimal_discriminator(x, (0, 1), (0, 1))
    assert same == pytest.approx(0.5)
    data, model = theory.density(x, 1, 2), theory.density(x, -1, 1)
    np.testing.assert_allclose(
        theory.optimal_discriminator(x, (1, 2), (-1, 1)), data / (data + model)
    )
    assert theory.density(np.array([0.0]), 0, 1)[0] == pytest.approx(1 / np.sqrt(2 * np.pi))


def test_a_trained_discriminator_comes_near_the_optimal_one():
    generator = np.random.default_rng(0)
    trained = theory.train_discriminator(
        generator.normal(1, 1, 2000), generator.normal(-1, 1, 2000), units=8
    )
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(
        trained(x), theory.optimal_discriminator(x, (1, 1), (-1, 1)), atol=0.06
    )


def test_statistics_of_images(mnist5k):
    numbers = dataset.statistics(mnist5k.validation_images, mnist5k.validation_labels, 10)
    assert numbers["mean"] == pytest.approx(mnist5k.validation_images.mean())
    assert numbers["deviation"] == pytest.approx(mnist5k.validation_images.std())
    assert (numbers["minimum"], numbers["maximum"], numbers["counts"]) == (0, 255, [100] * 10)


def test_principal_components(mnist5k):
    images = mnist5k.validation_images[:300]
    points, explained = dataset.principal_components(images)
    reference = PCA(2, svd_solver="full").fit(images.reshape(300, -1) / 255)
    np.testing.assert_allclose(explained, reference.explained_variance_ratio_, rtol=1e-3)
    expected = reference.transform(images.reshape(300, -1) / 255)
    np.testing.assert_allclose(
        np.abs(points), np.abs(expected), rtol=1e-2, atol=1e-2
    )  # an axis may point either way


def test_mean_images_of_classes(mnist5k):
    images, labels = mnist5k.validation_images[:50], mnist5k.validation_labels[:50]
    means = dataset.mean_images(images, labels % 5, 6)
    np.testing.assert_allclose(means[3], images[labels % 5 == 3].mean(axis=0))
    assert not means[5].any()  # there is none


def test_a_data_set_of_many_classes_and_large_images(capsys):
    labels = np.arange(60) % 30
    images = np.random.default_rng(0).integers(0, 256, (60, 80, 40, 1), np.uint8)
    points, explained = dataset.principal_components(images)
    assert points.shape == (60, 2) and 0 < explained[1] <= explained[0] < 1
    classes = tuple(f"class {index}" for index in range(30))
    dataset.print_table("mine", Arrays(images, labels, images[:30], labels[:30], classes))
    printed = capsys.readouterr().out
    assert (
        printed.count("images of class") == 20
        and "Of 30 classes, the 10 with the most training images" in printed
    )
