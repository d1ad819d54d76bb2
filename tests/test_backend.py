"""The device, and resident training, which does what keras.Model.fit does."""

import functools
import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from lab.backend import devices, introspection, networks, private, quick, resident
from lab.backend.gan import GAN
from lab.backend.resident import Batches
from lab.settings import Settings, UserError
from lab.training.engine import rate_at
from tests.conftest import DEVICE, ROOT

EXAMPLES, BATCH, EPOCHS, SEED = 700, 64, 2, 3  # 700 = 10 * 64 + 60: the last batch is smaller


def build(net, optimizer, **settings):
    model = networks.build(net, seed=0, **settings)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model, data, validation_data=None, steps_per_chunk=None, shares=1, **training):
    """Train as the lab does."""
    batches = Batches(BATCH, steps_per_chunk=steps_per_chunk, shares=shares)
    return resident.prepare(model, data, batches, validation_data)(**training)


def sgd():
    return keras.optimizers.SGD(0.1, momentum=0.9)


def stock_fit(model, images, labels, validation_data, epochs=range(EPOCHS), batch_size=BATCH):
    """keras.Model.fit on the same batches in the same order, one epoch a call."""
    histories = []
    for epoch in epochs:
        order = resident.epoch_order(len(images), SEED, epoch).numpy()
        batches = tf.data.Dataset.from_tensor_slices((images[order], labels[order])).batch(
            batch_size
        )
        histories.append(
            model.fit(batches, validation_data=validation_data, shuffle=False, verbose=0).history
        )
    return {name: [history[name][0] for history in histories] for name in histories[0]}


def assert_same(ours, history, stock, expected):
    """Two models have the same weights and went the same way, but for rounding."""
    for one, other in zip(ours.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-5)
    assert history.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(
            history[name], expected[name], rtol=1e-3, atol=1e-5, err_msg=name
        )


@pytest.fixture(scope="module")
def data(mnist5k):
    return mnist5k.train_images[:EXAMPLES], mnist5k.train_labels[:EXAMPLES]


@pytest.fixture(scope="module")
def validation_data(mnist5k):
    return mnist5k.validation_images, mnist5k.validation_labels


@pytest.mark.parametrize(
    ("net", "settings", "chunks"),
    [
        ("dense", {}, (None, 4)),
        ("dense", {"regularizer_strength": 1e-3, "batch_norm": True, "hidden": (30,)}, (None,)),
        pytest.param(
            "dense",
            {"activation": "tanh", "hidden": (50, 40, 30)},
            (None,),
            marks=pytest.mark.slow,
        ),
        ("dense", {"dropout": 0.3}, (4,)),
        pytest.param("conv", {}, (None,), marks=pytest.mark.slow),
        ("conv", {"regularizer_strength": 1e-3, "batch_norm": True, "dropout": 0.2}, (None, 4)),
    ],
)
def test_same_weights_and_history_as_stock_fit(net, settings, chunks, data, validation_data):
    """In one chunk and in several."""
    stock = build(net, sgd(), **settings)
    expected = stock_fit(stock, *data, validation_data)
    for steps_per_chunk in chunks:
        ours = build(net, sgd(), **settings)
        history = fit(
            ours, data, validation_data, steps_per_chunk, epochs=EPOCHS, seed=SEED
        ).history
        assert_same(ours, history, stock, expected)


