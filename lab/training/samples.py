"""What a GAN makes: samples, grids of them, and how they change while it trains."""

import math

import keras
import numpy as np
from PIL import Image

from lab.figures import base as figures
from lab.runs.files import atomic
from lab.runs.folders import SAMPLES
from models import gans

ROWS, COLUMNS = 10, 10
POINTS = 2_500  # in a picture of points
BATCH_SIZE = 1_000
MOST_FRAMES = 200  # of the animation, each of which takes a third of a megabyte while it is made


def generate(generator, latents):
    """What a generator makes of latent vectors.

    Parameters
    ----------
    generator : keras.Model
    latents : float array, shape (n, models.gans.LATENT_SIZE)

    Returns
    -------
    uint8 array, shape (n, height, width, channels); or float32 array, shape (n, 2), of points
    """
    made = [generator.predict_on_batch(latents[start : start + BATCH_SIZE]) for start in range(0, len(latents), BATCH_SIZE)]
    made = np.concatenate(made)
    return made if made.ndim == 2 else made.round().clip(0, 255).astype(np.uint8)


def draw_latents(config, count):
    """The first latent vectors that the settings of a run give: the same for the same seed.

    Returns
    -------
    float array, shape (count, models.gans.LATENT_SIZE)
    """
    return np.asarray(gans.draw_latents(config.gan_options()["latent"], count, config.seed))


def grid(images, rows=ROWS, columns=COLUMNS):
    """Images side by side as one picture, each pixel enlarged to 2x2, grey ones dark on white as in all figures.

    Parameters
    ----------
    images : uint8 array, shape (rows * columns, height, width, 1 or 3)

    Returns
    -------
    PIL.Image.Image
    """
    _, height, width, channels = images.shape
    tiles = images.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = tiles.reshape(rows * height, columns * width, channels)
    picture = Image.fromarray(255 - sheet[..., 0] if channels == 1 else sheet)
    return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)


def save(made, path, title):
    """Write samples as a picture: a grid of images without a title, or a scatter plot of points with it."""
    if made.ndim == 2:
        figures.save(figures.points(made, title), path)
        return
    with atomic(path) as temporary:
        grid(made).save(temporary)


def animate(folder):
    """Write ``samples.gif`` of the pictures that a run has in ``samples/``, of some of them if they are very many."""
    paths = sorted((folder / SAMPLES).glob("epoch_*.png"), key=lambda path: int(path.stem.removeprefix("epoch_")))
    paths = [*paths[: -1 : math.ceil(len(paths) / MOST_FRAMES)], paths[-1]]
    frames = [Image.open(path).convert("RGB").quantize() for path in paths]
    milliseconds = [max(60, min(500, 15_000 // len(frames)))] * (len(frames) - 1) + [2_000]
    with atomic(folder / "samples.gif") as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)


class Pictures(keras.callbacks.Callback):
    """Writes ``samples/epoch_0000.png`` before a GAN's training, and more in its course, always of the same latent vectors.

    Parameters
    ----------
    folder : Path
        Of the run.
    config : RunConfig
    shape : tuple of int
        Of an image, or of a point.
    """

    def __init__(self, folder, config, shape):
        super().__init__()
        self.folder, self.config = folder / SAMPLES, config
        self.every = config.gan_options()["sample_every"]
        self.latents = draw_latents(config, POINTS if len(shape) == 1 else ROWS * COLUMNS)

    def on_train_begin(self, logs=None):
        self.folder.mkdir()
        self.write(0)

    def on_epoch_end(self, epoch, logs=None):
        due = (epoch + 1) % self.every == 0 or epoch + 1 == self.config.epochs
        if due and not self.model.stop_training:  # as a loss that is no number stops it: such weights are not worth a picture
            self.write(epoch + 1)

    def write(self, epoch):
        save(generate(self.model.generator, self.latents), self.folder / f"epoch_{epoch:04}.png", f"epoch {epoch}")
