"""A user's own pictures: photographs of digits are found, read and predicted; everything else is
refused in one line each.
"""

import csv
import os

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lab import data, figures, runs
from lab.backend import inference
from lab.data import handwriting
from lab.evaluation import archive
from lab.settings import Settings
from lab.training.run import train_run
from tests.conftest import assert_refused, call
from tests.scenes import STYLES, photograph

MNIST = (28, 28, 1)


@pytest.fixture(scope="module")
def results(tmp_path_factory, mnist5k):
    """A run of the convolutional net that knows digits."""
    top = tmp_path_factory.mktemp("results")
    settings = Settings(net="conv", dataset="mnist5k", epochs=8, learning_rate=4e-3)
    train_run(
        data.resolve(settings, "mnist5k", mnist5k),
        mnist5k,
        runs.Output(top / "conv", "conv"),
        quiet=True,
    )
    return top


def read(path, shape=MNIST, kind="digits"):
    """What is found in a picture."""
    (reading,), faults = data.read_pictures([path], shape, kind)
    assert not faults
    return reading


def fault_of(path):
    """What a picture is refused with."""
    readings, (fault,) = data.read_pictures([path], MNIST, "digits")
    assert not readings
    return str(fault)


@pytest.fixture(scope="module")
def predict(results):
    model = archive.load_model(runs.load_trained(results / "conv"))
    return lambda images: inference.logits_and_features(model, images)[0].argmax(-1).tolist()


@pytest.mark.parametrize("style", STYLES)
def test_nine_of_ten_handwritten_digits_are_read(style, predict, tmp_path):
    generator = np.random.default_rng(0)
    right = 0
    for digit in range(10):
        digits = [digit, (digit + 3) % 10, (digit + 7) % 10] if style == "three" else [digit]
        path = tmp_path / f"{digit}.{'png' if style == 'transparent' else 'jpg'}"
        photograph(style, digits, generator).save(path)
        reading = read(path)
        assert len(reading.images) == len(reading.boxes) == len(digits)
        right += predict(reading.images) == digits
    assert right >= 9


@pytest.mark.parametrize("style", ["chalk side light"])
def test_mnists_own_digits_are_read_from_photographs_as_well_as_from_mnist(style, predict, mnist5k):
    images, labels = mnist5k.validation_images[:30], mnist5k.validation_labels[:30]
    generator = np.random.default_rng(0)
    found = [
        handwriting.find_digits(np.asarray(photograph(style, [image[..., 0]], generator)), MNIST)[1]
        for image in images
    ]
    assert all(len(one) == 1 for one in found)
    originals = np.mean(np.array(predict(images)) == labels)
    assert np.mean(np.array(predict(np.concatenate(found))) == labels) >= originals - 0.07


def test_boxes_lie_around_the_digits_in_pixels_of_the_upright_picture(tmp_path):
    picture = Image.new("L", (3000, 1500), 240)
    for left in (300, 1400, 2500):
        ImageDraw.Draw(picture).rectangle([left, 400, left + 80, 1100], 20)
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned to the right
    picture.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif)
    boxes = read(tmp_path / "turned.jpg").boxes
    np.testing.assert_allclose(boxes, [[left, 400, 81, 701] for left in (300, 1400, 2500)], atol=12)


def test_a_five_whose_bar_stands_apart_is_one_digit_and_dust_is_none(tmp_path):
    picture = Image.new("L", (400, 400), 240)
    draw = ImageDraw.Draw(picture)
    draw.line(
        [(150, 110), (145, 190), (210, 170), (240, 235), (190, 300), (130, 290)],
        20,
        14,
        joint="curve",
    )
    draw.line([(168, 78), (250, 74)], 20, 14)
    for place in ((40, 50), (350, 330), (300, 120)):
        draw.point(place, 0)
        draw.ellipse([place, (place[0] + 4, place[1] + 4)], 60)
    picture.save(tmp_path / "5.png")
    ((left, top, width, height),) = read(tmp_path / "5.png").boxes
    np.testing.assert_allclose([left, top, left + width, top + height], [124, 67, 251, 308], atol=6)


