"""The networks: parameter counts, weight decay, and that pooling before the activation changes
nothing.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lab.backend import networks
from lab.data import IMAGE_SHAPES
from lab.settings import IMAGE_DATASETS, Settings, names
from models import CLASSIFIER, NETWORKS
from models.classifiers import build_conv_net, build_dense_net, build_filter_net


def test_published_parameter_counts():
    assert build_dense_net().count_params() == 178_110
    assert build_conv_net().count_params() == 7_240
    assert build_dense_net(hidden=(25, 50)).count_params() == 21_435
    assert build_filter_net().count_params() == 246_026
    normalized = build_filter_net(batch_norm=True)
    assert normalized.count_params() == 246_026 + 4 * (64 + 128 + 128) == 247_306
    assert sum(
        np.prod(variable.shape) for variable in normalized.trainable_variables
    ) == 246_026 + 2 * (64 + 128 + 128)


def test_filters_kernels_and_head_of_the_conv_net():
    flat = build_conv_net(filters=(4, 6, 8), kernels=(3, 3, 1))
    assert flat.count_params() == (9 + 1) * 4 + (4 * 9 + 1) * 6 + (6 + 1) * 8 + (3 * 3 * 8 + 1) * 10
    mean = build_conv_net(filters=(4, 6), kernels=(3, 3), head="average")
    assert mean.count_params() == (9 + 1) * 4 + (4 * 9 + 1) * 6 + (6 + 1) * 10


def test_the_filter_net_normalizes_before_it_activates():
    layers = [type(layer).__name__ for layer in build_filter_net(batch_norm=True).layers]
    block = ["Conv2D", "BatchNormalization", "Activation"]
    first = ["Conv2D", "BatchNormalization", "MaxPooling2D", "Activation"]
    assert layers == [
        "Rescaling",
        *first,
        *block,
        *block,
        "GlobalAveragePooling2D",
        "Dense",
        "Activation",
    ]


@pytest.mark.parametrize("net", [net for net in NETWORKS if NETWORKS[net].kind is CLASSIFIER])
@pytest.mark.parametrize("shape", sorted({IMAGE_SHAPES[name] for name in IMAGE_DATASETS}))
def test_every_net_is_built_for_grey_and_for_colour(net, shape):
    assert networks.build(net, input_shape=shape)(np.zeros((2, *shape), np.uint8)).shape == (2, 10)


def test_parameters_for_other_images():
    assert build_dense_net(input_shape=(32, 32, 3)).count_params() == 178_110 + (3072 - 784) * 200
    assert (
        build_conv_net(input_shape=(32, 32, 3)).count_params()
        == 7_240 + 2 * 25 * 20 + (8 * 8 - 7 * 7) * 10 * 10
    )


@pytest.mark.parametrize(("net", "count"), [("dense", 3), ("conv", 3), ("filter", 4)])
@pytest.mark.parametrize(("regularizer", "power"), [("l2", 2), ("l1", 1)])
def test_penalty_is_on_every_kernel_and_on_no_bias(net, count, regularizer, power):
    model = networks.build(net, regularizer_strength=0.03, regularizer=regularizer, batch_norm=True)
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    kernels = [
        layer.kernel.numpy().astype(float) for layer in model.layers if hasattr(layer, "kernel")
    ]
    assert len(kernels) == count
    expected = 0.03 * sum((np.abs(kernel) ** power).sum() for kernel in kernels)
    np.testing.assert_allclose(float(sum(model.losses)), expected, rtol=1e-5)


def test_no_weight_decay_no_penalty():
    assert build_dense_net(regularizer_strength=0.0).losses == []


def test_raw_images_are_rescaled_inside_and_probabilities_sum_to_one():
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    model = build_dense_net()
    np.testing.assert_allclose(np.array(model.layers[0](images)), images / 255, rtol=1e-6)
    np.testing.assert_allclose(np.array(model(images)).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("activation", names.ACTIVATIONS)
def test_pooling_before_the_activation_is_the_published_network(activation):
    """The handout's order is convolution, activation, pooling; same outputs, same gradients."""
    # Of weights drawn at random, some leave two values of a pool equal but for rounding, and the
    # gradient takes another way.
    ours = build_conv_net(activation=activation, seed=0)
    layers, stack = keras.layers, []
    for filters, size in ((20, 5), (10, 3)):
        stack += [
            layers.Conv2D(filters, size, padding="same", activation=activation),
            layers.MaxPooling2D(),
        ]
    textbook = keras.Sequential([keras.Input((28, 28, 1)), layers.Rescaling(1 / 255), *stack])
    textbook = keras.Sequential(
        [*textbook.layers, layers.Flatten(), layers.Dense(10, activation="softmax")]
    )
    textbook.build((None, 28, 28, 1))
    textbook.set_weights(ours.get_weights())
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), np.uint8)
    outcome = []
    for model in (ours, textbook):
        with tf.GradientTape() as tape:
            probabilities = model(images)
            loss = -tf.reduce_mean(tf.math.log(probabilities[:, 3]))
        outcome.append([probabilities, *tape.gradient(loss, model.trainable_variables)])
    for one, other in zip(*outcome, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-3, atol=1e-5)


def test_bfloat16_computes_in_it_and_keeps_weights_and_probabilities_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_dense_net(batch_norm=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("logits").compute_dtype == "bfloat16"
    assert model.outputs[0].dtype == "float32"
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


def test_a_network_is_built_in_a_precision_and_the_next_one_is_not():
    assert networks.build("dense", "bfloat16").get_layer("logits").compute_dtype == "bfloat16"
    assert networks.build("dense").get_layer("logits").compute_dtype == "float32"


def test_a_network_takes_what_concerns_it_of_a_runs_settings():
    settings = Settings(dropout=0.2, hidden=(7,), seed=3, activation="tanh")
    settings = {name: value for name, value in settings if value is not None}
    dense, conv, gan = (
        networks.build(**settings | {"net": net}) for net in ("dense", "conv", "gan-dense")
    )
    layers = [type(layer).__name__ for layer in dense.layers]
    assert layers == [
        "Rescaling",
        "Flatten",
        "Dense",
        "Activation",
        "Dropout",
        "Dense",
        "Activation",
    ]
    assert dense.layers[2].units == 7 and dense.layers[3].activation is keras.activations.tanh
    assert conv.count_params() == 7240
    assert next(layer.units for layer in gan.layers[0].layers if hasattr(layer, "units")) == 7