def test_batches_in_shares_give_the_same_weights_and_history(data, validation_data, monkeypatch):
    """Shares of different lengths; and fewer examples than shares in the last batch: 43 = 2 * 20 +
    3.
    """
    lengths, whole = [], keras.layers.Flatten.call

    def call(layer, batch):
        lengths.append(batch.shape[0])
        return whole(layer, batch)

    monkeypatch.setattr(keras.layers.Flatten, "call", call)
    few = tuple(array[:43] for array in data)
    for batch, shares, seen in ((20, 3, {7, 6, 1}), (20, 5, {4, 1})):
        ours, stock = (build("conv", sgd(), regularizer_strength=1e-3) for _ in range(2))
        lengths.clear()
        fit = resident.prepare(ours, few, Batches(batch, shares=shares), validation_data)
        history = fit(epochs=EPOCHS, seed=SEED).history
        assert seen < set(lengths)  # the others are of the validation images
        expected = stock_fit(stock, *few, validation_data, batch_size=batch)
        assert_same(ours, history, stock, expected)
    lengths.clear()
    ours(data[0][:10])
    assert lengths == [10]  # whole again


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, [1]),
        (
            {
                "batch_norm": True,
                "regularizer_strength": 1e-3,
                "filters": (16, 10),
                "kernels": (5, 3),
            },
            [1, 3],
        ),
    ],
)
def test_shorter_ways_to_the_same_weights_and_history(settings, counts, data, validation_data):
    """In shares, of which batch normalization sees all; and of a decay. In few steps, and at a
    rate, that do not blow up rounding, of which there is more in Keras's own batch normalization.
    """
    few, optimizer = (
        tuple(array[:43] for array in data),
        functools.partial(keras.optimizers.SGD, 0.01),
    )
    stock = build("conv", optimizer(), **settings)
    expected = stock_fit(stock, *few, validation_data, batch_size=20)
    for shares in counts:
        ours = build("conv", optimizer(), **settings)
        quick.quicken(ours)
        quick.decay(ours, "l2", tf.Variable(1e-3))
        fit = resident.prepare(ours, few, Batches(20, shares=shares), validation_data)
        assert_same(ours, fit(epochs=EPOCHS, seed=SEED).history, stock, expected)


