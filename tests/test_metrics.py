"""Every number against SciPy, scikit-learn, or a distribution whose values are known."""

import numpy as np
import pytest
from scipy import linalg, stats
from sklearn import metrics as reference

from lab.data import GAUSSIANS, load_dataset
from lab.metrics import classification, collapse, features, intervals, significance, speed

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(200, 10)) * 3
LABELS = np.where(RNG.random(200) < 0.6, LOGITS.argmax(axis=1), RNG.integers(0, 10, 200))


def test_loss_and_accuracy():
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    result = classification.loss_and_accuracy(LOGITS, LABELS)
    assert result["loss"] == pytest.approx(
        reference.log_loss(LABELS, probabilities, labels=range(10))
    )
    assert result["accuracy"] == pytest.approx(
        reference.accuracy_score(LABELS, LOGITS.argmax(axis=1))
    )


def test_an_accuracy_at_chance_is_one_that_the_most_frequent_class_has_within_a_binomial_interval():
    labels = np.array([0] * 300 + [1] * 700)
    most = stats.binom.ppf(0.975, 1000, 0.7)
    assert all(classification.is_at_chance(right / 1000, labels) for right in (0, 300, 700, most))
    assert not any(classification.is_at_chance(right / 1000, labels) for right in (most + 1, 1000))
    assert (
        not classification.is_at_chance(0.2, np.arange(1000) % 10)
        and classification.chance(labels) == 0.7
    )


def test_huge_logits_do_not_overflow():
    result = classification.loss_and_accuracy(
        np.array([[1000.0, 0.0], [0.0, 2000.0]]), np.array([1, 1])
    )
    assert result == {"loss": 500.0, "accuracy": 0.5}


def test_confusion_precision_and_recall():
    predicted = LOGITS.argmax(axis=1)
    counts = classification.confusion_matrix(predicted, LABELS, 10)
    np.testing.assert_array_equal(
        counts, reference.confusion_matrix(LABELS, predicted, labels=range(10))
    )
    precision, recall = classification.precision_and_recall(counts)
    np.testing.assert_allclose(
        precision, reference.precision_score(LABELS, predicted, average=None)
    )
    np.testing.assert_allclose(recall, reference.recall_score(LABELS, predicted, average=None))


def test_a_class_that_was_never_predicted_has_no_precision():
    precision, recall = classification.precision_and_recall(np.array([[3, 0], [1, 0]]))
    assert precision[0] == 0.75 and np.isnan(precision[1]) and recall.tolist() == [1, 0]


def test_mistakes_come_with_the_surest_first():
    worst = classification.confident_mistakes(LOGITS, LABELS, 15)
    assert len(worst) == 15 and (LOGITS[worst].argmax(axis=1) != LABELS[worst]).all()
    confidence = classification.probabilities(LOGITS).max(axis=1)
    wrong = LOGITS.argmax(axis=1) != LABELS
    np.testing.assert_allclose(confidence[worst], np.sort(confidence[wrong])[::-1][:15])
    assert len(classification.confident_mistakes(LOGITS, LOGITS.argmax(axis=1), 15)) == 0


