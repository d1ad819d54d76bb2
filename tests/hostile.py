"""Files that nobody should be harmed by: written by `write_corpus`, and read by the scripts in a
process of its own (`main`).

Whoever executes what such a file holds would open or import what is called CANARY.
"""

import base64
import contextlib
import copy
import io
import json
import marshal
import os
import random
import re
import resource
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
CANARY = "canary"
REFUSED, HARMLESS, EITHER = "refused", "harmless", "either"
SPARSE = 3 * 10**9  # bytes of a file that takes no room
WEIGHT = "layers/dense/vars/0"
MEMBERS = ("metadata.json", "config.json", "model.weights.h5")


class Case(NamedTuple):
    """A command that reads something hostile."""

    name: str
    script: str
    flags: list  # of str
    folder: str
    outcome: str


class Corpus:
    """Folders, each with a clean run or two and one hostile file, and the commands that read it."""

    def __init__(self, folder):
        self.folder, self.cases = folder, []
        self.canary = folder / CANARY
        self.canary.mkdir()
        os.mkfifo(self.canary / "pipe.h5")  # whoever follows a link to it, waits for ever
        self.clean = {
            name: (ROOT / "tests/earlier/dense" / name).read_bytes()
            for name in ("config.json", "history.json")
        }
        with zipfile.ZipFile(ROOT / "tests/earlier/dense/model.keras") as archive:
            self.members = {name: archive.read(name) for name in MEMBERS}
        self.model = zipped(self.members)

    def case(self, name, script="evaluate", outcome=REFUSED, flags=()):
        """A new folder, and a command to be run in it."""
        folder = self.folder / f"{len(self.cases):03}"
        folder.mkdir()
        flags = [str(flag).replace("HERE", str(folder)) for flag in flags]
        self.cases.append(
            Case(
                name,
                script,
                [*flags, "--results-dir", str(folder / "results")],
                str(folder),
                outcome,
            )
        )
        return folder

    def run(self, folder, **files):
        """A clean run within the results folder, but for some files."""
        run = folder / "results" / "run"
        run.mkdir(parents=True)
        given = {name.replace("_", "."): content for name, content in files.items()}
        for name, content in (self.clean | {"model.keras": self.model} | given).items():
            if callable(content):
                content(run / name)
            elif content is not None:
                (run / name).write_bytes(content)
        return run

    def of_model(self, name, content, outcome=REFUSED):
        folder = self.case(
            f"model: {name}", outcome=outcome, flags=["-m", "run", "--images", "HERE/x.png"]
        )
        self.run(folder, model_keras=content)
        digit(folder / "x.png")

    def of_json(self, name, content, file="history.json", outcome=REFUSED):
        folder = self.case(
            f"{file}: {name}", outcome=outcome, flags=["-m", "run", "--export", "csv"]
        )
        self.run(folder, **{file.replace(".", "_"): content})

    def of_picture(self, name, content, outcome=REFUSED, file="x.png"):
        folder = self.case(
            f"picture: {name}", outcome=outcome, flags=["-m", "run", "--images", f"HERE/{file}"]
        )
        self.run(folder)
        write(folder / file, content)

    def of_table(self, name, content, outcome=REFUSED):
        folder = self.case(
            f"csv: {name}", outcome=outcome, flags=["-m", "run", "--published", "HERE/x.csv"]
        )
        self.run(folder)
        write(folder / "x.csv", content)

    def of_flags(self, name, content, outcome=REFUSED):
        folder = self.case(f"flags: {name}", "train", outcome, ["@HERE/x.args"])
        write(folder / "x.args", content)

    def of_arrays(self, name, content, outcome=REFUSED):
        folder = self.case(
            f"npz: {name}",
            "train",
            outcome,
            ["-m", "x", "--dataset", "mnist", "--data-dir", "HERE"],
        )
        write(folder / "mnist.npz", content)


def write(path, content):
    content(path) if callable(content) else path.write_bytes(content)


def named(text):
    """A text as the name of a file."""
    return os.fsdecode(text.replace("/", "∕").replace("\0", "").encode("utf-8", "surrogatepass"))


def digit(path, **options):
    picture = Image.new("L", (40, 40), 255)
    picture.paste(0, (15, 8, 22, 32))
    picture.save(path, **options)


