"""One class, one field a setting.

A field carries its type with its bounds, its default, and a `Flag`: its help, the group of flags
that it stands in, the networks that it is for. The flags of train.py, what ``--sweep`` may vary,
the way from text, JSON in and out, tables and the titles of figures follow from the fields.
"""

import functools
import hashlib
import shlex
from typing import Annotated, Literal, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lab.inputs import MEGABYTE
from lab.settings import kinds, names
from lab.settings.kinds import (
    Betas,
    Count,
    CountOrZero,
    Rate,
    Share,
    Smoothing,
    Strength,
    Threads,
    Units,
    Unrolled,
    UserError,
)
from lab.settings.names import CLASSIFIERS, GANS
from lab.settings.source import check_named


class Flag(NamedTuple):
    """What a setting has beside its type, bounds and default."""

    group: str  # of flags in the help
    help: str  # to which a default that does not depend on others is added
    nets: tuple[str, ...] = names.NETS  # that it is for
    title: str = "{words} {value}"  # what a figure's title says of it, where it is not the default
    words: str | None = None  # what messages call it, where that is not its name
    axis: str | None = None  # what the axis of a figure calls it, where that is another word
    short: str | None = None  # its short flag
    metavar: str | None = None  # what the help calls its value, where its type does not say

    def is_for(self, net):
        """Whether a network may have it; one of the user's own, what any classifier may."""
        return net in self.nets or (
            kinds.is_own_net(net) and not set(CLASSIFIERS).isdisjoint(self.nets)
        )


def _field(default, *flag, **more):
    """A field with a default, or with a function of the fields above it that gives the default."""
    kind = "default_factory" if callable(default) else "default"
    return Field(**{kind: default}, json_schema_extra={"flag": Flag(*flag, **more)})


def _of_net(defaults):
    """The default that depends on the net alone; None for a net that it says nothing of."""
    return lambda above: defaults.get(above["net"])


def _of_gans(default):
    """A default of GANs; None for any other net."""
    return _of_net(dict.fromkeys(GANS, default))


def _usual_rate(above):
    """The default of the learning rate: the optimizer's own, or that of a GAN's generator."""
    return names.GENERATOR_RATES.get(above["net"]) or names.OPTIMIZERS[above["optimizer"]]


def _usual_discriminator_rate(above):
    """The default of a GAN's discriminator's learning rate, which may be another if the generator
    looks ahead.
    """
    looked_ahead = names.UNROLLED_DISCRIMINATOR_RATES if above["unroll"] else {}
    return looked_ahead.get(above["net"]) or names.DISCRIMINATOR_RATES.get(above["net"])


def _usual_kernels(above):
    """The default of the kernels: 5x5 in the first layer, 3x3 in the others."""
    return above["filters"] and (5, *[3] * (len(above["filters"]) - 1))


_HIDDEN = "units of each hidden layer of a dense net (default of a GAN and its classifier: 256,256,256; else: 200,100)"
_DECAY = "{given.regularizer} λ = {value}"
_STOPPING = "stop after so many epochs without a better validation loss, and keep the best epoch's weights (default: never)"
_LATENT = "distribution of the latent numbers (default: uniform for gan-conv, else normal)"
_GENERATOR_LOSS = "-log D, or saturating: minus the discriminator's, flat where the generator loses (default: non-saturating)"
_DISCRIMINATOR_FILTERS = "of each layer of the conv discriminator (default: 32,64,128)"
_INITIALIZER = "of the kernels: glorot_uniform or orthogonal (default: glorot_uniform)"
_NET = (
    f"any net: {', '.join(names.NETS)}; or a function of your own, FILE.py:FUNCTION (docs/own.md)"
)
_SMOOTHING = "share of a label given to all classes; of a GAN: labels 1 - S and S (default: 0.1 for gan-conv, else 0)"
_FILTERS = "filters of each layer of the conv net, one to four (default: 20,10)"
_KERNELS = "side of each layer's filters (default: 5, then 3)"
_HEAD = "what becomes of the last filters' images: flatten, or average each (default: flatten)"
_SCHEDULE = "of the learning rate: constant, or falling to 0 as a cosine"
_SHIFT = "move each training image by up to so many pixels, at random"
_PRECISION = "to compute in; in bfloat16 convolutional nets train faster on many processors, small dense ones do not"
_DATASETS = (
    f"{', '.join(names.DATASETS)}, or your own: FILE.npz or FOLDER (docs/own.md) (default: mnist)"
)
_RESIZE = "crop the pictures of your own folder to squares around their middle, and scale these to N by N pixels"
_RATES = "--learning-rate is the generator's (defaults: 1e-3; gan-dense unrolled 1e-4; generator 1e-3, of gan-conv 5e-4)"