def test_the_confidence_interval_is_that_of_scipy():
    values = np.array([0.9761, 0.9783, 0.9748, 0.9779])
    mean, half_width = intervals.mean_and_half_width(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    assert (mean - half_width, mean + half_width) == pytest.approx((low, high))


def test_it_is_taken_by_epoch_and_unknown_for_a_single_run():
    mean, half_width = intervals.mean_and_half_width([[1.0, 2.0], [3.0, 2.0]])
    assert mean.tolist() == [2, 2]
    assert half_width == pytest.approx(
        [12.706204736, 0]
    )  # t of one degree of freedom, times sqrt(2) / sqrt(2)
    mean, half_width = intervals.mean_and_half_width([[1.0, 2.0]])
    assert mean.tolist() == [1, 2] and np.isnan(half_width).all()


def test_the_prediction_interval_holds_the_next_value_19_times_of_20():
    samples = np.random.default_rng(0).normal(size=(4000, 4))
    found = [np.concatenate(significance.noise_of([sample[:3]]).interval()) for sample in samples]
    hits = [low <= sample[3] <= high for (low, high), sample in zip(found, samples)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.012)


def test_a_speed_up_is_the_paired_t_interval_of_logarithms_which_is_scipys():
    reference, seconds = np.array([1.05, 0.98, 1.31, 1.02]), np.array([0.52, 0.55, 0.63, 0.49])
    found = speed.speed_up(seconds, reference)
    interval = stats.ttest_rel(np.log(reference), np.log(seconds)).confidence_interval(0.95)
    assert found == pytest.approx(
        (stats.gmean(reference / seconds), np.exp(interval.low), np.exp(interval.high))
    )
    back = speed.speed_up(reference, seconds)
    assert back == pytest.approx((1 / found.ratio, 1 / found.high, 1 / found.low))
    ratio, *interval = speed.speed_up([0.5], [2.0])
    assert ratio == 4 and np.isnan(interval).all()
    assert np.isnan(speed.speed_up([0.5, 0.0], [1.0, 1.0])).all()  # by a clock that stood still


def test_a_speed_up_lies_within_its_interval_19_times_of_20():
    draw = np.random.default_rng(0)
    repeats = draw.lognormal(0, 0.3, size=(4000, 5))  # what slows both down is not to count
    pairs = zip(
        repeats * draw.lognormal(0, 0.05, repeats.shape),
        2 * repeats * draw.lognormal(0, 0.05, repeats.shape),
    )
    found = [speed.speed_up(*pair) for pair in pairs]
    assert np.mean([low <= 2 <= high for _, low, high in found]) == pytest.approx(0.95, abs=0.012)


def test_the_spread_is_scipys_interquartile_range():
    values = np.random.default_rng(0).lognormal(size=37)
    assert speed.spread(values) == pytest.approx(stats.iqr(values) / np.median(values))
    assert (
        speed.spread([1.0, 1.0]) == 0
        and np.isnan([speed.spread([1.0]), speed.spread([]), speed.spread([0.0, 0.0])]).all()
    )


@pytest.mark.parametrize(
    ("curve", "epochs"),
    [
        ([0.6, 0.9, 0.8, 1.0], 1.5),  # halfway between the first epoch and the second
        ([0.85], 1),  # of when in the first epoch, nothing is known
        ([0.75, 0.2], 1),
        ([0.1, np.nan, 0.8], 3),  # nor after what is no number
        ([0.7, 0.74], np.nan),
        ([np.nan], np.nan),
    ],
)
def test_epochs_until_a_level_are_interpolated(curve, epochs):
    assert intervals.epochs_until(curve, 0.75) == pytest.approx(epochs, nan_ok=True)


def test_curves_of_repeats_reach_as_far_as_all_of_them():
    histories = [{"loss": [3.0, 2.0, 1.0]}, {"loss": [1.0, None]}]
    mean, half_width = intervals.curves(histories)["loss"]
    assert mean[0] == 2 and np.isnan(mean[1]) and len(mean) == len(half_width) == 2


def test_reverse_kl_is_zero_on_average_for_the_datas_spread_and_the_divergence_for_a_known_one():
    draw = np.random.default_rng(0)
    even = [
        collapse.reverse_kl(draw.multinomial(300, np.full(10, 0.1)), np.full(10, 0.1))
        for _ in range(2000)
    ]
    assert abs(np.mean(even)) < 0.0005  # the plain estimate gives 9 / 600 = 0.015
    shares, data = (
        np.array([0.4, 0.3, 0.2, 0.1] + [0] * 6),
        np.array([0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]),
    )
    uneven = [collapse.reverse_kl(draw.multinomial(300, shares), data) for _ in range(2000)]
    assert np.mean(uneven) == pytest.approx(stats.entropy(shares, data), abs=0.002)
    assert collapse.reverse_kl([0] * 9 + [500], np.full(10, 0.1)) == pytest.approx(np.log(10))
    assert collapse.reverse_kl([5, 5], [1, 0]) == np.inf


@pytest.mark.parametrize(
    ("measured", "blank"),
    [
        ({"counts": [300, 300], "shares": [0.5, 0.5], "unclear": 0.4}, set()),
        ({"unclear": 1.0}, {"precision", "recall", "density"}),
        ({"counts": [1, 0], "shares": [0.5, 0.5]}, {"reverse_kl", "chi_square_p"}),
        ({"counts": [0, 0], "shares": [0.5, 0.5]}, {"reverse_kl", "chi_square_p"}),
        ({"counts": [300, 0], "shares": [1.0, 0]}, {"reverse_kl", "chi_square_p"}),
        ({"counts": [3, 2], "shares": [0.5, 0.5]}, {"chi_square_p"}),  # 2.5 expected of each
        ({"counts": [50] * 10, "shares": [0.1] * 10}, set()),
        ({"counts": [10, 0]}, set()),  # evaluated by an earlier version: no shares are known
    ],
)
def test_measures_that_say_nothing_have_a_reason(measured, blank):
    assert {*collapse.meaningless(measured)} == blank


def test_chi_square_and_band_are_scipys():
    counts, shares = np.array([310, 280, 305, 299, 306]), np.array([0.22, 0.18, 0.2, 0.2, 0.2])
    assert collapse.chi_square_p(counts, shares) == pytest.approx(
        stats.chisquare(counts, 1500 * shares).pvalue
    )
    assert collapse.chi_square_p(
        np.append(counts, 0), np.append(shares, 0)
    ) == collapse.chi_square_p(counts, shares)
    expected, low, high = collapse.data_spread(3000, [0.1, 0.9])
    assert expected.tolist() == [300, 2700]
    assert stats.binom.cdf(high[0], 3000, 0.1) - stats.binom.cdf(
        low[0], 3000, 0.1
    ) == pytest.approx(0.95, abs=0.01)


def test_precision_recall_density_coverage_and_kernel_distance_are_their_formulas():
    """Pair by pair, without a matrix of distances."""
    draw = np.random.default_rng(0)
    real, generated = draw.normal(size=(60, 4)), draw.normal(0.3, 0.7, size=(50, 4))
    reach = {
        name: [sorted(np.linalg.norm(one - other) for other in kind)[5] for one in kind]
        for name, kind in (("real", real), ("generated", generated))
    }
    apart = [[np.linalg.norm(one - other) for other in generated] for one in real]
    within = [[apart[i][j] < reach["real"][i] for i in range(60)] for j in range(50)]
    found = features.fidelity(real, generated)
    assert found["precision"] == pytest.approx(np.mean([any(row) for row in within]), abs=1e-6)
    assert found["density"] == pytest.approx(np.mean([sum(row) / 5 for row in within]), abs=1e-6)
    assert found["coverage"] == pytest.approx(
        np.mean([min(apart[i]) < reach["real"][i] for i in range(60)]), abs=1e-6
    )
    recalled = [any(apart[i][j] < reach["generated"][j] for j in range(50)) for i in range(60)]
    assert found["recall"] == pytest.approx(np.mean(recalled), abs=1e-6)

    def kernel(one, other):
        return (sum(a * b for a, b in zip(one, other)) / 4 + 1) ** 3

    among = [
        np.mean([kernel(a, b) for i, a in enumerate(kind) for j, b in enumerate(kind) if i != j])
        for kind in (real, generated)
    ]
    between = np.mean([kernel(a, b) for a in real for b in generated])
    assert found["kernel"] == pytest.approx(sum(among) - 2 * between, rel=1e-6)


def test_epochs_are_in_collapse_below_half_of_the_data():
    assert collapse.is_collapsed(
        {"distance": [4.9, 5.1], "present": [1, 1]}, {"distance": 10.0}
    ).tolist() == [True, False]
    assert collapse.is_collapsed(
        {"modes": [3, 4], "distance": [9, 1]}, {"modes": 8, "distance": 2}
    ).tolist() == [True, False]
    images = np.array([0, 255, 51], np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 2, 2, 1), np.uint8)
    assert collapse.mean_distance(images) == pytest.approx(2 * (1 + 0.2 + 0.8) / 3)