def zipped(members, again=0, **options):
    """A zip archive, whose last member is listed ``again`` under other names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
        for number in range(again):
            archive.filelist.append(copy.copy(archive.filelist[-1]))
            archive.filelist[-1].filename = f"{number}.npy"
    return file.getvalue()


# Kinds of files that may stand where any other is expected.


def sparse(path):
    with open(path, "wb") as file:
        file.truncate(SPARSE)


def sock(path):
    with contextlib.chdir(path.parent), contextlib.closing(socket.socket(socket.AF_UNIX)) as one:
        one.bind(path.name)


SPECIAL = {
    "pipe": os.mkfifo,
    "directory": Path.mkdir,
    "socket": sock,
    "sparse": sparse,
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to the terminal": lambda path: path.symlink_to("/dev/tty"),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "nothing": b"",
    "zeros": bytes(5000),
    "bits": bytes(range(256)) * 20,
}


def add_special(corpus):
    for name, content in SPECIAL.items():
        corpus.of_model(name, content)
        corpus.of_picture(name, content)
        corpus.of_table(name, content)
        corpus.of_flags(name, content)
        corpus.of_arrays(name, content)
        for file in ("config.json", "history.json"):
            corpus.of_json(name, content, file)


# Models.


def call(module, name, *arguments, **more):
    return {
        "module": module,
        "class_name": name,
        "config": {"args": arguments},
        "registered_name": None,
        **more,
    }


BYTECODE = base64.b64encode(
    marshal.dumps(compile(f"open({CANARY!r}, 'w')", CANARY, "exec"))
).decode()
FUNCTION = {
    "class_name": "__lambda__",
    "config": {"code": BYTECODE, "defaults": None, "closure": None},
}
FOREIGN = {
    "lambda": {"module": "keras.layers", "class_name": "Lambda", "config": {"function": FUNCTION}},
    "saved model": call("keras.layers", "TFSMLayer", filepath=CANARY),
    "torch": call("keras.layers", "TorchModuleWrapper", CANARY),
    "get_file": call("keras.utils", "get_file", "http://127.0.0.1/x"),
    "load_model": call("keras.saving", "load_model", CANARY),
    "deserialize": call("keras.layers", "deserialize"),
    "system": call("os", "system", f"touch {CANARY}"),
    "canary": call(CANARY, "Layer"),
    "inner module": call("keras.src.utils.file_utils", "get_file"),
    "no module": {"class_name": "Lambda", "config": {}},
    "builtins": call("builtins", "function", "exec"),
    "registered": call("keras.layers", "Dense", registered_name="evil>Dense"),
    "registered canary": call("keras.layers", "Dense", registered_name=f"{CANARY}.Dense"),
    "no name": call("keras.layers", ["Dense"]),
    "reads files": call("keras.layers", "StringLookup", vocabulary=CANARY),
    "functional": call("keras.src.models.functional", "Functional"),
}


def add_configs(corpus):
    def changed(change):
        config = json.loads(corpus.members["config.json"])
        change(config["config"]["layers"], config)
        return zipped(corpus.members | {"config.json": json.dumps(config)})

    for name, layer in FOREIGN.items():
        corpus.of_model(
            f"layer {name}", changed(lambda layers, _, layer=layer: layers.append(layer))
        )
        corpus.of_model(
            f"instead {name}", changed(lambda layers, _, layer=layer: layers.__setitem__(3, layer))
        )
    swapped = changed(lambda layers, _: layers.insert(1, layers.pop(2)))
    corpus.of_model("allowed layers in another order", swapped)
    corpus.of_model("a layer twice", changed(lambda layers, _: layers.append(layers[-1])))
    corpus.of_model(
        "without its last layers", changed(lambda layers, _: layers.__delitem__(slice(-2, None)))
    )
    # What is never looked at, can say anything.
    evil = FOREIGN["lambda"]
    for name, key, value in (
        ("function", "activation", f"{CANARY}.run"),
        ("lambda", "activation", evil),
        ("initializer", "kernel_initializer", FOREIGN["system"]),
        ("regularizer", "kernel_regularizer", FOREIGN["canary"]),
        ("units", "units", 10**9),
    ):
        harmless = changed(
            lambda layers, _, key=key, value=value: layers[3]["config"].update({key: value})
        )
        corpus.of_model(f"unread {name}", harmless, HARMLESS)
    compiled = changed(
        lambda _, config: config.update(
            compile_config={"optimizer": FOREIGN["system"], "loss": evil}
        )
    )
    corpus.of_model("unread compile_config", compiled, HARMLESS)
    texts = [
        "",
        "null",
        "[]",
        "7",
        "NaN",
        "{",
        "[" * 10**5,
        '{"config": null}',
        '{"config": {"layers": null}}',
        " " * 2 * 10**6,
    ]
    texts += [
        '{"config": {"layers": {"a": 1}}}',
        '{"config": {"layers": [[]]}}',
        "\xff",
        str(10**400),
    ]
    texts.append('{"config": {"layers": [{"class_name": "Sequential", "config": 3}]}}')
    for text in texts:
        corpus.of_model(
            f"config {text[:30]!r}",
            zipped(corpus.members | {"config.json": text.encode("latin-1")}),
        )


def add_archives(corpus):
    clean, members = corpus.model, corpus.members
    generator = random.Random(0)
    for length in sorted(generator.sample(range(len(clean)), 8)):
        corpus.of_model(f"cut at {length}", clean[:length])
    for place in sorted(generator.sample(range(len(clean)), 12)):
        flipped = bytearray(clean)
        flipped[place] ^= 1 << generator.randrange(8)
        corpus.of_model(f"flipped at {place}", bytes(flipped), EITHER)
    weights = members["model.weights.h5"]
    bomb = {"compression": zipfile.ZIP_DEFLATED}
    corpus.of_model("bomb", zipped(members | {"model.weights.h5": bytes(10**7)}, **bomb))
    corpus.of_model("deflated", zipped(members, **bomb))
    corpus.of_model("lzma", zipped(members, compression=zipfile.ZIP_LZMA))
    for name in (
        "assets/x",
        "/etc/canary",
        "../canary",
        "..\\canary",
        "config.json",
        "a\0b",
        "_keras_temp/x",
        "model.weights.h5",
    ):
        corpus.of_model(f"also {name!r}", zipped([*members.items(), (name, b"x")]))
    corpus.of_model("missing", zipped({name: members[name] for name in MEMBERS[:2]}))
    corpus.of_model("metadata", zipped(members | {"metadata.json": "nonsense"}), HARMLESS)
    corpus.of_model("many members", zipped([(str(number), b"") for number in range(2000)]))
    encrypted = bytearray(clean)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = encrypted.find(mark)
        while at >= 0:
            encrypted[at + place] |= 1
            at = encrypted.find(mark, at + 1)
    corpus.of_model("encrypted", bytes(encrypted))
    corpus.of_model(
        "a lie of its size",
        clean.replace(struct.pack("<LL", *[len(weights)] * 2), struct.pack("<LL", *[2**31] * 2)),
    )
    corpus.of_model("zip64", clean[:-22] + b"PK\x06\x07" + bytes(16) + clean[-22:])
    corpus.of_model("with a comment", clean[:-2] + b"\3\0abc")
    corpus.of_model("text before it", b"#!/bin/sh\n" + clean, EITHER)


def add_weights(corpus):
    members = corpus.members

    def of(name, change, outcome=REFUSED):
        file = io.BytesIO(members["model.weights.h5"])
        with h5py.File(file, "r+") as stored:
            change(stored)
        corpus.of_model(
            f"weights {name}", zipped(members | {"model.weights.h5": file.getvalue()}), outcome
        )

    def replaced(name, outcome=REFUSED, place=WEIGHT, **options):
        def change(stored):
            del stored[place]
            stored.create_dataset(place, **options)

        of(name, change, outcome)

    shape = (784, 5)
    for kind in (
        "<f8",
        "<f2",
        ">f4",
        "<i4",
        "<u4",
        "?",
        "S4",
        "V4",
        "<c8",
        [("a", "<f4")],
        ("<f4", (1,)),
    ):
        replaced(f"type {kind}", shape=shape, dtype=np.dtype(kind))
    text = h5py.string_dtype()
    special = {
        "vlen": h5py.vlen_dtype("f4"),
        "text": text,
        "object": h5py.ref_dtype,
        "region": h5py.regionref_dtype,
    }
    special |= {
        "opaque": h5py.opaque_dtype(np.dtype("V8")),
        "enum": h5py.enum_dtype({"a": 1}, "i4"),
    }
    for name, kind in special.items():
        replaced(f"type {name}", shape=shape, dtype=kind)
    for other in ((), (0,), (784,), (5, 784), (784, 6), (784, 5, 1), (1, 5), (3920,)):
        replaced(f"shape {other}", shape=other, dtype="<f4")
    late = {"dtype": "<f4", "chunks": (10**5, 100)}
    replaced("huge, of no storage", shape=(10**9, 10**6), **late)
    replaced("of no storage", shape=shape, dtype="<f4")
    replaced("chunked", data=np.zeros(shape, "<f4"), chunks=shape)
    replaced("packed", data=np.zeros(shape, "<f4"), compression="gzip")
    replaced("checksummed", data=np.zeros(shape, "<f4"), fletcher32=True)
    replaced("bomb", data=np.zeros((784, 5000), "<f4"), compression="gzip", compression_opts=9)
    replaced(
        "external",
        shape=shape,
        dtype="<f4",
        external=[(str(corpus.canary / "pipe.h5"), 0, 784 * 5 * 4)],
    )
    replaced("none", data=h5py.Empty("<f4"))

    def linked(name, link, place=WEIGHT, outcome=REFUSED):
        def change(stored):
            stored.move(place, "moved")
            stored[place] = link(stored) if callable(link) else link

        of(f"link {name}", change, outcome)

    linked("soft", h5py.SoftLink("/moved"))
    linked("soft, of all", h5py.SoftLink("/moved"), "layers")
    linked("to nothing", h5py.SoftLink("/nowhere"))
    linked("to itself", h5py.SoftLink(f"/{WEIGHT}"))
    linked("external", h5py.ExternalLink(str(corpus.canary / "pipe.h5"), "/x"))
    linked("external, of all", h5py.ExternalLink(str(corpus.canary / "pipe.h5"), "/x"), "layers")
    linked("hard", lambda stored: stored["moved"], outcome=HARMLESS)
    linked("in a circle", lambda stored: stored["layers/dense"])
    linked("a type", np.dtype("<f4"))

    def virtual(stored):
        del stored[WEIGHT]
        layout = h5py.VirtualLayout(shape, "<f4")
        layout[:] = h5py.VirtualSource(str(corpus.canary / "pipe.h5"), "x", shape)
        stored.create_virtual_dataset(WEIGHT, layout)

    of("virtual", virtual)
    of("without one", lambda stored: stored.__delitem__(WEIGHT))
    of("without any", lambda stored: stored.__delitem__("layers"))
    of(
        "attributes",
        lambda stored: stored[WEIGHT].attrs.create("dtype", np.void(b"12345678")),
        HARMLESS,
    )
    of("not a number", lambda stored: stored[WEIGHT].__setitem__(..., np.nan), EITHER)
    raw = members["model.weights.h5"]
    generator = random.Random(1)
    for number in range(10):  # with the right checksum
        flipped = bytearray(raw)
        for _ in range(4):
            flipped[generator.randrange(2000)] = generator.choice([0, 1, 127, 128, 255])
        corpus.of_model(
            f"weights flipped {number}",
            zipped(members | {"model.weights.h5": bytes(flipped)}),
            EITHER,
        )
    for length in (0, 8, 100, len(raw) // 2):
        corpus.of_model(
            f"weights cut at {length}", zipped(members | {"model.weights.h5": raw[:length]})
        )


def add_settings(corpus):
    """Runs whose settings ask for more than there is, or for another network."""
    record = json.loads(corpus.clean["config.json"])
    for name, change, parameters in (
        ("huge", {"hidden": [2**31 - 1] * 3}, None),
        ("large", {"hidden": [100_000] * 2}, 10_079_600_010),
        ("another", {"hidden": [6]}, None),
        ("more parameters", {}, 2**50),
        ("thousands of layers", {"hidden": [1] * 5000}, None),
        ("of another kind", {"net": "conv", "hidden": None}, None),
        (
            "too many filters",
            {"net": "conv", "hidden": None, "filters": [2**31 - 1] * 4, "kernels": [27] * 4},
            None,
        ),
    ):
        changed = record | {
            "settings": record["settings"] | change,
            "parameters": parameters or record["parameters"],
        }
        folder = corpus.case(f"settings {name}", flags=["-m", "run", "--images", "HERE/x.png"])
        corpus.run(folder, config_json=json.dumps(changed).encode())
        digit(folder / "x.png")


# JSON.

JSON = {
    "null": "null",
    "list": "[]",
    "empty": "{}",
    "text": '"x"',
    "number": "3",
    "NaN": "NaN",
    "half": "{",
    "deep": "[" * 200_000,
    "deep objects": '{"a":' * 100_000,
    "large number": str(10**400),
    "larger number": "9" * 100_000,
    "UTF-16": '{"status": "complete"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "NUL": '{"status": "\0"}',
    "latin-1": b'{"device": "\xe9"}',
    "huge": b" " * 33_000_000,
    "small lists": "[" + "[]," * 10**6 + "0]",
    "comment": "/* */ {}",
    "pickle": b"\x80\x04\x95",
}
NUMBERS = [
    None,
    True,
    "1",
    10**400,
    -(10**400),
    [],
    {},
    1e300,
    "NaN",
    float("nan"),
    float("inf"),
    -float("inf"),
    "\ud800",
]


def add_json(corpus):
    for name, content in JSON.items():
        content = content.encode() if isinstance(content, str) else content
        for file in ("config.json", "history.json"):
            corpus.of_json(name, content, file)
    history, record = (json.loads(corpus.clean[file]) for file in ("history.json", "config.json"))

    def changed(whole, **fields):
        return json.dumps(whole | fields).encode()

    for value in NUMBERS:
        name = repr(value)[:20]
        corpus.of_json(f"epoch_seconds {name}", changed(history, epoch_seconds=[value, 1.0]))
        corpus.of_json(
            f"val_loss {name}",
            changed(history, val_loss=[value, 1.0]),
            outcome=HARMLESS if value is None else EITHER,
        )
        corpus.of_json(f"parameters {name}", changed(record, parameters=value), "config.json")
        corpus.of_json(
            f"hidden {name}",
            changed(record, settings={"net": "dense", "hidden": [value]}),
            "config.json",
        )
    corpus.of_json(
        "twice", corpus.clean["history.json"].rstrip()[:-1] + b', "epoch_seconds": null}'
    )
    for name, text in TEXTS.items():
        corpus.of_json(f"device {name}", changed(history, device=text), outcome=EITHER)
        corpus.of_json(f"status {name}", changed(history, status=text))
        corpus.of_json(f"key {name}", changed(history, **{text: None}))
        corpus.of_json(
            f"setting {name}", changed(record, settings={"net": "dense", text: 1}), "config.json"
        )
        corpus.of_json(f"net {name}", changed(record, settings={"net": text}), "config.json")
    corpus.of_json("device", changed(history, device="x" * 10**6))
    corpus.of_json(
        "versions",
        changed(record, versions={str(number): "1" for number in range(10**4)}),
        "config.json",
    )


# What a terminal or a page would take for more than letters; what matplotlib would take for a
# formula.
TEXTS = {
    "escape": "\x1b[2J\x1b]0;owned\x07",
    "C1": "\x9b31m\x85",
    "direction": "\u202egnp.exe\u2066",
    "half of a character": "\ud83d",
    "formula": r"$\frac$",
    "markup": "[bold red]x[/] <b>&amp;</b>",
    "lines": "a\nb\rc\u2028d\tNUL\0",
}


def add_evaluations(corpus):
    """What is known of GANs, and of searches; of either, broken files are no more than a line on
    the page.
    """
    earlier = ROOT / "tests/earlier/gans/seed=0"
    counted = {
        "samples": 100,
        "counts": [70, 30],
        "classifier": "x",
        "classes": ["a", "b"],
        "confidence": 0.5,
    }

    def of(name, content, outcome=REFUSED, flags=("-m", "run", "second", "--export", "markdown")):
        folder = corpus.case(f"evaluation.json: {name}", outcome=outcome, flags=flags)
        for other in ("run", "second"):
            (folder / "results" / other).mkdir(parents=True)
            for file in ("config.json", "history.json"):
                shutil.copy(earlier / file, folder / "results" / other)
        write(folder / "results/run/evaluation.json", content)

    for name in ("null", "list", "deep", "large number", "UTF-16", "half", "NaN"):
        content = JSON[name]
        of(name, content.encode() if isinstance(content, str) else content)
    for name, content in SPECIAL.items():
        if name not in ("link to nothing", "link to itself"):
            of(name, content)
    for key, value in (
        ("counts", [1]),
        ("counts", [-1, 2]),
        ("counts", [10**400, 1]),
        ("classes", [None, "x"]),
        ("samples", 0),
        ("shares", [0.5]),
        ("shares", [2, -1]),
        ("of_data", {"confidence": "high"}),
        ("by_epoch", {"epoch": [1], "distance": [1, 2]}),
        ("by_epoch", {"distance": [1.0]}),
        ("by_epoch", {"epoch": [None], "distance": [1.0]}),
    ):
        of(f"{key} {str(value)[:20]}", json.dumps(counted | {key: value}).encode())
    for counts in ([True, 1], [0.5, 1], None, {}):
        of(f"counts {counts}", json.dumps(counted | {"counts": counts}).encode())
    of(
        "classes without end",
        json.dumps(counted | {"classes": ["x"] * 10**4, "counts": [1] * 10**4}).encode(),
    )
    texts = [*TEXTS.values()]
    content = counted | {"classes": texts, "classifier": "".join(texts), "counts": [1] * len(texts)}
    of("drawn", json.dumps(content).encode(), HARMLESS, ("-m", "run", "second"))


# Data sets.


# Networks of the user's own.


def own_network():
    """The members of a saved network of the user's own, and its number of parameters."""

    from lab.backend import networks

    source = "import keras\ndef net(input_shape, classes):\n    a = keras.Input(input_shape)\n"
    source += "    b = keras.layers.Dense(5, activation='relu')(keras.layers.Flatten()(a))\n"
    source += "    return keras.Model(a, keras.layers.Dense(classes)(b))\n"
    model = networks.build("own.py:net", source=source, input_shape=(28, 28, 1), classes=10, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.keras"))
        with zipfile.ZipFile(Path(folder, "model.keras")) as archive:
            return {name: archive.read(name) for name in MEMBERS}, model.count_params()


def add_own_networks(corpus):
    members, parameters = own_network()
    record = json.loads(corpus.clean["config.json"])
    settings = {
        "net": "own.py:net",
        "source": f"import {CANARY}\nopen({CANARY!r})",
        "dataset": record["dataset"]["name"],
    }
    record = json.dumps(record | {"settings": settings, "parameters": parameters}).encode()

    def of(name, archive, outcome=REFUSED):
        folder = corpus.case(
            f"own: {name}", outcome=outcome, flags=["-m", "run", "--images", "HERE/x.png"]
        )
        corpus.run(
            folder, model_keras=archive, config_json=record, network_py=settings["source"].encode()
        )
        digit(folder / "x.png")

    def changed(change):
        config = json.loads(members["config.json"])
        inner = next(
            layer for layer in config["config"]["layers"] if layer["class_name"] == "Functional"
        )
        change(config, inner["config"]["layers"])
        return zipped(members | {"config.json": json.dumps(config)})

    of("clean", zipped(members), HARMLESS)
    for name, layer in FOREIGN.items():
        if name != "functional":  # which is one of the classes that may be named
            of(
                f"layer {name}",
                changed(lambda config, _, layer=layer: config["config"]["layers"].append(layer)),
            )
            of(f"inner {name}", changed(lambda _, inner, layer=layer: inner.append(layer)))
            of(
                f"value {name}",
                changed(
                    lambda _, inner, layer=layer: inner[2]["config"].update(
                        kernel_initializer=layer
                    )
                ),
            )
    for key, value in {"units": 10**9, "activation": f"{CANARY}.run", "dtype": CANARY}.items():
        of(
            key,
            changed(lambda _, inner, key=key, value=value: inner[2]["config"].update({key: value})),
        )
    of("no layers", changed(lambda _, inner: inner.clear()))
    of(
        "enlarged beyond all memory",
        changed(lambda _, inner: inner.insert(2, inner[1] | {"class_name": "UpSampling2D"})),
    )
    for number in range(10):
        text = members["config.json"]
        generator = random.Random(number)
        place = generator.randrange(len(text))
        of(
            f"flipped {number}",
            zipped(members | {"config.json": text[:place] + b"9" + text[place + 1 :]}),
            EITHER,
        )
    of(
        "weights of another",
        zipped(members | {"model.weights.h5": corpus.members["model.weights.h5"]}),
    )


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def header(shape, kind="|u1", order="False"):
    """The beginning of a .npy file that says it has such an array."""
    text = f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def add_arrays(corpus):
    images, labels = np.zeros((4, 28, 28), np.uint8), np.arange(4)
    good = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}

    for name, change in {
        "pickled": {"x_train": np.array([{}, []], object)},
        "pickled labels": {"y_train": np.array([0, 1, 2, None], object)},
        "floats": {"x_train": images / 255},
        "structured": {"x_train": np.zeros(4, [("a", "u1")])},
        "two dimensions": {"x_train": images.reshape(4, -1)},
        "no dimension": {"x_train": np.uint8(3)},
        "no images": {"x_train": images[:0], "y_train": labels[:0]},
        "colours": {"x_train": np.zeros((4, 28, 28, 3), np.uint8)},
        "labels of classes that are none": {"y_train": labels + 7},
        "negative labels": {"y_train": -labels},
        "large labels": {"y_train": labels.astype(np.uint64) + 2**63},
        "labels that are no number": {"y_train": labels * np.nan},
        "labels that are text": {"y_train": labels.astype(str)},
        "labels that are times": {"y_train": labels.astype("m8[s]")},
        "too few labels": {"y_train": labels[:3]},
        "one label": {"y_train": np.int64(3)},
        "labels one by one": {"y_train": np.eye(4, dtype=int)},
    }.items():
        corpus.of_arrays(name, npz(**good | change))
    corpus.of_arrays(
        "an array missing", npz(**{name: good[name] for name in ("x_train", "y_train", "x_test")})
    )
    members = {f"{name}.npy": header(array.shape) for name, array in good.items()}
    for name, start in {
        "more than there is": header((10**5, 28, 28)),
        "more than all memory": header((10**12, 28, 28)),
        "negative": header((-4, 28, 28)),
        "overflowing": header((2**62, 2**62, 28)),
        "a type that is code": header((4,), f"__import__('{CANARY}')"),
        "objects": header((4, 28, 28), "|O"),
        "of no bytes": header((10**12,), "|V0"),
        "a shape that is code": header(f"__import__('{CANARY}')"),
        "a long header": b"\x93NUMPY\x02\x00" + struct.pack("<L", 10**6) + b" " * 10**6,
        "version 9": b"\x93NUMPY\x09\x00" + bytes(100),
        "no magic": b"PK",
        "nothing": b"",
    }.items():
        corpus.of_arrays(f"header: {name}", zipped(members | {"x_train.npy": start + bytes(100)}))
    packed = zipfile.ZIP_DEFLATED
    corpus.of_arrays(
        "bomb",
        zipped([("x_train.npy", bytes(10**8))], compression=packed, compresslevel=1, again=20),
    )
    corpus.of_arrays("one array", header((4, 28, 28)) + bytes(3136))
    corpus.of_arrays("many members", zipped([(str(number), b"") for number in range(2000)]))
    corpus.of_arrays(
        "encrypted",
        npz(**good).replace(b"PK\x01\x02\x2d\x03\x2d\0\0\0", b"PK\x01\x02\x2d\x03\x2d\0\1\0"),
    )
    whole = npz(**good)
    for length in (10, len(whole) // 2, len(whole) - 30):
        corpus.of_arrays(f"cut at {length}", whole[:length])


def add_own_data(corpus):
    """Files and folders that `--dataset` names."""
    images, labels = np.zeros((6, 9, 9), np.uint8), np.arange(6) % 2
    good = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    files = SPECIAL | {
        "names that are objects": npz(**good, classes=np.array([{}, []], object)),
        "names that act on a terminal": npz(**good, classes=["\x1b[2J", "\u202egnp.exe"]),
        "a million names": npz(**good, classes=np.arange(10**6).astype(str)),
        "label 2**62": npz(**good | {"y_train": labels * 2**62}),
        "a huge header": zipped({f"{name}.npy": header((10**12, 9, 9)) for name in good}),
    }
    for name, content in files.items():
        flags = [
            "-m",
            "x",
            "--dataset",
            "HERE/x.npz",
            "--holdout",
            "6",
        ]  # of 6: what can be read is not trained on
        folder = corpus.case(f"own data: {name}", "train", REFUSED, flags)
        write(folder / "x.npz", content)
    for name, content in (
        SPECIAL | {"bomb": png(10**6, 10**6), "text": b"no", "empty": b""}
    ).items():
        if name == "directory":  # which is no picture, whatever its name
            continue
        folder = corpus.case(
            f"own folder: {name}", "train", REFUSED, ["-m", "x", "--dataset", "HERE/x/"]
        )
        for place in ("train/a", "train/b", "test/a"):
            (folder / "x" / place).mkdir(parents=True)
            Image.new("L", (9, 9)).save(folder / "x" / place / "0.png")
        write(folder / "x" / "train" / "b" / "1.png", content)


# Pictures.


def chunk(kind, content):
    return (
        struct.pack(">L", len(content))
        + kind
        + content
        + struct.pack(">L", zlib.crc32(kind + content))
    )


def png(width, height, depth=8, colour=0, content=b"", *before):
    head = struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [
        chunk(b"IHDR", head),
        *before,
        chunk(b"IDAT", zlib.compress(content)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def add_pictures(corpus):
    line = Image.new("L", (40, 40), 255)
    line.paste(0, (15, 8, 22, 32))
    colour, clean = line.convert("RGB"), encoded(line, "PNG")
    for kind in ("PPM", "ICO", "EPS", "PDF", "PCX", "TGA"):
        corpus.of_picture(kind, encoded(colour, kind))
    for kind in ("GIF", "BMP", "TIFF", "WEBP"):
        whole = encoded(colour, kind)
        for length in (8, 30, len(whole) // 2, len(whole) - 5):
            corpus.of_picture(f"{kind} cut at {length}", whole[:length], EITHER)
    huge = struct.pack("<HH", 65_535, 65_535)
    corpus.of_picture("huge GIF", b"GIF89a" + huge + encoded(colour, "GIF")[10:], EITHER)
    corpus.of_picture(
        "huge BMP", encoded(colour, "BMP")[:18] + struct.pack("<ll", 2**30, 2**30) + bytes(99)
    )
    tags = struct.pack(
        "<HHLLHHLLHHLLHHLL", 256, 4, 1, 2**31, 257, 4, 1, 2**31, 258, 3, 1, 8, 262, 3, 1, 1
    )
    corpus.of_picture("huge TIFF", b"II*\0" + struct.pack("<LH", 8, 4) + tags + bytes(4))
    for name, content in {
        "bomb": png(60_000, 60_000),
        "smaller bomb": png(8_000, 8_000),
        "huge": png(2**31 - 1, 2**31 - 1),
        "no width": png(0, 10),
        "no content": png(40, 40),
        "depth": png(40, 40, 7),
        "colour": png(40, 40, 8, 5),
        "text bomb": png(
            40, 40, 8, 0, bytes(1640), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(5 * 10**6)))
        ),
        "no palette": png(40, 40, 8, 3, bytes(1640)),
        "one pixel": encoded(Image.new("L", (1, 1)), "PNG"),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        "a wrong checksum": clean[:20] + b"\1" + clean[21:],
    }.items():
        corpus.of_picture(name, content)
    for length in (8, 20, 40, len(clean) - 20):
        corpus.of_picture(f"cut at {length}", clean[:length], EITHER)
    jpeg = encoded(colour, "JPEG")
    for length in (2, 30, 300, len(jpeg) - 100):
        corpus.of_picture(f"JPEG cut at {length}", jpeg[:length], EITHER)
    generator = random.Random(2)
    for place in generator.sample(range(len(jpeg)), 4):
        corpus.of_picture(
            f"JPEG flipped at {place}", jpeg[:place] + b"\xff\xd8" + jpeg[place + 2 :], EITHER
        )
    for exif in (
        b"Exif\0\0",
        b"Exif\0\0MM\0*" + b"\xff" * 40,
        b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x09\0\0\0\0\0\0\0",
    ):
        corpus.of_picture(f"EXIF {exif[6:9]!r}", encoded(colour, "JPEG", exif=exif), EITHER)
    corpus.of_picture("CMYK", encoded(colour.convert("CMYK"), "JPEG"), EITHER)
    corpus.of_picture(
        "animated", encoded(line, "PNG", save_all=True, append_images=[line.rotate(9)]), EITHER
    )
    for number, text in enumerate(TEXTS.values()):
        corpus.of_picture(f"named {number}", clean, HARMLESS, named(f"{text}.png"))


# Tables.


def add_tables(corpus):
    rows = {
        "NUL": "hidden,val_accuracy\n5,\0",
        "wide": f"hidden,val_accuracy\n5,{'9' * 200_000}",
        "0e400 of a setting": "learning_rate,val_accuracy\n0e400,0.5",
        "0e400": "hidden,val_accuracy\n5,0e400",
        "1e999": "hidden,val_loss\n5,1e999",
        "1e999999999": "hidden,val_loss\n5,1e999999999",
        "-1e999999999": "hidden,parameters\n5,-1e999999999",
        "1e-999999999": "hidden,val_loss\n5,1e-999999999",
        "nan": "hidden,val_loss\n5,nan",
        "snan": "hidden,val_loss\n5,sNaN",
        "infinity": "hidden,val_loss\n5,-Infinity",
        "no columns": "\n\n",
        "commas": "," * 10_000,
        "wrong columns": "a,b\n1,2",
        "too many cells": "hidden,val_loss\n5,1,2,3",
        "too few cells": "hidden,epoch,val_loss\n5",
        "epochs": "epoch,val_loss\n99999999999999999999,1",
        "digits": f"hidden,val_loss\n{'9' * 5000},1",
        "units": f'hidden,val_loss\n"{"1," * 10_000}1",1',
        "twice": "hidden,hidden,val_loss\n5,5,1",
        "quotes": 'hidden,val_loss\n"5,1',
        "underscores": "hidden,val_loss\n5,1_0_0e_3",
        "other digits": "hidden,val_loss\n٥,٠",
        "rows": "a,\n" * 100_000,
        "too large": "hidden,val_loss\n" + "5,1\n" * 600_000,
    }
    for name, content in rows.items():
        harmless = name in ("other digits", "underscores")
        corpus.of_table(name, content.encode(), EITHER if harmless else REFUSED)
    for name, text in TEXTS.items():
        content = f'"{text}",val_loss\n5,1\n'.encode("utf-8", "surrogatepass")
        corpus.of_table(f"column {name}", content)
        corpus.of_table(
            f"cell {name}", f'hidden,val_loss\n"{text}",1\n'.encode("utf-8", "surrogatepass")
        )
    corpus.of_table("UTF-16", "hidden,val_loss\n5,1\n".encode("utf-16"))


# Files of flags.


def add_flags(corpus):
    for name, content in {
        "itself": b"@HERE/x.args",
        "itself twice": b"@HERE/x.args\n@HERE/x.args",
        "a pipe": b"@/dev/stdin",
        "NUL": b"-m x --data-dir a\0b",
        "quote": b'-m "x',
        "backslash": b"-m x\\",
        "many": b"x\n" * 40_000,
        "escape": b"--\x1b[2J",
        "latin-1": b"-m \xe9",
        "only lines": b"\n" * 90_000,
        "a long line": b"-m " + b"x" * 90_000,
    }.items():
        corpus.of_flags(
            name,
            lambda path, content=content: path.write_bytes(
                content.replace(b"HERE", bytes(path.parent))
            ),
        )


# Pictures of runs, for pages and strips.


def add_pages(corpus):
    """What a page cannot show, it names."""
    folder = corpus.case("page", outcome=HARMLESS, flags=["--report"])
    run = corpus.run(folder)
    for name, content in SPECIAL.items():
        shutil.copytree(run, run.with_name(name.replace(" ", "-")))
        write(run.with_name(name.replace(" ", "-")) / "mistakes.png", content)
        trial = run.parent / "searches" / name / "trial=0"
        shutil.copytree(run, trial)
        write(trial.with_name("search.json"), content)
    for number, text in enumerate(TEXTS.values()):
        shutil.copytree(run, run.with_name(named(f"{number}-{text}")))
        trial = run.parent / "searches" / str(number) / "trial=0"
        shutil.copytree(run, trial)
        found = {"number": 0, "accuracy": 0.5, "parameters": 7, "whole": True, "reached": True}
        about = {
            "unit_budget": 9,
            "target_accuracy": None,
            "trials": [found],
            "importances": {text: 0.5},
        }
        trial.with_name("search.json").write_text(json.dumps(about))
    for flags in (["-m", "*"], ["-m", "*", "--export", "latex"], ["-m", "*", "--sort", "val_loss"]):
        folder = corpus.case(f"names: {flags}", outcome=HARMLESS, flags=flags)
        run = corpus.run(folder)
        for number, text in enumerate(TEXTS.values()):
            odd = shutil.copytree(run, run.with_name(named(f"{number}-{text}")))
            history = json.loads(corpus.clean["history.json"]) | {"device": text}
            (odd / "history.json").write_text(json.dumps(history))
    for name, content in (SPECIAL | {"bomb": png(60_000, 60_000), "page": b"<script>"}).items():
        folder = corpus.case(f"strip: {name}", flags=["-m", "run", "--strip", "0"])
        run = folder / "results" / "run"
        (run / "samples").mkdir(parents=True)
        for file in ("config.json", "history.json"):
            shutil.copy(ROOT / "tests/earlier/gans/seed=0" / file, run)
        write(run / "samples/epoch_0000.png", content)


def write_corpus(folder):
    """All cases, their files written into a folder."""
    corpus = Corpus(folder)
    corpus.of_model("clean", corpus.model, HARMLESS)
    for add in (
        add_special,
        add_configs,
        add_archives,
        add_weights,
        add_settings,
        add_json,
        add_evaluations,
        add_arrays,
    ):
        add(corpus)
    for add in (add_pictures, add_tables, add_flags, add_pages, add_own_networks, add_own_data):
        add(corpus)
    return corpus.cases


# The process that reads them.

# Of a case, which takes a fraction of one on a machine that is not busy: one that waits for ever.
_MOST_SECONDS = 600
_ROOM = 2_500_000_000  # bytes beside what TensorFlow has when it is started
_RUN = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "pickle.find_class",
    "socket.connect",
}


def snapshot(folder):
    """What lies in a folder, with times and contents."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        about = path.lstat()
        small = stat.S_ISREG(about.st_mode) and about.st_size < 10**6
        found[str(path)] = (
            about.st_mode,
            about.st_size,
            about.st_mtime_ns,
            zlib.crc32(path.read_bytes()) if small else 0,
        )
    return found


def main(file):
    """Run cases and print a line of JSON about each, before and after."""
    from tests.conftest import call as run

    cases = [Case(*case) for case in json.loads(Path(file).read_text())]
    seen, written = [], []

    def audit(event, args):
        if event in _RUN or (event in ("import", "open", "exec") and CANARY in str(args[0])):
            seen.append(f"{event} {str(args)[:200]}")
        writes = (
            event == "open"
            and isinstance(args[2], int)
            and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if (
            writes and args[0] != tempfile.gettempdir()
        ):  # there, without a name, what TensorFlow says when it starts
            written.append(str(args[0]))

    def late(*_):
        raise TimeoutError

    out = sys.stdout
    signal.signal(signal.SIGALRM, late)
    sys.addaudithook(audit)
    for number, case in enumerate(cases):
        print(json.dumps({"begun": case.name}), file=out, flush=True)
        before, begin = snapshot(case.folder), time.process_time()
        seen.clear()
        written.clear()
        signal.alarm(_MOST_SECONDS)
        try:
            done = run(case.script, *case.flags)
            status, told, error = done.returncode, done.stdout, done.stderr
        except BaseException as fault:
            status, told, error = None, "", repr(fault)
        signal.alarm(0)
        result = {
            "name": case.name,
            "status": status,
            "out": told,
            "error": error,
            "seen": [*seen],
            "written": [*written],
        }
        result["changed"] = snapshot(case.folder) != before
        result["seconds"] = time.process_time() - begin
        result["memory"] = 1024 * int(
            re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]
        )
        print(json.dumps(result), file=out, flush=True)
        if not number:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM, used + _ROOM))


if __name__ == "__main__":
    main(sys.argv[1])