def write_odd(kind, path):
    """The same 7 in an unusual file."""
    picture = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(picture).line([(90, 60), (210, 60), (140, 240)], "black", 20, joint="curve")
    grey = picture.convert("L")
    clear = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    clear.paste("white", mask=grey.point(lambda value: 255 - value))
    {
        "sixteen bits": lambda: Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(
            path, "PNG"
        ),
        "CMYK": lambda: picture.convert("CMYK").save(path, "JPEG"),
        "one bit": lambda: grey.convert("1").save(path, "PNG"),
        "palette": lambda: picture.quantize(8).save(path, "PNG", transparency=0),
        "white on nothing": lambda: clear.save(path, "PNG"),
        "24 pixels": lambda: picture.resize((24, 24)).save(path, "PNG"),
        "25 million pixels": lambda: picture.resize((5000, 5000)).save(path, "PNG"),
        "cut close": lambda: picture.crop((80, 50, 220, 250)).save(path, "PNG"),
        "at the border": lambda: picture.crop((88, 0, 300, 300)).save(path, "PNG"),
        "light on dark": lambda: grey.point(lambda value: 230 - value * 0.8).save(path, "PNG"),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    [
        *("sixteen bits", "CMYK", "one bit", "palette", "white on nothing"),
        *("24 pixels", "25 million pixels", "cut close", "at the border", "light on dark"),
    ],
)
def test_a_digit_in_an_unusual_file(kind, predict, tmp_path):
    write_odd(kind, tmp_path / "7")
    assert predict(read(tmp_path / "7").images) == [7]


def test_what_shows_no_digits_or_too_many(tmp_path):
    generator = np.random.default_rng(0)
    Image.fromarray(generator.normal(180, 8, (300, 400, 3)).clip(0, 255).astype(np.uint8)).save(
        tmp_path / "noise.jpg"
    )
    Image.new("L", (10**6, 40), 255).save(tmp_path / "wide.png")
    page = Image.new("L", (1200, 1600), 255)
    for place in range(200):
        x, y = 60 + place % 10 * 110, 40 + place // 10 * 76
        ImageDraw.Draw(page).ellipse([x, y, x + 30, y + 46], outline=0, width=5)
    page.save(tmp_path / "page.png")
    assert "nothing" in fault_of(tmp_path / "noise.jpg") and "nothing" in fault_of(
        tmp_path / "wide.png"
    )
    assert "shows more than 30 shapes apart" in fault_of(tmp_path / "page.png")


@pytest.mark.parametrize(
    "shape", [(28, 28, 1), (8, 40, 1), (256, 100, 1), (32, 32, 3), (8, 256, 3)]
)
def test_other_networks_get_the_whole_picture_or_the_one_thing_in_it(shape, tmp_path):
    picture = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(picture).rectangle([60, 50, 99, 89], "navy")
    ImageDraw.Draw(picture).rectangle([120, 50, 159, 149], "navy")  # of the same thing
    picture.save(tmp_path / "two.png")
    whole = read(tmp_path / "two.png", shape, "whole")
    assert (
        whole.images.shape == (1, *shape)
        and whole.images.dtype == np.uint8
        and whole.images[0, 0, 0, 0] > 200
    )
    reading = read(tmp_path / "two.png", shape, "object" if shape[-1] == 1 else "whole")
    assert reading.images.shape == (1, *shape) and reading.images.dtype == np.uint8
    if shape[-1] == 1:
        assert reading.boxes == [(60, 50, 100, 100)]
        assert reading.images.max() == 255 and reading.images[0, 0, 0, 0] in (0, 255)


def test_a_folder_is_its_pictures_in_natural_order_and_bad_ones_are_named_in_the_end(
    results, tmp_path
):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("10.png", "2.PNG", "=1+1.jpeg", "@x\n.png"):
        write_odd("24 pixels", folder / name)
    (folder / "3.png").write_text("no picture")
    os.mkfifo(folder / "4.png")  # which nobody waits for
    (folder / "notes.txt").write_text("not looked at")
    (folder / ".hidden.png").write_text("not looked at")
    (tmp_path / "empty").mkdir()
    flags = ["-m", "conv", "--results-dir", results, "--images"]
    done = call("evaluate", *flags, folder, tmp_path / "empty", tmp_path / "no.png")
    lines = done.stderr.splitlines()
    assert (
        done.returncode == 2
        and len(lines) == 4
        and all(line.startswith("evaluate.py: error: ") for line in lines)
    )
    assert "empty: a folder without" in lines[0] and "3.png: not a readable" in lines[1]
    assert "4.png: a pipe" in lines[2] and "no.png: No such file" in lines[3]
    assert "conv: predictions.csv, pictures.png" in done.stdout
    with open(results / "conv" / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["picture"].removeprefix(f"{folder}/") for row in rows] == [
        "2.PNG",
        "10.png",
        "=1+1.jpeg",
        "@x\\n.png",
    ]
    assert {row["prediction"] for row in rows} == {"7"} and all(
        0.5 < float(row["probability"]) <= 1 for row in rows
    )
    left, width = (float(rows[0][name]) for name in ("left", "width"))
    assert 5 <= left <= 8 and 9 <= width <= 13


