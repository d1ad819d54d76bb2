"""The settings of a run."""

from dataclasses import asdict, dataclass, fields
from typing import get_args

from lab.errors import UserError

# The names that a user may choose from. They stand here, and not beside the code that gives them their meaning, so that
# flags can be checked without importing TensorFlow.
NETS = ("dense", "conv", "filter")
CONVOLUTIONAL = ("conv", "filter")
DATASETS = ("mnist", "fashion_mnist", "cifar10", "mnist5k")
# Only functions that never fall as their argument grows: the conv net relies on it (models/classifiers.py).
ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "softplus", "softsign", "tanh", "sigmoid")
REGULARIZERS = ("l2", "l1")
OPTIMIZERS = ("adam", "adamax", "nadam", "rmsprop", "adagrad", "sgd")
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = ("float32", "bfloat16")
THEORY = ("polynomial", "softmax", "discriminator")

DEFAULT_HIDDEN = (200, 100)
MOST_THREADS = 1024  # TensorFlow hangs or crashes over absurd numbers


@dataclass(frozen=True)
class RunConfig:
    """Every setting that can change the outcome of a run.

    Parameters
    ----------
    net, activation, regularizer, optimizer, device, precision : str
        One of the tuples above.
    hidden : tuple of int, or None
        Units of each hidden layer of the dense net, by default (200, 100); None for every other net.
    regularizer_strength : float
        The weight decay lambda: lambda * sum(w^2) or lambda * sum(|w|) over all kernels.
    dropout : float in [0, 1)
    learning_rate : float, or None for the optimizer's own default
    early_stopping : int, or None
        Stop after this many epochs without a better validation loss.
    dataset : str, or None for MNIST, or its offline stand-in where MNIST cannot be had
    holdout : int
        Validate on this many held-out training images; 0: on the test images.
    threads : int, or None for one a core
    seed : int
        Of the initial weights, the order of the images, and dropout.

    Raises
    ------
    UserError
        If a value is not allowed.
    """

    net: str = "dense"
    hidden: tuple | None = None
    activation: str = "relu"
    regularizer: str = "l2"
    regularizer_strength: float = 0.0
    dropout: float = 0.0
    batch_norm: bool = False
    optimizer: str = "adam"
    learning_rate: float | None = None
    batch_size: int = 128
    epochs: int = 10
    early_stopping: int | None = None
    dataset: str | None = None
    holdout: int = 0
    device: str = "auto"
    threads: int | None = None
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self):
        self._check_names()
        self._check_hidden()
        self._check_numbers()

    def _check_names(self):
        for field, allowed in (
            ("net", NETS),
            ("activation", ACTIVATIONS),
            ("regularizer", REGULARIZERS),
            ("optimizer", OPTIMIZERS),
            ("dataset", (None, *DATASETS)),
            ("device", DEVICES),
            ("precision", PRECISIONS),
            ("batch_norm", (False, True)),
        ):
            value = getattr(self, field)
            if value not in allowed:
                names = ", ".join(str(name) for name in allowed if name is not None)
                raise UserError(f"unknown {_words(field)} {value!r}: choose from {names}")

    def _check_hidden(self):
        if self.net != "dense":
            if self.hidden is not None:
                raise UserError(f"hidden layers can be set for the dense net only, not for {self.net}")
            return
        hidden = DEFAULT_HIDDEN if self.hidden is None else self.hidden
        if not isinstance(hidden, (tuple, list)) or not hidden or not all(_is_int(n) and 1 <= n < 2**31 for n in hidden):
            raise UserError(f"hidden units must be whole numbers of at least 1, as in 200,100; got {hidden!r}")
        object.__setattr__(self, "hidden", tuple(hidden))  # frozen, but still in the making

    def _check_numbers(self):
        least = {"batch_size": 1, "epochs": 1, "early_stopping": 1, "threads": 1, "holdout": 0, "seed": 0}
        for field in least:
            value = getattr(self, field)
            if value is None and field in ("early_stopping", "threads"):
                continue
            most = MOST_THREADS if field == "threads" else 2**31 - 1
            if not _is_int(value) or not least[field] <= value <= most:
                raise UserError(f"{_words(field)} must be a whole number from {least[field]} to {most}, got {value!r}")
        if not _is_finite(self.regularizer_strength) or self.regularizer_strength < 0:
            raise UserError(f"regularizer strength must be a number of at least 0, got {self.regularizer_strength!r}")
        if not _is_finite(self.dropout) or not 0 <= self.dropout < 1:
            raise UserError(f"dropout must be at least 0 and below 1, got {self.dropout!r}")
        if self.learning_rate is not None and not (_is_finite(self.learning_rate) and self.learning_rate > 0):
            raise UserError(f"learning rate must be a number above 0, got {self.learning_rate!r}")

    def to_json(self):
        """The settings as a dict that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings):
        """Settings from what `to_json` gave; UserError if there is anything else in it."""
        if not isinstance(settings, dict):
            raise UserError("its settings are not a table of names and values")
        unknown = set(settings) - {field.name for field in fields(cls)}
        if unknown:
            raise UserError(f"unknown setting {sorted(unknown)[0]!r}")
        return cls(**settings)

    def describe(self):
        """What distinguishes the run, for a figure's title: the net, and every setting that is not the default."""
        parts = [self.net + (" " + "-".join(map(str, self.hidden)) if self.hidden else "")]
        if self.regularizer_strength:
            parts.append(f"{self.regularizer} λ = {self.regularizer_strength:g}")
        if self.batch_norm:
            parts.append("batch norm")
        default = RunConfig(net=self.net)
        for field in ("activation", "optimizer", "precision"):
            if getattr(self, field) != getattr(default, field):
                parts.append(getattr(self, field))
        for field in ("dropout", "learning_rate", "batch_size", "early_stopping", "holdout", "seed"):
            if getattr(self, field) != getattr(default, field):
                parts.append(f"{_words(field)} {getattr(self, field):g}")
        return ", ".join(parts)


def parse_setting(name, text):
    """The value of a setting from its text on a command line or in a table.

    Parameters
    ----------
    name : str
        A field of `RunConfig`.
    text : str
        "200,100", "1e-4", "true", "tanh", ...

    Raises
    ------
    UserError
        If the text is no value of that type; whether the value is allowed is checked by `RunConfig`.
    """
    kind = next(field.type for field in fields(RunConfig) if field.name == name)
    kind = next(one for one in (bool, int, float, tuple, str) if one in (kind, *get_args(kind)))
    try:
        if kind is tuple:
            return tuple(int(part) for part in text.split(","))
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise UserError(f"expected {_EXPECTED[kind]} for {_words(name)}, got {text!r}") from None


_EXPECTED = {int: "a whole number", float: "a number", tuple: "whole numbers, as in 200,100,", bool: "true or false"}


def setting_text(value):
    """A setting's value as one would type it: the inverse of `parse_setting`, the same for equal values."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    # No plus sign, which the name of a folder may not have: 1e+20 is 1e20.
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0").replace("+", "")


def flag_of(name):
    """A setting's name as a flag has it, without its dashes."""
    return name.replace("_", "-")


def differing(configs):
    """The settings that are not the same in all of some runs.

    Parameters
    ----------
    configs : iterable of RunConfig

    Returns
    -------
    list of str
    """
    configs = list(configs)
    return [field.name for field in fields(RunConfig) if len({getattr(config, field.name) for config in configs}) > 1]


def _words(field):
    return field.replace("_", " ")


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value):
    """Whether it is a number that float32 can hold."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 3e38
