"""Metrics against independent computations; a user's own pictures."""

import numpy as np
import pytest
from lab.errors import UserError
from PIL import Image, ImageDraw
from sklearn import metrics

from lab.data import load as datasets
from lab.evaluation import classifiers as evaluation
from lab.explore import dataset as exploration
from lab.settings import RunConfig

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(200, 10)) * 3
LABELS = np.where(RNG.random(200) < 0.6, LOGITS.argmax(axis=1), RNG.integers(0, 10, 200))


def test_loss_and_accuracy():
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    result = evaluation.loss_and_accuracy(LOGITS, LABELS)
    assert result["loss"] == pytest.approx(metrics.log_loss(LABELS, probabilities, labels=range(10)))
    assert result["accuracy"] == pytest.approx(metrics.accuracy_score(LABELS, LOGITS.argmax(axis=1)))


def test_huge_logits_do_not_overflow():
    result = evaluation.loss_and_accuracy(np.array([[1000.0, 0.0], [0.0, 2000.0]]), np.array([1, 1]))
    assert result == {"loss": 500.0, "accuracy": 0.5}


def test_confusion_precision_and_recall():
    predicted = LOGITS.argmax(axis=1)
    counts = evaluation.confusion(predicted, LABELS, 10)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(LABELS, predicted, labels=range(10)))
    precision, recall = evaluation.precision_and_recall(counts)
    np.testing.assert_allclose(precision, metrics.precision_score(LABELS, predicted, average=None))
    np.testing.assert_allclose(recall, metrics.recall_score(LABELS, predicted, average=None))


def test_a_class_that_was_never_predicted_has_no_precision():
    precision, recall = evaluation.precision_and_recall(np.array([[3, 0], [1, 0]]))
    assert precision[0] == 0.75 and np.isnan(precision[1]) and recall.tolist() == [1, 0]


def test_mistakes_come_with_the_surest_first():
    worst = evaluation.confident_mistakes(LOGITS, LABELS, 15)
    assert len(worst) == 15 and (LOGITS[worst].argmax(axis=1) != LABELS[worst]).all()
    confidence = np.exp(evaluation.log_softmax(LOGITS)).max(axis=1)
    wrong = LOGITS.argmax(axis=1) != LABELS
    np.testing.assert_allclose(confidence[worst], np.sort(confidence[wrong])[::-1][:15])
    assert len(evaluation.confident_mistakes(LOGITS, LOGITS.argmax(axis=1), 15)) == 0


def test_other_data_than_a_run_was_trained_on_come_with_a_note(data_dir, capsys):
    arrays = datasets.load("mnist", data_dir)
    for sha256, said in ((datasets.fingerprint(arrays), ""), ("another", "not the one that the run was trained on")):
        evaluation.data_of(RunConfig(), {"dataset": {"name": "mnist", "sha256": sha256}}, data_dir)
        printed = capsys.readouterr().out
        assert said in printed and bool(said) == bool(printed)


def picture(path, size=(90, 60), ink="black", paper="white", mode="RGB", at=(0.1, 0.2)):
    """A picture of an L, away from the centre."""
    image = Image.new("RGB", size, paper)
    x, y, length = size[0] * at[0], size[1] * at[1], min(size) * 0.4
    ImageDraw.Draw(image).line([(x, y), (x, y + length), (x + length / 2, y + length)], ink, int(length / 8) or 1)
    image.convert(mode).save(path)
    return path


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ink": "white", "paper": "black"},
        {"ink": (20, 20, 90), "paper": (230, 225, 200)},
        {"size": (1200, 900)},
        {"size": (30, 400)},
        {"at": (0.6, 0.5)},
        {"mode": "L"},
        {"mode": "P"},
    ],
)
def test_a_digit_becomes_like_mnist_whatever_its_colours_size_and_place(settings, tmp_path):
    image = evaluation.load_pictures([picture(tmp_path / "L.png", **settings)], (28, 28, 1))
    assert image.shape == (1, 28, 28, 1) and image.dtype == np.uint8
    values = image[0, ..., 0].astype(float)
    assert values.max() > 200 and np.median(values) == 0  # light ink on black
    rows, columns = np.flatnonzero(values.max(axis=1) > 64), np.flatnonzero(values.max(axis=0) > 64)
    assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    centre = [(values.sum(axis=1 - axis) @ np.arange(28)) / values.sum() for axis in (0, 1)]
    np.testing.assert_allclose(centre, 13.5, atol=0.75)


def test_a_jpeg_and_a_transparent_picture(tmp_path):
    picture(tmp_path / "L.jpg")
    transparent = Image.new("RGBA", (60, 60))
    ImageDraw.Draw(transparent).line([(20, 10), (20, 50)], "black", 6)
    transparent.save(tmp_path / "I.png")
    images = evaluation.load_pictures([tmp_path / "L.jpg", tmp_path / "I.png"], (28, 28, 1))
    assert (images.max(axis=(1, 2, 3)) > 200).all()


def test_sixteen_bits_a_pixel_and_thin_lines_on_a_large_page(tmp_path):
    ramp = np.full((60, 40), 65535, np.uint16)
    ramp[10:50, 18:22] = 0
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    Image.fromarray((ramp // 257).astype(np.uint8)).save(tmp_path / "flat.png")
    page = np.full((1500, 1200), 255, np.uint8)
    page[20, 20] = page[1400, 1100] = 0
    Image.fromarray(page).save(tmp_path / "dots.png")
    deep, flat, dots = evaluation.load_pictures([tmp_path / f"{name}.png" for name in ("deep", "flat", "dots")], (28, 28, 1))
    np.testing.assert_array_equal(deep, flat)
    assert (dots > 0).sum() == 2 and dots.max() == 255


def test_a_colour_picture_stays_in_colour(tmp_path):
    Image.new("RGB", (100, 50), (200, 30, 10)).save(tmp_path / "red.png")
    image = evaluation.load_pictures([tmp_path / "red.png"], (32, 32, 3))[0]
    assert image.shape == (32, 32, 3) and (image == [200, 30, 10]).all()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture(content, tmp_path):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.png"):
        evaluation.load_pictures([tmp_path / "x.png"], (28, 28, 1))


def test_a_picture_of_nothing_and_one_that_is_not_there(tmp_path):
    Image.new("L", (40, 40), 255).save(tmp_path / "white.png")
    with pytest.raises(UserError, match="nothing"):
        evaluation.load_pictures([tmp_path / "white.png"], (28, 28, 1))
    with pytest.raises(UserError, match="No such file"):
        evaluation.load_pictures([tmp_path / "no.png"], (28, 28, 1))


def test_statistics_of_images(mnist5k):
    numbers = exploration.statistics(mnist5k.validation_images, mnist5k.validation_labels, 10)
    assert numbers["mean"] == pytest.approx(mnist5k.validation_images.mean())
    assert numbers["deviation"] == pytest.approx(mnist5k.validation_images.std())
    assert (numbers["minimum"], numbers["maximum"], numbers["counts"]) == (0, 255, [100] * 10)


def test_principal_components(mnist5k):
    from sklearn.decomposition import PCA

    images = mnist5k.validation_images[:300]
    points, explained = exploration.principal_components(images)
    reference = PCA(2, svd_solver="full").fit(images.reshape(300, -1) / 255)
    np.testing.assert_allclose(explained, reference.explained_variance_ratio_, rtol=1e-3)
    expected = reference.transform(images.reshape(300, -1) / 255)
    np.testing.assert_allclose(np.abs(points), np.abs(expected), rtol=1e-2, atol=1e-2)  # an axis may point either way
