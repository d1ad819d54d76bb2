"""The settings of a run."""

from dataclasses import asdict, dataclass, fields
from typing import get_args, get_origin

from lab.errors import UserError

# The names that a user may choose from. They stand here, and not beside the code that gives them their meaning, so that
# flags can be checked without importing TensorFlow.
CLASSIFIERS = ("dense", "conv", "filter", "gan-classifier")
GANS = ("gan-conv", "gan-dense")
NETS = (*CLASSIFIERS, *GANS)
CONVOLUTIONAL = ("conv", "filter")
IMAGE_DATASETS = ("mnist", "fashion_mnist", "cifar10", "mnist5k")
DATASETS = (*IMAGE_DATASETS, "ring")
# Only functions that never fall as their argument grows: the conv net relies on it (models/classifiers.py).
ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "softplus", "softsign", "tanh", "sigmoid")
REGULARIZERS = ("l2", "l1")
OPTIMIZERS = ("adam", "adamax", "nadam", "rmsprop", "adagrad", "sgd")
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = ("float32", "bfloat16")
LATENTS = ("uniform", "normal")
THEORY = ("polynomial", "softmax", "discriminator")

# Units of each hidden layer, of the nets where they can be chosen.
HIDDEN = {"dense": (200, 100), "gan-classifier": (256, 256, 256), "gan-dense": (256, 256, 256)}
# Settings of one kind of network only.
FOR_CLASSIFIERS = (
    "activation",
    "regularizer",
    "regularizer_strength",
    "dropout",
    "batch_norm",
    "optimizer",
    "early_stopping",
    "precision",
)
FOR_GANS = (
    "unroll",
    "latent",
    "label_smoothing",
    "betas",
    "discriminator_learning_rate",
    "discriminator_betas",
    "steps_per_epoch",
    "sample_every",
)
MOST_THREADS = 1024  # TensorFlow hangs or crashes over absurd numbers
MOST_UNROLLED = 100  # each is traced by itself: building the graph would take minutes

# The convolutional GAN's discriminator, held back by dropout and smoothed labels, learns faster than its generator (two time
# scales, Heusel et al. 2017, arXiv 1706.08500): at equal rates it can soon but guess, and digits stay unclear for longer. The
# dense one's learns slower (Metz et al. 2017, arXiv 1611.02163): at equal rates one that is looked ahead wins for good.
_GAN_DEFAULTS = {
    "gan-conv": {
        "learning_rate": 5e-4,
        "discriminator_learning_rate": 1e-3,
        "latent": "uniform",
        "label_smoothing": 0.1,
        "steps_per_epoch": 128,
    },
    "gan-dense": {
        "learning_rate": 1e-3,
        "discriminator_learning_rate": 1e-4,
        "latent": "normal",
        "label_smoothing": 0.0,
        "steps_per_epoch": None,
    },
}


