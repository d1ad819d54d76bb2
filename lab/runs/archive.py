"""A run's trained model, read with suspicion."""

import zipfile

import simplejson

from lab.runs.folders import File
from lab.settings import UserError


def load_model(run):
    """A run's trained model.

    Before Keras builds anything from the file, every class that the file names is checked to be one that we save; Keras's
    safe mode alone would let a file call arbitrary functions of Keras.

    Parameters
    ----------
    run : Run
        Which the model has to fit.

    Returns
    -------
    keras.Sequential, not compiled

    Raises
    ------
    UserError
        If there is no such file, or it is broken, foreign, or of another run.
    """
    import keras

    path = run.folder / File.MODEL
    try:
        with zipfile.ZipFile(path) as archive:
            _check_classes(simplejson.loads(archive.read("config.json")))
        model = keras.saving.load_model(path, safe_mode=True, compile=False)
        if not _fits(model, run):
            raise ValueError("it does not fit the run's config.json")
        return model
    except FileNotFoundError:
        raise UserError(f"{run.folder} holds no {File.MODEL}: train the run again with --overwrite") from None
    except Exception as error:  # a broken archive fails in as many ways as there are readers in Keras
        fault = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"{path}: not the model of this run ({fault}); train it again with --overwrite") from error


def _fits(model, run):
    """Whether a model is what a run of these settings saves."""
    from lab.data import CLASSES, IMAGE_SHAPES  # with NumPy, for which no wrong flag waits

    shape, classes = IMAGE_SHAPES[run.record.dataset.name], len(CLASSES[run.record.dataset.name])
    if model.count_params() != run.record.parameters:
        return False
    if run.settings.is_gan:
        generator, discriminator = model.layers
        return generator.output_shape == discriminator.input_shape == (None, *shape) and model.output_shape == (None, 1)
    return (model.input_shape, model.output_shape, model.layers[-2].name) == ((None, *shape), (None, classes), "logits")


# The classes of which our networks are saved. A list of what is allowed, since some of Keras's own run foreign code or read
# files when they are loaded.
_SAVED_CLASSES = {
    "keras": {"Sequential", "DTypePolicy"},
    "keras.layers": {
        *("InputLayer", "Rescaling", "Flatten", "Dense", "Reshape", "Conv2D", "Conv2DTranspose", "UpSampling2D"),
        *("MaxPooling2D", "GlobalAveragePooling2D", "Activation", "ReLU", "LeakyReLU", "BatchNormalization", "Dropout"),
    },
    "keras.initializers": {"GlorotUniform", "Zeros", "Ones"},
    "keras.regularizers": {"L1", "L2"},
    "keras.losses": {"CategoricalCrossentropy"},
    "keras.optimizers": {"Adam", "Adamax", "Nadam", "RMSprop", "Adagrad", "SGD"},
}


def _check_classes(node):
    """Raise ValueError if a saved model's configuration names any class but those."""
    if isinstance(node, list):
        for item in node:
            _check_classes(item)
    elif isinstance(node, dict):
        if "class_name" in node:
            module, name = str(node.get("module")), str(node["class_name"])
            if name not in _SAVED_CLASSES.get(module, ()) or node.get("registered_name") not in (None, name):
                raise ValueError(f"it names {module}.{name}, which our networks do not use")
        for item in node.values():
            _check_classes(item)