def test_a_spreadsheet_sees_no_formula_in_a_files_name(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_odd("24 pixels", tmp_path / "=1+1.png")
    done = call("evaluate", "-m", "conv", "--results-dir", results, "--images", "=1+1.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        (results / "conv" / "predictions.csv")
        .read_text()
        .splitlines()[1]
        .startswith("'=1+1.png,1,")
    )


def test_if_no_picture_can_be_read_nothing_is_written(results, tmp_path):
    for file in ("predictions.csv", "pictures.png"):
        (results / "conv" / file).unlink(missing_ok=True)
    (tmp_path / "x.png").write_text("no picture")
    assert_refused(
        call("evaluate", "-m", "conv", "--results-dir", results, "--images", tmp_path / "x.png"),
        "x.png: not a readable",
    )
    assert (
        not (results / "conv" / "predictions.csv").exists()
        and not (results / "conv" / "pictures.png").exists()
    )


def test_of_many_pictures_the_first_are_shown(results, tmp_path):
    for number in range(30):
        write_odd("24 pixels", tmp_path / f"{number}.png")
    done = call("evaluate", "-m", "conv", "--results-dir", results, "--images", tmp_path)
    assert done.returncode == 0 and "10 more in predictions.csv" in done.stdout
    assert "19.png" in done.stdout and "20.png" not in done.stdout


@pytest.mark.parametrize("counts", [[3], [1] * 15, [30, 1, 3]])
def test_on_the_sheet_of_pictures_nothing_lies_upon_anything_else(counts):
    generator = np.random.default_rng(0)
    several = []
    for count in counts:
        height, width = generator.integers(20, 300, 2)
        images, captions = np.zeros((count, 28, 28, 1), np.uint8), ["Ankle boot\n>99%"] * count
        boxes = [[1, 2, 10, 10]] * count
        several.append(
            figures.Seen("W" * 22, np.zeros((height, width, 3), np.uint8), boxes, images, captions)
        )
    figure = figures.predictions(several, "What a run saw: the first 15 of 1,000 pictures")
    figure.draw_without_rendering()
    shown = [axis for axis in figure.axes if axis.title.get_text()]
    texts = [*figure.texts, *(axis.title for axis in shown)]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    boxes += [axis.get_window_extent() for axis in shown]
    assert len(shown) == len(counts) + sum(counts)
    assert sum(axis.get_frame_on() for axis in shown) == len(counts)
    for number, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert not any(
            box.shrunk(0.98, 0.9).overlaps(other.shrunk(0.98, 0.9)) for other in boxes[:number]
        )


def picture(path, size=(90, 60), ink="black", paper="white", mode="RGB", at=(0.1, 0.2)):
    """A picture of an L, away from the centre."""
    image = Image.new("RGB", size, paper)
    x, y, length = size[0] * at[0], size[1] * at[1], min(size) * 0.4
    ImageDraw.Draw(image).line(
        [(x, y), (x, y + length), (x + length / 2, y + length)], ink, int(length / 8) or 1
    )
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
    image = read(picture(tmp_path / "L.png", **settings)).images
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
    images = np.concatenate([read(tmp_path / name).images for name in ("L.jpg", "I.png")])
    assert (images.max(axis=(1, 2, 3)) > 200).all()


def test_sixteen_bits_a_pixel_and_thin_lines_on_a_large_page(tmp_path):
    ramp = np.full((60, 40), 65535, np.uint16)
    ramp[10:50, 18:22] = 0
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    Image.fromarray((ramp // 257).astype(np.uint8)).save(tmp_path / "flat.png")
    page = np.full((1500, 1200), 255, np.uint8)
    page[300:900, 500] = page[900, 500:700] = 0  # a pixel wide
    Image.fromarray(page).save(tmp_path / "thin.png")
    deep, flat, thin = (read(tmp_path / f"{name}.png").images for name in ("deep", "flat", "thin"))
    np.testing.assert_array_equal(deep, flat)
    assert (thin > 128).sum() >= 24 and thin.max() == 255


def test_a_colour_picture_stays_in_colour(tmp_path):
    Image.new("RGB", (100, 50), (200, 30, 10)).save(tmp_path / "red.png")
    image = read(tmp_path / "red.png", (32, 32, 3), "whole").images[0]
    assert image.shape == (32, 32, 3) and (image == [200, 30, 10]).all()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture(content, tmp_path):
    (tmp_path / "x.png").write_bytes(content)
    assert "x.png" in fault_of(tmp_path / "x.png")


def test_a_picture_of_nothing_and_one_that_is_not_there(tmp_path):
    Image.new("L", (40, 40), 255).save(tmp_path / "white.png")
    assert "nothing" in fault_of(tmp_path / "white.png")
    assert "No such file" in fault_of(tmp_path / "no.png")
