"""A GAN's samples while it trains: a picture of them after each epoch, and all of these in motion."""

import math

import keras
from PIL import Image

from lab.backend import inference
from lab.data import ring
from lab.figures import samples
from lab.runs import SAMPLES, File, atomic, save_figures

IMAGES, POINTS = 100, 2_500  # in a picture
MOST_FRAMES = 200  # of the animation, each of which takes a third of a megabyte while it is made


class SamplePictures(keras.callbacks.Callback):
    """Writes ``samples/epoch_0000.png`` before a GAN's training, and more in its course, always of the same latent vectors.

    Parameters
    ----------
    folder : Path
        Of the run.
    settings : Settings
    shape : tuple of int
        Of an image, or of a point.
    """

    def __init__(self, folder, settings, shape):
        super().__init__()
        self.folder, self.settings = folder / SAMPLES, settings
        self.latents = inference.draw_latents(settings, POINTS if len(shape) == 1 else IMAGES)

    def on_train_begin(self, logs=None):
        self.folder.mkdir()
        self.write(0)

    def on_epoch_end(self, epoch, logs=None):
        due = (epoch + 1) % self.settings.sample_every == 0 or epoch + 1 == self.settings.epochs
        if due and not self.model.stop_training:  # as a loss that is no number stops it: such weights are not worth a picture
            self.write(epoch + 1)

    def write(self, epoch):
        generated = inference.generate(self.model.generator, self.latents)
        save_figures({f"epoch_{epoch:04}.png": samples(generated, ring.MODES, f"epoch {epoch}")}, self.folder)


def animate(folder):
    """Write ``samples.gif`` of the pictures that a run has in ``samples/``, of some of them if they are very many."""
    paths = sorted((folder / SAMPLES).glob("epoch_*.png"), key=lambda path: int(path.stem.removeprefix("epoch_")))
    paths = [*paths[: -1 : math.ceil(len(paths) / MOST_FRAMES)], paths[-1]]
    frames = [Image.open(path).convert("RGB").quantize() for path in paths]
    milliseconds = [max(60, min(500, 15_000 // len(frames)))] * (len(frames) - 1) + [2_000]
    with atomic(folder / File.ANIMATION) as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