# Networks whose hidden layers have an activation that can be chosen.
_ACTIVE = (*CLASSIFIERS, "gan-dense")


class Settings(BaseModel):
    """Every setting that can change the outcome of a run: checked, and resolved when it is made.

    A default that depends on other settings is filled in, so that two runs are of equal settings
    if they were trained alike, however they were typed. None is left for what has no value (no
    early stopping, hidden layers of a net whose layers are fixed, what is for GANs in the settings
    of a classifier); for ``threads``, one a core of whichever machine; and, until
    `lab.data.resolve` has seen the data, for the data set's name and a GAN's steps per epoch.

    Raises
    ------
    UserError
        If a value is not allowed, or is for another kind of network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    net: kinds.Net = _field("dense", "network", _NET, title="")
    hidden: Units | None = _field(
        _of_net(names.HIDDEN),
        "network",
        _HIDDEN,
        tuple(names.HIDDEN),
        title="",
        words="hidden units",
    )
    filters: kinds.Filters | None = _field(
        _of_net(names.FILTERS), "network", _FILTERS, tuple(names.FILTERS)
    )
    kernels: kinds.Kernels | None = _field(
        _usual_kernels, "network", _KERNELS, tuple(names.FILTERS)
    )
    head: Literal[*names.HEADS] | None = _field(
        _of_net({"conv": "flatten"}), "network", _HEAD, ("conv",)
    )
    activation: Literal[*names.ACTIVATIONS] = _field(
        "relu", "network", ", ".join(names.ACTIVATIONS), _ACTIVE, "{value}"
    )
    dropout: Share = _field(0.0, "network", "share of hidden units dropped", CLASSIFIERS)
    batch_norm: bool = _field(
        False,
        "network",
        "batch normalization before each hidden activation",
        CLASSIFIERS,
        "batch norm",
    )
    regularizer_strength: Strength = _field(
        0.0,
        "weight decay",
        "its strength, on every kernel",
        CLASSIFIERS,
        _DECAY,
        axis="weight decay λ",
        short="-r",
    )
    regularizer: Literal[*names.REGULARIZERS] = _field(
        "l2",
        "weight decay",
        "lambda * sum(|w|) or lambda * sum(w^2)",
        CLASSIFIERS,
        "",
        metavar="l1|l2",
    )
    optimizer: Literal[*names.OPTIMIZERS] = _field(
        "adam", "training", ", ".join(names.OPTIMIZERS), CLASSIFIERS, "{value}"
    )
    learning_rate: Rate = _field(
        _usual_rate, "training", "(default: the optimizer's own; see also GANs)"
    )
    schedule: Literal[*names.SCHEDULES] = _field(
        "constant", "training", _SCHEDULE, title="{value} schedule"
    )
    warmup: CountOrZero = _field(
        0, "training", "epochs in which the learning rate rises from 0", metavar="EPOCHS"
    )
    batch_size: Count = _field(128, "training", "images to a step")
    epochs: Count = _field(10, "training", "passes over the data, or parts of it", title="")
    early_stopping: Count | None = _field(
        None, "training", _STOPPING, CLASSIFIERS, metavar="PATIENCE"
    )
    label_smoothing: Smoothing = _field(
        lambda above: names.SMOOTHING.get(above["net"], 0.0), "training", _SMOOTHING
    )
    shift: kinds.Pixels = _field(0, "training", _SHIFT, CLASSIFIERS)
    seed: CountOrZero = _field(
        0, "training", "of weights, order of images, dropout, shifts and latent vectors"
    )
    unroll: Unrolled = _field(
        0, "GANs", "discriminator updates the generator looks ahead, at most 100", GANS
    )
    latent: Literal[*names.LATENTS] | None = _field(
        _of_net(names.LATENT), "GANs", _LATENT, GANS, "{value}"
    )
    latent_size: Count | None = _field(
        _of_gans(100), "GANs", "of the latent vectors (default: 100)", GANS
    )
    generator_loss: Literal[*names.GENERATOR_LOSSES] | None = _field(
        _of_gans("non-saturating"), "GANs", _GENERATOR_LOSS, GANS, "{value} loss", metavar="NAME"
    )
    initializer: Literal[*names.INITIALIZERS] | None = _field(
        _of_gans("glorot_uniform"), "GANs", _INITIALIZER, GANS, "{value}", metavar="NAME"
    )
    discriminator_filters: kinds.ThreeFilters | None = _field(
        _of_net(names.DISCRIMINATOR_FILTERS),
        "GANs",
        _DISCRIMINATOR_FILTERS,
        tuple(names.DISCRIMINATOR_FILTERS),
    )
    betas: Betas | None = _field(
        _of_gans((0.5, 0.999)), "GANs", "Adam's, of the generator (default: 0.5,0.999)", GANS
    )
    discriminator_betas: Betas | None = _field(
        lambda above: above["betas"], "GANs", "(default: as the generator's)", GANS
    )
    discriminator_learning_rate: Rate | None = _field(
        _usual_discriminator_rate, "GANs", _RATES, GANS
    )
    steps_per_epoch: Count | None = _field(
        None, "GANs", "(default: a pass over the data; gan-conv: at most 128)", GANS
    )
    sample_every: Count | None = _field(
        _of_gans(1), "GANs", "epochs between two pictures of samples (default: 1)", GANS, ""
    )
    dataset: kinds.Dataset | None = _field(None, "data", _DATASETS, title="", words="data set")
    holdout: CountOrZero = _field(
        0, "data", "validate on N training images, not on the test images", axis="held-out images"
    )
    resize: kinds.ImageSide | None = _field(
        None, "data", f"{_RESIZE} (default: as they are)", axis="pixels a side"
    )
    device: Literal[*names.DEVICES] = _field(
        "auto", "device", "auto: the GPU if there is one", title=""
    )
    threads: Threads | None = _field(
        None, "device", "CPU threads (default: one a core)", title="", axis="CPU threads"
    )
    precision: Literal[*names.PRECISIONS] = _field(
        "float32", "device", _PRECISION, CLASSIFIERS, "{value}"
    )
    # No flag: what is in the file of a network of the user's own, once it was read
    # (`network.with_source`).
    source: Annotated[str, Field(max_length=MEGABYTE)] | None = None

    def __init__(self, /, **given):
        # What is None gets its default, which is None again where there is nothing to be had.
        unknown = next((name for name in given if name not in type(self).model_fields), None)
        if unknown is not None:
            raise UserError(f"unknown setting {unknown!r}")
        try:
            super().__init__(
                **{
                    name: value
                    for name, value in given.items()
                    if value is not None or name not in _RESOLVED
                }
            )
        except ValidationError as error:
            raise UserError(_in_words(error, given)) from error

    @model_validator(mode="after")
    def _check_kind(self):
        """Raise UserError for settings of another kind of network."""
        for name, flag in FLAGS.items():
            if not flag.is_for(self.net) and getattr(self, name) != self.default(name):
                kind = {CLASSIFIERS: "classifiers", GANS: f"GANs ({', '.join(GANS)})"}.get(
                    flag.nets, ", ".join(flag.nets)
                )
                raise UserError(f"--{flag_of(name)} is for {kind}, not for the net {self.net}")
        if self.filters and len(self.kernels) != len(self.filters):
            raise UserError(
                f"--kernels has {len(self.kernels)} sizes, --filters {len(self.filters)}: give one to a layer"
            )
        if self.warmup >= self.epochs:
            raise UserError(
                f"--warmup {self.warmup} leaves no epoch of {self.epochs}: warm up for fewer, or train for more"
            )
        if self.dataset in names.POINTS and self.net != "gan-dense":
            about = f"the data set {self.dataset} has points, not images"
            raise UserError(f"{about}: it is for the net gan-dense, not for {self.net}")
        return self

    @property
    def is_gan(self):
        return self.net in GANS

    @property
    def is_own_net(self):
        return kinds.is_own_net(self.net)

    @property
    def network(self):
        """A short hash of the source of a network of the user's own; None of any other."""
        return self.source and hashlib.sha256(self.source.encode()).hexdigest()[:8]

    @property
    def data(self):
        """What tells a run's data from those of other runs: the data set's name, and the size that
        its pictures get.
        """
        return f"{self.dataset} {self.resize}" if self.resize else self.dataset

    def default(self, name):
        """What a setting is where it is not given, in the company of these."""
        return Settings.model_fields[name].get_default(
            call_default_factory=True, validated_data=dict(self)
        )

    def replace(self, **changes):
        """The same settings but for some; what was never given gets its default anew, as another
        optimizer its own rate.
        """
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | changes)

    def to_json(self):
        """The settings as a dict that JSON can hold, and of which ``Settings(**dict)`` makes the
        same ones.
        """
        return self.model_dump(mode="json", exclude=None if self.source else {"source"})

    def describe(self, examples=None):
        """What distinguishes the run, for a figure's title: the net, and every setting that is not
        the default.

        Parameters
        ----------
        examples : int, optional
            Training examples, in which steps per epoch that are a whole pass are no distinction.
        """
        parts = [self.net + (" " + "-".join(map(str, self.hidden)) if self.hidden else "")]
        for name, value in self.unusual(examples).items():
            parts.append(
                FLAGS[name].title.format(words=words(name), value=kinds.text(value), given=self)
            )
        return ", ".join(filter(None, parts))

    def unusual(self, examples=None):
        """Every setting that is not its default in the company of the others, by name:
        ``Settings(**unusual)`` are the same.

        Parameters
        ----------
        examples : int, optional
            As of `describe`.
        """
        usual = {name: self.default(name) for name in FLAGS} | {
            "steps_per_epoch": self.usual_steps(examples)
        }
        return {
            name: getattr(self, name)
            for name in FLAGS
            if getattr(self, name) not in (usual[name], None)
        }

    def usual_steps(self, examples):
        """Steps per epoch of a GAN that has no setting of its own, with so many training examples;
        None of a classifier.
        """
        if not self.is_gan or examples is None:
            return None
        return min(examples // self.batch_size, names.MOST_STEPS.get(self.net, examples))


# The settings' flags, by name.
FLAGS = {
    name: field.json_schema_extra["flag"]
    for name, field in Settings.model_fields.items()
    if field.json_schema_extra
}
# Those that may be given as None; None for any other is a fault.
_RESOLVED = {
    name
    for name, field in Settings.model_fields.items()
    if field.default_factory or field.default is None
}


def words(name):
    """What messages and axes call a setting."""
    return FLAGS[name].words or name.replace("_", " ")


def flag_of(name):
    """A setting's name as a flag has it, without its dashes."""
    return name.replace("_", "-")


def as_flags(values):
    """Settings as one would type them: "--hidden 50,25 --batch-norm".

    Parameters
    ----------
    values : dict
        By the setting's name, as `Settings.unusual` gives them.
    """
    given = [
        f"--{flag_of(name)}" if value is True else flag_with(flag_of(name), kinds.text(value))
        for name, value in values.items()
    ]
    return " ".join(given)


def flag_with(flag, value):
    """A flag, named without its dashes, and its value as one would type them: such that neither a
    dash nor an @ acts.
    """
    return f"--{flag}{'=' if value.startswith(('-', '@')) else ' '}{shlex.quote(value)}"


def parse(name, given):
    """The value of a setting from its text on a command line or in a table.

    Parameters
    ----------
    name : str
        A field of `Settings`.
    given : str
        "200,100", "1e-4", "true", "tanh", ...

    Raises
    ------
    UserError
        If the text is no value of that type and within its bounds.
    """
    if name == "net":
        check_named(given)
    return kinds.parse_as(_kind(name), words(name), given)


def is_value(name, given):
    """Whether a text is a value of a setting, as of `parse`."""
    try:
        parse(name, given)
    except UserError:
        return False
    return True


def metavar(name):
    """What the help calls a setting's value; empty of a flag that takes none."""
    return FLAGS[name].metavar or kinds.in_words(_kind(name)).metavar


def choices(name):
    """The names that a setting may be, if it is one of some names."""
    return kinds.choices(_kind(name))


def axis(name):
    """What the axis of a figure says of a setting that is a number, and whether it may be
    logarithmic; None of another.
    """
    kind = _kind(name)
    if kinds.plain(kind) not in (int, float):
        return None
    return FLAGS[name].axis or words(name), kind != Share


def differing(several):
    """The settings that are not the same in all of some runs, the source of their networks among
    them.

    Parameters
    ----------
    several : iterable of Settings

    Returns
    -------
    list of str
    """
    several = list(several)
    return [
        name
        for name in Settings.model_fields
        if len({getattr(settings, name) for settings in several}) > 1
    ]


@functools.cache
def _kind(name):
    """A setting's type with its bounds, without its "or None"."""
    return kinds.required(get_type_hints(Settings, include_extras=True)[name])


def _in_words(error, given):
    """What was wrong with some settings, in one line."""
    for fault in error.errors():
        if isinstance(fault.get("ctx", {}).get("error"), UserError):
            return str(fault["ctx"]["error"])
        name = fault["loc"][0]
        if name not in FLAGS:
            return f"{name}: {fault['msg']}"
        if (
            fault["type"] != "default_factory_not_called"
        ):  # for want of another setting, whose fault comes first
            return kinds.refusal(_kind(name), words(name), given[name])