@dataclass(frozen=True)
class RunConfig:
    """Every setting that can change the outcome of a run.

    Parameters
    ----------
    net, activation, regularizer, optimizer, device, precision : str
        One of the tuples above.
    hidden : tuple of int, or None
        Units of each hidden layer, by default as in `HIDDEN`; None for a net whose layers are fixed. A dense discriminator has
        those of its generator in reverse order.
    regularizer_strength : float
        The weight decay lambda: lambda * sum(w^2) or lambda * sum(|w|) over all kernels.
    dropout : float in [0, 1)
    learning_rate : float, or None for the optimizer's own default, or a GAN's
        Of a GAN: its generator's.
    early_stopping : int, or None
        Stop after this many epochs without a better validation loss.
    dataset : str, or None for MNIST, or its offline stand-in where MNIST cannot be had
    holdout : int
        Validate on this many held-out training images; 0: on the test images.
    threads : int, or None for one a core
    seed : int
        Of the initial weights, the order of the images, dropout, and latent vectors.
    unroll : int
        Of a GAN: updates of the discriminator that the generator's gradient goes through.
    latent : str
        Of a GAN: one of `LATENTS`. None, here and below: see `gan_options`.
    label_smoothing : float in [0, 0.5)
        Of a GAN: s, where the discriminator is to say 1 - s for real images and s for generated ones.
    betas : (float, float)
        Of a GAN's generator: Adam's decay rates of its two moments.
    discriminator_learning_rate, discriminator_betas
        Of a GAN's other optimizer; the betas are by default the generator's.
    steps_per_epoch : int
        Of a GAN.
    sample_every : int
        Of a GAN: epochs between two pictures of samples.

    Raises
    ------
    UserError
        If a value is not allowed.
    """

    net: str = "dense"
    hidden: tuple[int, ...] | None = None
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
    unroll: int = 0
    latent: str | None = None
    label_smoothing: float | None = None
    betas: tuple[float, float] | None = None
    discriminator_learning_rate: float | None = None
    discriminator_betas: tuple[float, float] | None = None
    steps_per_epoch: int | None = None
    sample_every: int | None = None

    def __post_init__(self):
        self._check_names()
        self._check_kind()
        self._check_hidden()
        self._check_numbers()
        self._check_adams()

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
            ("latent", (None, *LATENTS)),
        ):
            value = getattr(self, field)
            if value not in allowed:
                names = ", ".join(str(name) for name in allowed if name is not None)
                raise UserError(f"unknown {_words(field)} {value!r}: choose from {names}")

    def _check_kind(self):
        """Raise UserError for settings of another kind of network."""
        others, kind = (FOR_CLASSIFIERS, "classifiers") if self.is_gan else (FOR_GANS, f"GANs ({', '.join(GANS)})")
        for field in others:
            if getattr(self, field) != getattr(type(self), field):
                raise UserError(f"--{flag_of(field)} is for {kind}, not for the net {self.net}")
        if self.dataset == "ring" and self.net != "gan-dense":
            raise UserError(f"the data set ring has points, not images: it is for the net gan-dense, not for {self.net}")

    def _check_hidden(self):
        if self.net not in HIDDEN:
            if self.hidden is not None:
                raise UserError(f"hidden layers can be set for {', '.join(HIDDEN)} only, not for {self.net}")
            return
        hidden = HIDDEN[self.net] if self.hidden is None else self.hidden
        if not isinstance(hidden, (tuple, list)) or not hidden or not all(_is_int(n) and 1 <= n < 2**31 for n in hidden):
            raise UserError(f"hidden units must be whole numbers of at least 1, as in 200,100; got {hidden!r}")
        object.__setattr__(self, "hidden", tuple(hidden))  # frozen, but still in the making

    def _check_numbers(self):
        least = {"batch_size": 1, "epochs": 1, "early_stopping": 1, "threads": 1, "holdout": 0, "seed": 0}
        least |= {"unroll": 0, "steps_per_epoch": 1, "sample_every": 1}
        for field in least:
            value = getattr(self, field)
            if value is None and getattr(type(self), field) is None:
                continue
            most = {"threads": MOST_THREADS, "unroll": MOST_UNROLLED}.get(field, 2**31 - 1)
            if not _is_int(value) or not least[field] <= value <= most:
                raise UserError(f"{_words(field)} must be a whole number from {least[field]} to {most}, got {value!r}")
        if not _is_finite(self.regularizer_strength) or self.regularizer_strength < 0:
            raise UserError(f"regularizer strength must be a number of at least 0, got {self.regularizer_strength!r}")
        if not _is_finite(self.dropout) or not 0 <= self.dropout < 1:
            raise UserError(f"dropout must be at least 0 and below 1, got {self.dropout!r}")
        smoothing = self.label_smoothing
        if smoothing is not None and not (_is_finite(smoothing) and 0 <= smoothing < 0.5):
            raise UserError(f"label smoothing must be at least 0 and below 0.5, got {smoothing!r}")

    def _check_adams(self):
        for field in ("learning_rate", "discriminator_learning_rate"):
            value = getattr(self, field)
            if value is not None and not (_is_finite(value) and value > 0):
                raise UserError(f"{_words(field)} must be a number above 0, got {value!r}")
        for field in ("betas", "discriminator_betas"):
            value = getattr(self, field)
            if value is None:
                continue
            if not isinstance(value, (tuple, list)) or len(value) != 2 or not all(_is_finite(n) and 0 <= n < 1 for n in value):
                raise UserError(f"{_words(field)} must be two numbers from 0 to below 1, as in 0.5,0.999; got {value!r}")
            object.__setattr__(self, field, tuple(value))

    @property
    def is_gan(self):
        return self.net in GANS

    def gan_options(self):
        """The settings of a GAN, a default in the place of each None: a dict.

        "steps_per_epoch" may still be None: as many as the data have whole batches, which is its upper limit, too.
        """
        options = {name: getattr(self, name) for name in ("learning_rate", *FOR_GANS)}
        default = {"betas": (0.5, 0.999), "sample_every": 1} | _GAN_DEFAULTS[self.net]
        options = default | {name: value for name, value in options.items() if value is not None}
        return {"discriminator_betas": options["betas"]} | options

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
        for field in ("activation", "optimizer", "precision", "latent"):
            if getattr(self, field) != getattr(type(self), field):
                parts.append(getattr(self, field))
        numbers = "unroll", "dropout", "learning_rate", "betas", "discriminator_learning_rate", "discriminator_betas"
        for field in (*numbers, "label_smoothing", "batch_size", "steps_per_epoch", "early_stopping", "holdout", "seed"):
            if getattr(self, field) != getattr(type(self), field):
                parts.append(f"{_words(field)} {setting_text(getattr(self, field))}")
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
    kind = next(one for one in (kind, *get_args(kind)) if isinstance(one, type) or get_origin(one) is tuple)
    try:
        if get_origin(kind) is tuple:
            return tuple(get_args(kind)[0](part) for part in text.split(","))
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise UserError(f"expected {_EXPECTED[kind]} for {_words(name)}, got {text!r}") from None


_EXPECTED = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple[int, ...]: "whole numbers, as in 200,100,",
    tuple[float, float]: "two numbers, as in 0.5,0.999,",
}


def setting_text(value):
    """A setting's value as one would type it: the inverse of `parse_setting`, the same for equal values."""
    if isinstance(value, tuple):
        return ",".join(setting_text(one) for one in value)
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
