"""What a run shows in pictures while it is trained: a GAN's samples, their animation, and
TensorBoard's log.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from lab import runs
from lab.backend import gan, inference, private
from lab.console import say
from lab.data import GAUSSIANS
from lab.figures import captioned, samples
from lab.io.pictures import MOST_OF_SAMPLES, picture_in
from lab.io.words import first_line
from lab.settings import FLAGS, text

SAMPLED, SAMPLED_POINTS = 100, 2_500  # in a picture of samples
# Images of an epoch that are kept, to be measured; fewer of large ones.
KEPT, KEPT_NUMBERS = 500, 400_000
MOST_FRAMES = 200  # of their animation, each of which takes a third of a megabyte while it is made


class SamplePictures(keras.callbacks.Callback):
    """Draws samples of the untrained generator, which are written as ``samples/epoch_0000.png``
    and ``.npz`` when the first epoch has ended, and more in the course of training, always from
    the same latent vectors.

    Parameters
    ----------
    recorder : Recorder
    """

    def __init__(self, recorder):
        super().__init__()
        self.recorder, self.settings = recorder, recorder.settings
        gaussians = GAUSSIANS.get(self.settings.dataset)
        self.modes = gaussians and gaussians.modes

    def on_train_begin(self, logs=None):
        count, settings = SAMPLED_POINTS, self.settings
        if not self.modes:
            numbers = math.prod(self.model.generator.output_shape[1:])
            count = min(KEPT, max(SAMPLED, KEPT_NUMBERS // numbers))
        self.latents = gan.draw_latents(settings.latent, count, settings.seed, settings.latent_size)
        # By epoch. To be written when the first epoch has ended: until then, the folder may hold an
        # older run.
        self.drawn = {} if self.recorder.found else {0: self._generate()}

    def _generate(self):
        return inference.generate(self.model.generator, self.latents)

    def on_epoch_end(self, epoch, logs=None):
        done, settings, folder = epoch + 1, self.settings, self.recorder.folder
        is_due = done % settings.sample_every == 0 or done == settings.epochs
        # A loss that is no number stops the training: such weights are not worth a picture.
        if is_due and not self.model.stop_training:
            self.drawn[done] = self._generate()
        for number, generated in self.drawn.items():
            (folder / runs.SAMPLES).mkdir(exist_ok=True)
            runs.save_samples(folder, number, generated)
            picture = {runs.sampled(number): samples(generated, self.modes)}
            runs.save_figures(picture, folder / runs.SAMPLES, vector=False)
        self.drawn = {}


class Log(keras.callbacks.TensorBoard):
    """TensorBoard's log: Keras's curves, the settings, for its HParams tab, and the pictures that
    `SamplePictures` has written.

    Parameters
    ----------
    recorder : Recorder
    """

    def __init__(self, recorder):
        super().__init__(recorder.folder / runs.TENSORBOARD)
        self.recorder = recorder

    def on_train_begin(self, logs=None):
        from tensorboard.plugins.hparams import api  # a package that nothing else needs

        super().on_train_begin(logs)
        given = {}
        for name in FLAGS:
            value = getattr(self.recorder.settings, name)
            if value is not None:
                is_plain = isinstance(value, bool | int | float)
                given[name] = value if is_plain else text(value)
        # Above Keras's own, which thereby are of this run.
        with tf.summary.create_file_writer(str(self.log_dir)).as_default():
            api.hparams(given, trial_id=self.recorder.output.name)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        # With the first epoch, what was there before it.
        for number in range(epoch and epoch + 1, epoch + 2):
            picture = _picture(self.recorder.folder / runs.SAMPLES / runs.sampled(number))
            if picture:
                with private.train_writer(self).as_default():
                    images = np.array(picture.convert("RGB"))[None]
                    tf.summary.image("samples", images, step=number)


def _picture(path):
    """A picture of samples; None where there is none, or a broken one, of which a line says so."""
    try:
        with picture_in(path, most=MOST_OF_SAMPLES) as picture:
            return picture.copy()
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever the decoder makes of what is no picture
        say(f"{path} cannot be read, and is left out: {first_line(error)}")
        return None


def animate(folder):
    """Write ``samples.gif`` of the pictures that a run has in ``samples/``, if any, each below its
    epoch, of some if they are many.
    """
    frames = []
    for epoch, path in runs.sample_paths(folder, MOST_FRAMES).items():
        picture = _picture(path)
        if picture:
            frames.append(captioned(picture, f"epoch {epoch}").quantize())
    if not frames:
        return
    each = max(60, min(500, 15_000 // len(frames)))
    milliseconds = [each] * (len(frames) - 1) + [2_000]
    shown = {"save_all": True, "append_images": frames[1:], "duration": milliseconds, "loop": 0}
    with runs.atomic(folder / runs.File.ANIMATION) as temporary:
        frames[0].save(temporary, **shown)