@pytest.mark.parametrize("channels", [6, 16])
def test_batch_normalization_of_shares_against_its_formula_in_double_precision(channels):
    """Far from the center that it starts from: values, all gradients, both moving averages."""
    draw = np.random.default_rng(0)
    images, upstream = (
        draw.normal(5, 2, (32, 9, 9, channels)),
        draw.normal(size=(32, 9, 9, channels)),
    )
    layer = keras.layers.BatchNormalization()
    layer.build(images.shape)
    scale, offset = draw.uniform(0.5, 2, channels), draw.normal(size=channels)
    layer.set_weights([scale, offset, draw.normal(3, 2, channels), np.ones(channels)])
    before = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    inputs = tf.constant(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = tf.concat(quick.normalize(layer, tf.split(inputs, [20, 12])), axis=0)
        total = tf.reduce_sum(outputs * tf.constant(upstream, tf.float32))
    gradients = tape.gradient(total, [inputs, layer.gamma.value, layer.beta.value])

    mean, variance = images.mean((0, 1, 2)), images.var((0, 1, 2))
    narrow = 1 / np.sqrt(variance + layer.epsilon)
    normal = (images - mean) * narrow
    of_scale, of_offset = (upstream * normal).sum((0, 1, 2)), upstream.sum((0, 1, 2))
    count = 32 * 9 * 9
    of_images = scale * narrow * (upstream - of_offset / count - normal * of_scale / count)
    # A sum over 2,592 pixels rounds about as many times, by 6e-8: some 3e-6 of values up to 7, and
    # on some processors, which sum in fewer lanes, twice as much.
    np.testing.assert_allclose(outputs, normal * scale + offset, atol=5e-5)
    for gradient, expected in zip(gradients, (of_images, of_scale, of_offset), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=2e-4)
    np.testing.assert_allclose(layer.moving_mean, 0.99 * before[0] + 0.01 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.99 * before[1] + 0.01 * variance, rtol=1e-5)


@pytest.mark.parametrize("regularizer", ["l1", "l2"])
def test_weight_decay_is_that_of_keras(regularizer):
    kernel = tf.Variable(np.random.default_rng(1).normal(size=(5, 5, 3, 20)), dtype=tf.float32)
    of_keras = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}[regularizer](0.01)
    outcomes = []
    for one in (quick.penalty(regularizer, tf.Variable(0.01)), of_keras):
        with tf.GradientTape() as tape:
            value = 3 * one(kernel)
        outcomes.append((value, tape.gradient(value, kernel)))
    for ours, expected in zip(*outcomes, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_dropout_takes_masks_that_were_drawn_before(data):
    """In the engine's way: XLA, a mask of its own for each image and step, the same ones again
    from the same seed.
    """
    rate = 0.3
    model = build("dense", sgd(), dropout=rate, hidden=(40, 20))
    dropouts = quick.dropouts_of(model)
    assert (
        len(dropouts) == 2 and resident.suits_xla(model, dropouts) and not resident.suits_xla(model)
    )
    assert (
        quick.dropouts_of(
            keras.Sequential([keras.Input((40,)), keras.layers.Dropout(0.1, noise_shape=(None, 1))])
        )
        == ()
    )
    masks = [mask.numpy() for mask in quick.draw_masks(dropouts, 5000)]
    assert [mask.shape for mask in masks] == [(5000, 40), (5000, 20)]
    for mask in masks:
        kept = mask.mean()
        assert abs(kept - (1 - rate)) < 5 * math.sqrt(rate * (1 - rate) / mask.size)
        assert len(np.unique(mask, axis=0)) > 4000
    assert not np.array_equal(masks[1], quick.draw_masks(dropouts, 5000)[1])
    inputs = np.random.default_rng(2).normal(size=(5000, 40)).astype("float32")
    with quick.masked(dropouts, masks):
        np.testing.assert_allclose(
            dropouts[0](inputs, training=True),
            np.where(masks[0], inputs / (1 - rate), 0),
            rtol=1e-6,
        )
        np.testing.assert_array_equal(dropouts[0](inputs), inputs)
    assert 0.6 < np.mean(dropouts[0](inputs, training=True) != 0) < 0.8  # its own again

    outcomes = []
    for steps_per_chunk in (3, 3, None):
        model = build("dense", sgd(), dropout=rate, hidden=(40, 20))
        batches = Batches(BATCH, steps_per_chunk=steps_per_chunk, dropouts=quick.dropouts_of(model))
        history = resident.prepare(model, data, batches)(epochs=EPOCHS, seed=SEED).history
        assert history["loss"][1] < history["loss"][0]
        outcomes.append(model.get_weights()[0])
    np.testing.assert_array_equal(outcomes[0], outcomes[1])
    assert not np.array_equal(outcomes[0], outcomes[2])  # another chunk takes other masks
    assert resident.suitable_chunk(model, 128, 100_000, dropouts) < resident.MASKED / 128 / 60


SHARES = """
import sys
from lab.backend import devices
from lab.settings import Settings
running = devices.start(devices.setup_of(Settings(net="conv", device="cpu", threads=2)))
nets = [{"net": "conv"}, {"net": "conv", "batch_norm": True}, {"net": "dense"}]
nets.append({"net": "conv", "batch_size": 15})
print(running.shares, *(devices.shares_of(Settings(**net)) for net in nets))
print(*(name in sys.modules for name in ("keras", "sklearn", "pandas")))
import pandas
"""


@pytest.mark.processes
def test_threads_get_shares_of_their_own_but_for_dense_nets_and_tiny_batches():
    command = [sys.executable, "-c", SHARES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2 2 2 1 1",
        "True False False",
    ]  # Keras went without these, others need not
    assert (
        devices.shares_of(Settings(net="conv")) == 1
    )  # in this process all threads work on one operation
    setups = [
        devices.setup_of(Settings(net="conv", batch_norm=norm, threads=2)) for norm in (False, True)
    ]
    assert setups == [("auto", 2, True), ("auto", 2, True)]


def test_tensorflow_is_started_once_in_a_process():
    running = devices.running()
    assert running.name == DEVICE and devices.start(running.setup) is running
    with pytest.raises(
        UserError, match="already runs in this process, with another --device or --threads"
    ):
        devices.start(devices.Setup("cpu", threads=devices.cores() + 1))
    assert devices.running() is running


@pytest.mark.parametrize("net", ["dense", "conv"])
def test_same_weights_as_stock_fit_with_adam(net, data, validation_data):
    # Adam divides by the root of a small number in its first steps, which magnifies rounding: a
    # coarser comparison.
    ours, stock = build(net, "adam"), build(net, "adam")
    fit(ours, data, epochs=1, seed=SEED)
    stock_fit(stock, *data, validation_data, epochs=[0])
    for one, other in zip(ours.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=2e-4)


def test_a_resumed_fit_goes_on_exactly(data):
    whole, parts = build("dense", "adam"), build("dense", "adam")
    fit(whole, data, epochs=3, seed=SEED)
    resume = resident.prepare(parts, data, Batches(BATCH))
    resume(epochs=1, seed=SEED)
    resume(epochs=3, initial_epoch=1, seed=SEED)
    for one, other in zip(parts.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_epoch_order_is_a_permutation_of_its_own_for_each_seed_and_epoch():
    orders = {
        tuple(resident.epoch_order(50, seed, epoch).numpy())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_the_learning_rate_follows_keras_own_schedule_step_by_step(data):
    settings = Settings(schedule="cosine", warmup=1, epochs=3, learning_rate=0.1)
    steps = math.ceil(EXAMPLES / BATCH)
    keras_own = keras.optimizers.schedules.CosineDecay(
        0.0, 2 * steps, warmup_target=0.1, warmup_steps=steps
    )
    expected = [float(keras_own(step)) for step in range(3 * steps)]
    np.testing.assert_allclose(
        rate_at(settings, np.arange(3 * steps) / steps)[:, 0], expected, rtol=1e-5, atol=1e-8
    )
    constant = Settings(warmup=2, learning_rate=0.1)
    rates = rate_at(constant, np.array([0.0, 0.5, 2, 9]))
    np.testing.assert_allclose(rates, np.transpose([[0, 0.025, 0.1, 0.1]]))
    ours, stock = (
        build("dense", keras.optimizers.SGD(0.1)),
        build("dense", keras.optimizers.SGD(keras_own)),
    )
    rate = functools.partial(rate_at, settings)
    resident.prepare(ours, data, Batches(BATCH, steps_per_chunk=4))(epochs=3, seed=SEED, rate=rate)
    stock_fit(stock, *data, None, range(3))
    for one, other in zip(ours.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(("shape", "most"), [((40, 6, 7, 3), 3), ((40, 28, 28, 1), 2)])
def test_images_are_moved_and_zeros_moved_in(shape, most):
    random = np.random.default_rng(0)
    images, shifts = (
        random.integers(1, 255, shape).astype(np.uint8),
        random.integers(-most, most + 1, (40, 2)),
    )
    padded = np.pad(images, [(0, 0), (most, most), (most, most), (0, 0)])
    expected = [
        one[most - down : most - down + shape[1], most - right : most - right + shape[2]]
        for one, (down, right) in zip(padded, shifts)
    ]
    np.testing.assert_array_equal(
        resident.moved(tf.constant(images), tf.constant(shifts, tf.int32), most), expected
    )


def test_training_moves_each_image_anew_in_each_epoch_and_never_those_it_validates_on(
    data, validation_data
):
    seen = []
    model = build("dense", sgd())
    plain, model.train_step = (
        model.train_step,
        lambda batch: (
            tf.py_function(lambda x: seen.append(x.numpy()), batch[:1], []),
            plain(batch),
        ),
    )
    batches = Batches(EXAMPLES, shift=2)
    resident.suits_xla, before = (lambda *model: False), resident.suits_xla
    try:
        history = resident.prepare(model, data, batches, validation_data)(
            epochs=2, seed=SEED
        ).history
    finally:
        resident.suits_xla = before
    for epoch, images in enumerate(seen):
        order, shifts = (
            resident.epoch_order(EXAMPLES, SEED, epoch),
            resident.epoch_shifts(EXAMPLES, 2, SEED, epoch),
        )
        np.testing.assert_array_equal(images, resident.moved(tf.gather(data[0], order), shifts, 2))
        assert {*np.unique(shifts)} == {-2, -1, 0, 1, 2}
    assert len(seen) == 2 and not np.array_equal(
        *(resident.epoch_shifts(EXAMPLES, 2, SEED, epoch) for epoch in (0, 1))
    )
    np.testing.assert_allclose(
        history["val_loss"][-1], model.evaluate(*validation_data, verbose=0)[0], rtol=1e-4
    )


def test_chunks_cover_the_epoch_in_equal_parts():
    dense, conv = build("dense", "adam"), build("conv", "adam")
    assert introspection.forward_flops(dense) == 2 * (784 * 200 + 200 * 100 + 100 * 10)
    assert introspection.forward_flops(conv) == 2 * (
        28 * 28 * 25 * 20 + 14 * 14 * 9 * 20 * 10 + 490 * 10
    )
    assert (
        resident.suitable_chunk(dense, batch_size=128, steps=469) == 469
    )  # MNIST's epoch is short enough to be one
    length = resident.suitable_chunk(conv, batch_size=128, steps=469)
    chunks = math.ceil(469 / length)
    assert chunks > 1 and length == math.ceil(469 / chunks)


def test_xla_where_it_is_faster_on_a_cpu_and_training_without_it(data, monkeypatch):
    assert resident.suits_xla(build("dense", "adam"))
    assert not resident.suits_xla(build("conv", "adam"))
    assert not resident.suits_xla(build("dense", "adam", dropout=0.1))
    assert resident.suits_xla(GAN(networks.build("gan-dense"))) and not resident.suits_xla(
        GAN(networks.build("gan-conv"))
    )
    # Of an operation that is no layer of Keras's, neither is known whether XLA can do it, nor
    # whether it mixes images.
    inputs = keras.Input((4,))
    of_user = keras.Model(
        inputs, keras.ops.mean(inputs, axis=0, keepdims=True) + keras.layers.Dense(4)(inputs)
    )
    assert not resident.suits_xla(of_user) and not quick.mixes_no_images(of_user)
    monkeypatch.setattr(tf.test, "is_built_with_xla", lambda: False)
    model = build("dense", "adam")
    assert not resident.suits_xla(model)
    assert len(fit(model, data, epochs=1).history["loss"]) == 1


def test_callbacks_of_keras_work(data, validation_data, tmp_path):
    model = build("dense", "adam")
    seen = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch),
        on_epoch_end=lambda epoch, logs: seen.append(sorted(logs)),
    )
    stopping = keras.callbacks.EarlyStopping(
        monitor="loss", min_delta=10, patience=1, restore_best_weights=True
    )
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_loss", save_best_only=True
    )
    board = keras.callbacks.TensorBoard(tmp_path / "board")
    history = fit(
        model, data, validation_data, 4, epochs=9, callbacks=[log, stopping, checkpoint, board]
    )
    names = ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert seen == [0, 1, 2, names] * 2  # 11 steps in chunks of 4; stopped after two epochs
    assert len(history.history["loss"]) == 2
    assert list(tmp_path.glob("board/train/events*"))
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    best = min(history.history["val_loss"])
    np.testing.assert_allclose(loaded.evaluate(*validation_data, verbose=0)[0], best, rtol=1e-5)


def test_the_model_takes_batches_again_afterwards(data):
    model = build("conv", "adam")
    fit(model, data, epochs=1)
    model.fit(*data, batch_size=BATCH, epochs=1, verbose=0)
    assert len(model.evaluate(*data, verbose=0)) == 2


def test_fewer_examples_than_a_validation_batch_and_one_full_batch(data, validation_data):
    few = tuple(array[:BATCH] for array in data)
    history = fit(
        build("dense", "adam"), few, tuple(array[:7] for array in validation_data), epochs=1
    )
    assert np.isfinite(history.history["val_loss"]).all()


# What we use of Keras and TensorFlow that is private: where a release changes it, these tests say
# what.


def test_private_names_of_layers_begin_anew():
    names = []
    for _ in range(2):
        private.name_layers_anew()
        names.append([layer.name for layer in networks.build("dense").layers])
    assert names[0] == names[1], "keras.src.utils.naming.reset_uids resets no names"


def test_private_sums_over_devices_are_left_out_of_an_optimizer():
    optimizer, variable = keras.optimizers.SGD(0.5), keras.Variable([1.0])
    assert hasattr(optimizer, "_all_reduce_sum_gradients"), "it sums over devices in another way"
    private.train_on_one_device(optimizer)
    optimizer.apply([tf.constant([1.0])], [variable])
    assert variable.numpy() == [0.5]


def test_private_order_of_adams_variables():
    """The unrolled GAN reads the moments from their positions."""
    optimizer = keras.optimizers.Adam()
    optimizer.build([keras.Variable([1.0], name=name) for name in "ab"])
    names = [variable.name for variable in optimizer.variables]
    moments = ["a_momentum", "a_velocity", "b_momentum", "b_velocity"]
    assert names == ["iteration", "learning_rate", *moments]


def test_private_gradients_are_found_and_forgotten():
    from tensorflow.python.framework import ops

    registry = ops.gradient_registry._registry
    known = set(registry)

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            with private.own_gradient():
                y = tf.custom_gradient(lambda x: (x, lambda upstream: 3 * upstream))(x)
        gradient = tape.gradient(y, x)
        seen.extend(set(registry) - known)
        private.forget_gradients()
        return gradient

    seen = []
    assert step(tf.constant(1.0)) == 3
    assert len(seen) == 1, "TensorFlow keeps custom gradients in another place"
    assert set(registry) == known


def test_private_layers_outputs_and_kind_of_a_model():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = [keras.layers.Dense(3), keras.Sequential([keras.layers.Dense(2)])]

        def call(self, inputs):
            return self.inner[1](self.inner[0](inputs))

    model = Twice()
    first, second = model.inner[0], model.inner[1].layers[0]
    assert introspection.operations_of(model) == [model, first, second], "_flatten_layers"
    inputs, shared = keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 1)
    images = keras.layers.UpSampling2D()(inputs)
    called = keras.layers.GlobalMaxPooling2D()
    functional = keras.Model(inputs, [called(shared(inputs)), called(shared(images))])
    assert type(functional) is introspection.Functional
    assert introspection.most_numbers(functional) == 16 * 16 * 2, "_inbound_nodes"
    assert introspection.forward_flops(functional) == 2 * 2 * 16 * 16


