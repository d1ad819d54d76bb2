"""What trained networks give for a batch: logits, features, generated images."""

import keras
import numpy as np

from lab.backend.introspection import most_numbers

MOST, NUMBERS = 1000, 40_000_000  # images in a batch, and numbers that a layer gives for them


def logits_and_features(model, images):
    """A classifier's logits, and the values that they are computed from, those of the last hidden
    layer.

    Of a network of the user's own, logits are the logarithms of its probabilities, and stand for
    its features, too: which layer would be the last hidden one is not known.

    Parameters
    ----------
    model : keras.Sequential, as `networks.build` gives it
    images : uint8 array, shape (n, height, width, channels)

    Returns
    -------
    logits : float64 array, shape (n, classes)
    features : float64 array, shape (n, features)
    """
    layer = model.layers[-2]
    if not isinstance(layer, keras.layers.Dense):
        probabilities = np.concatenate(_by_batch(model, images)).astype(np.float64)
        logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        return logits, logits
    outputs = keras.Model(model.inputs, [layer.output, layer.input])
    return tuple(
        np.concatenate(part).astype(np.float64) for part in zip(*_by_batch(outputs, images))
    )


def penalty(model):
    """What the weight decay adds to the loss."""
    weights = [weight for weight in model.trainable_weights if weight.regularizer]
    return sum((float(weight.regularizer(weight)) for weight in weights), 0.0)


def generate(generator, latents):
    """Generated images, or points.

    Parameters
    ----------
    generator : keras.Model
    latents : float tensor, shape (n, latent size)

    Returns
    -------
    uint8 array, shape (n, height, width, channels); or float32 array, shape (n, 2), of points
    """
    generated = np.concatenate(_by_batch(generator, latents))
    return generated if generated.ndim == 2 else generated.round().clip(0, 255).astype(np.uint8)


def _by_batch(model, inputs):
    # Not `predict`, which can take two seconds to end its input pipeline.
    size = evaluation_batch(model)
    return [
        model.predict_on_batch(inputs[start : start + size])
        for start in range(0, len(inputs), size)
    ]


def evaluation_batch(model):
    """How many images are to be computed at once, where no weights change: fewer of large ones."""
    return max(1, min(MOST, NUMBERS // most_numbers(model)))
