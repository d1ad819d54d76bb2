import numpy as np
import pytest
from scipy import stats

from lab.metrics import intervals as estimates


def test_the_confidence_interval_is_that_of_scipy():
    values = np.array([0.9761, 0.9783, 0.9748, 0.9779])
    mean, half_width = estimates.mean_and_half_width(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    assert (mean - half_width, mean + half_width) == pytest.approx((low, high))


def test_it_is_taken_by_epoch_and_unknown_for_a_single_run():
    mean, half_width = estimates.mean_and_half_width([[1.0, 2.0], [3.0, 2.0]])
    assert mean.tolist() == [2, 2]
    assert half_width == pytest.approx([12.706204736, 0])  # t of one degree of freedom, times sqrt(2) / sqrt(2)
    mean, half_width = estimates.mean_and_half_width([[1.0, 2.0]])
    assert mean.tolist() == [1, 2] and np.isnan(half_width).all()


def test_the_prediction_interval_holds_the_next_value_19_times_of_20():
    samples = np.random.default_rng(0).normal(size=(4000, 4))
    intervals = [estimates.prediction_interval(sample[:3]) for sample in samples]
    hits = [low <= sample[3] <= high for (low, high), sample in zip(intervals, samples)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize(
    ("curve", "epochs"),
    [
        ([0.6, 0.9, 0.8, 1.0], 1.5),  # halfway between the first epoch and the second
        ([0.85], 0.75 / 0.85 * 1 + 0),  # from 0 before the first epoch
        ([0.75, 0.2], 1),
        ([0.1, np.nan, 0.8], 0.75 / 0.8 * 3),  # what is no number does not count as a point
        ([0.7, 0.74], np.nan),
        ([np.nan], np.nan),
    ],
)
def test_epochs_until_a_level_are_interpolated(curve, epochs):
    assert estimates.epochs_until(curve, 0.75, start=0.0) == pytest.approx(epochs, nan_ok=True)


def test_curves_of_repeats_reach_as_far_as_all_of_them():
    histories = [{"loss": [3.0, 2.0, 1.0]}, {"loss": [1.0, None]}]
    mean, half_width = estimates.curves(histories)["loss"]
    assert mean[0] == 2 and np.isnan(mean[1]) and len(mean) == len(half_width) == 2
