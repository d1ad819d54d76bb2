"""Training of generative adversarial networks (Goodfellow et al.

2014), unrolled or not (Metz et al. 2017).
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from models.gans import LATENT_SIZE


class GAN(keras.Model):
    """A generator and a discriminator that are trained against each other.

    Both gradients are taken at the same point, before either network changes, so that one pass of
    the generator serves both. The discriminator's loss is the sum of its cross-entropies (in nats)
    on real and on generated images, 2 ln 2 where it can but guess; the generator's is the
    cross-entropy of "real" for its images (Goodfellow et al. 2014: the non-saturating loss) or,
    saturating, minus the discriminator's.

    With ``unroll`` = K, the generator's loss is that against the discriminator as it would be
    after K more updates on the same batch, and its gradient goes through these updates; then the
    discriminator takes the first of them (Metz et al. 2017, *Unrolled Generative Adversarial
    Networks*).

    Parameters
    ----------
    networks : keras.Sequential
        A generator and a discriminator, as `models.gans.build_dense_gan` gives them.
    latent : "normal" or "uniform"
        Distribution of the latent numbers: standard normal, or uniform in (-1, 1).
    unroll : int
    label_smoothing : float in [0, 0.5)
        s: the discriminator is to say 1 - s for real images and s for generated ones.
    saturating : bool
    seed : int, optional
        Of the latent numbers.
    """

    def __init__(
        self, networks, latent="normal", unroll=0, label_smoothing=0.0, saturating=False, seed=None
    ):
        super().__init__(name="gan")
        self.networks = networks
        self.latent, self.unroll = latent, unroll
        self.label_smoothing, self.saturating = label_smoothing, saturating
        self.seeds = keras.random.SeedGenerator(seed)
        names = "discriminator_loss", "generator_loss", "real_accuracy", "generated_accuracy"
        self.means = [keras.metrics.Mean(name) for name in names]
        self.built = True

    @property
    def generator(self):
        return self.networks.layers[0]

    @property
    def discriminator(self):
        return self.networks.layers[1]

    @property
    def metrics(self):
        return self.means  # without Keras's own mean of a loss that it does not know

    def compile(self, generator_optimizer, discriminator_optimizer):
        """Both optimizers: keras.optimizers.Adam."""
        super().compile(generator_optimizer)
        self.optimizers = generator_optimizer, discriminator_optimizer
        for optimizer, network in zip(self.optimizers, (self.generator, self.discriminator)):
            optimizer.build(network.trainable_variables)

    def train_step(self, data):
        """One update of both networks on a batch ``(images, latents)``."""
        images, latents = data

        # Generate images, let the discriminator tell them from real ones, and see how well the
        # generator fools it: as it is, or, unrolled, as it would be some updates later.
        with tf.GradientTape() as tape:
            outcome, generator_loss = self.losses(images, latents)

        # The generator's gradient, through all of that, at the weights that both networks still
        # have.
        gradients = tape.gradient(generator_loss, self.generator.trainable_variables)

        # Update both networks: the generator first, but neither gradient depends on that any more.
        self.optimizers[0].apply(gradients, self.generator.trainable_variables)
        self.optimizers[1].apply(outcome.gradients, self.discriminator.trainable_variables)

        # Means over the epoch: both losses, and how often the discriminator was right.
        logits = outcome.real, outcome.generated
        said_real = [tf.reduce_mean(tf.cast(some > 0, tf.float32)) for some in logits]
        values = outcome.loss, generator_loss, said_real[0], 1 - said_real[1]
        for mean, value in zip(self.means, values):
            mean.update_state(value)
        return self.get_metrics_result()

    def losses(self, images, latents):
        """What the discriminator makes of a batch, an `_Outcome`; and the generator's loss,
        looking ahead.
        """
        generated = self._generate(latents)
        outcome = self._discriminate(images, generated)
        ahead = self._look_ahead(images, generated, outcome.gradients) if self.unroll else outcome
        return outcome, -ahead.loss if self.saturating else _cross_entropy(1.0, ahead.generated)

    def draw_latents(self, count):
        """The next latent vectors: float, shape (count, latent size)."""
        return draw_latents(self.latent, count, self.seeds, self.generator.input_shape[-1])

    def _generate(self, latents):
        """The generator's images in training, by a shorter way where it enlarges an image before
        it convolves it.
        """
        images = latents
        rest = iter(self.generator.layers)
        for layer in rest:
            if isinstance(layer, layers.UpSampling2D):
                images = enlarge_and_convolve(images, next(rest))
            else:
                images = layer(images, training=True)
        return images

    def _discriminate(self, images, generated, weights=None):
        """What the discriminator, with these weights or with its own, makes of a batch."""
        network = self.discriminator

        def logits(images):
            if weights is None:
                return network(images, training=True)
            # Dropout draws the same masks each time: its state is not carried on.
            return network.stateless_call(
                weights, network.non_trainable_variables, images, training=True
            )[0]

        sources = weights or [variable.value for variable in network.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            of_real, of_generated = logits(images), logits(generated)
            loss = _cross_entropy(1 - self.label_smoothing, of_real)
            loss += _cross_entropy(self.label_smoothing, of_generated)
        return _Outcome(of_real, of_generated, loss, tape.gradient(loss, sources))

    def _look_ahead(self, images, generated, gradients):
        """What the discriminator makes of a batch after ``unroll`` updates on it, the first with
        these gradients.
        """
        optimizer = self.optimizers[1]
        variables = self.discriminator.trainable_variables
        weights = [tf.convert_to_tensor(variable) for variable in variables]
        # Behind the count of its steps and its rate, Adam has two moments of each weight.
        moments = [tf.convert_to_tensor(variable) for variable in optimizer.variables[2:]]
        moments = list(zip(moments[::2], moments[1::2]))
        for step in range(1, self.unroll + 1):
            updates = [
                adam(optimizer, optimizer.iterations + step, *parts)
                for parts in zip(weights, gradients, moments)
            ]
            weights, moments = zip(*updates)
            outcome = self._discriminate(images, generated, list(weights))
            gradients = outcome.gradients
        return outcome


class _Outcome(NamedTuple):
    """What the discriminator makes of a batch."""

    real: tf.Tensor  # logits of real images
    generated: tf.Tensor  # logits of generated ones
    loss: tf.Tensor
    gradients: list  # of the loss, by weight


def draw_latents(distribution, count, seed, size=LATENT_SIZE):
    """Latent vectors.

    Parameters
    ----------
    distribution : "normal" or "uniform"
        Standard normal, or uniform in (-1, 1).
    count : int
    seed : int or keras.random.SeedGenerator
    size : int
        Numbers of a vector.

    Returns
    -------
    float tensor, shape (count, size)
    """
    if distribution == "uniform":
        return keras.random.uniform((count, size), -1, 1, seed=seed)
    return keras.random.normal((count, size), seed=seed)


def enlarge_and_convolve(images, layer):
    """What `UpSampling2D` and then a transposed convolution of 5x5 give, with 9/25 of its
    multiplications.

    In an image that repeats each row and each column, five neighbours of a pixel are only three
    different ones. Which weights fall together depends on whether its row, and its column, is the
    first or the second of the two: four convolutions of 3x3 on the small image give the four
    pixels.

    Parameters
    ----------
    images : float tensor, shape (n, height, width, channels)
    layer : keras.layers.Conv2DTranspose
        With a kernel of 5x5, a stride of 1, padding "same" and no activation.

    Returns
    -------
    float tensor, shape (n, 2 * height, 2 * width, layer.filters)
    """
    # Second of the two or not, neighbour, weight. A transposed convolution has its weights in
    # reverse order.
    falls_to = np.zeros((2, 3, 5), np.float32)
    falls_to[0, [0, 0, 1, 1, 2], [4, 3, 2, 1, 0]] = 1
    falls_to[1, [0, 1, 1, 2, 2], [4, 3, 2, 1, 0]] = 1
    kernels = tf.einsum(
        "pai,qbj,ijoc->abcpqo", falls_to, falls_to, tf.convert_to_tensor(layer.kernel)
    )
    kernels = tf.reshape(kernels, (3, 3, images.shape[-1], 4 * layer.filters))
    return tf.nn.depth_to_space(tf.nn.conv2d(images, kernels, 1, "SAME"), 2) + layer.bias


def adam(optimizer, count, weight, gradient, moments):
    """A weight after an update by Adam (Kingma and Ba 2015), as a differentiable function of it
    and its gradient.

    Parameters
    ----------
    optimizer : keras.optimizers.Adam
        Whose rule it is; its variables do not change.
    count : int tensor
        Number of the update, from 1.
    weight, gradient : tensors of one shape
    moments : pair of tensors of that shape
        The running means of the gradient and of its square.

    Returns
    -------
    weight : tensor
    moments : pair of tensors
    """
    mean, square = moments
    mean += (gradient - mean) * (1 - optimizer.beta_1)
    square += (tf.square(gradient) - square) * (1 - optimizer.beta_2)
    count = tf.cast(count, weight.dtype)
    rate = tf.cast(optimizer.learning_rate, weight.dtype)
    rate *= tf.sqrt(1 - optimizer.beta_2**count) / (1 - optimizer.beta_1**count)
    # The root's derivative at 0, the second moment of a weight that never had a gradient, is
    # infinite: it would turn the weight's zero gradient into NaN.
    positive = square > 0
    root = tf.where(positive, tf.sqrt(tf.where(positive, square, 1.0)), 0.0)
    return weight - mean * rate / (root + optimizer.epsilon), (mean, square)


def _cross_entropy(label, logits):
    """Mean cross-entropy (in nats) between the probability ``label`` of being real and logits."""
    return tf.reduce_mean(tf.nn.softplus(logits) - label * logits)
