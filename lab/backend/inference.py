"""What trained networks give for a batch: logits, features, generated images."""

import keras
import numpy as np

BATCH_SIZE = 1000


def logits_and_features(model, images):
    """A classifier's logits, and the values that they are computed from, those of the last hidden layer.

    Parameters
    ----------
    model : keras.Model with a layer called "logits"
    images : uint8 array, shape (n, height, width, channels)

    Returns
    -------
    logits : float64 array, shape (n, classes)
    features : float64 array, shape (n, features)
    """
    layer = model.get_layer("logits")
    outputs = keras.Model(model.inputs, [layer.output, layer.input])
    return tuple(np.concatenate(part).astype(np.float64) for part in zip(*_by_batch(outputs, images)))


def penalty(model):
    """What the weight decay adds to the loss."""
    return float(sum(float(term) for term in model.losses))


def generate(generator, latents):
    """Generated images, or points.

    Parameters
    ----------
    generator : keras.Model
    latents : float tensor, shape (n, models.gans.LATENT_SIZE)

    Returns
    -------
    uint8 array, shape (n, height, width, channels); or float32 array, shape (n, 2), of points
    """
    generated = np.concatenate(_by_batch(generator, latents))
    return generated if generated.ndim == 2 else generated.round().clip(0, 255).astype(np.uint8)


def _by_batch(model, inputs):
    # Not `predict`, which can take two seconds to end its input pipeline.
    return [model.predict_on_batch(inputs[start : start + BATCH_SIZE]) for start in range(0, len(inputs), BATCH_SIZE)]