def test_private_memory_of_weights_is_taken_at_the_end():
    with private.weights_later():
        model = networks.build("dense", hidden=(7,))
        assert model.count_params() == 785 * 7 + 80
    assert np.isfinite(model(np.zeros((1, 28, 28, 1)))).all()
    with pytest.raises(ZeroDivisionError), private.weights_later():
        assert networks.build("dense", hidden=(10**6, 10**6)).count_params() > 10**12
        raise ZeroDivisionError  # else that would take 4 TB


def test_private_replacing_of_call_and_train_function():
    layer = keras.layers.ReLU()
    layer.call = lambda inputs: inputs + 1
    assert layer(tf.constant(-3.0)) == -2, "a layer's own `call` is not used"
    del layer.call
    assert layer(tf.constant(-3.0)) == 0
    model, steps = networks.build("dense"), []
    model.compile(sgd(), loss="sparse_categorical_crossentropy")
    model.train_function = lambda iterator: steps.append(next(iterator)) or {"loss": 0.0}
    model.fit(np.zeros((6, 28, 28, 1)), np.zeros(6), batch_size=2, verbose=0)
    assert len(steps) == 3, "a model's own `train_function` is not used"


def test_private_knowledge_of_a_module_is_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "own_hidden", sys)
    keras.saving.register_keras_serializable("own")(type("Hidden", (keras.layers.Layer,), {}))
    with private.unknown_module("own_hidden"):
        assert keras.saving.get_registered_object("own>Hidden") is None
        with pytest.raises(ImportError):
            import own_hidden  # noqa: F401
    assert keras.saving.get_custom_objects().pop("own>Hidden") and sys.modules["own_hidden"] is sys


def test_private_writer_of_tensorboard(tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path)
    board.set_model(build("dense", sgd()))
    with private.train_writer(board).as_default():
        tf.summary.scalar("x", 1.0, step=0)
    board.on_train_end()
    assert list((tmp_path / "train").glob("events*")), "TensorBoard has another writer"


def test_private_import_of_tensorflow():
    from keras.src.backend import config

    assert isinstance(config._KERAS_DIR, str), "Keras keeps its folder in another place"
    assert "ynn" in os.environ["XLA_FLAGS"], "XLA's flags are not measured for this TensorFlow"