def test_frechet_distance_is_its_formula_also_where_features_are_constant():
    draw = np.random.default_rng(0)
    one, other = (
        draw.normal(size=(400, 5)) @ draw.normal(size=(5, 5)),
        draw.normal(1, 2, size=(300, 5)),
    )
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(
        a + b - 2 * linalg.sqrtm(a @ b).real
    )
    assert features.frechet_distance(one, other) == pytest.approx(expected)
    dead = np.zeros((400, 1))
    assert features.frechet_distance(
        np.hstack([one, dead]), np.hstack([other, dead[:300]])
    ) == pytest.approx(expected)
    assert features.frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_modes_of_the_ring():
    ring = GAUSSIANS["ring"]
    counts = collapse.counts_near(load_dataset("ring").validation_images, *ring.modes)
    # Within 3 deviations lie 1 - exp(-9/2) of a Gaussian in the plane.
    assert counts.sum() / 2500 == pytest.approx(1 - np.exp(-4.5), abs=0.005) and counts.min() > 250
    nearby = ring.centres[[3, 3, 6]] + [
        [2.9 * ring.deviation, 0],
        [0, 3.1 * ring.deviation],
        [0, 0],
    ]
    assert collapse.counts_near(nearby, *ring.modes).tolist() == [0, 0, 0, 1, 0, 0, 1, 0]


def test_nearest_images(mnist5k):
    images, among = mnist5k.validation_images[:5], mnist5k.train_images[:300]
    indices, distances = collapse.nearest(images, among, 3)
    pixels = (part.reshape(len(part), -1) / 255 for part in (images, among))
    expected = np.linalg.norm(next(pixels)[:, None] - next(pixels), axis=-1)
    np.testing.assert_array_equal(indices, expected.argsort(axis=1)[:, :3])
    np.testing.assert_allclose(distances, expected.min(axis=1), rtol=1e-4)
    assert collapse.nearest(among[7:8], among, 1)[0] == 7


@pytest.mark.parametrize("needed", [1, 37, 120])
def test_the_weights_that_matter_are_the_largest_that_keep_the_accuracy(needed):
    kernels = [np.arange(1, 61) * (-1) ** np.arange(60), np.arange(61, 121).reshape(6, 10)]

    def accuracy_of(kept):
        matter = [
            value for kernel in kept for value in np.abs(kernel).ravel() if value > 120 - needed
        ]
        return 0.9 if len(matter) == needed else 0.8

    assert classification.weights_that_matter(kernels, accuracy_of, 0.9 - 0.001) == pytest.approx(
        needed, rel=0.01
    )
