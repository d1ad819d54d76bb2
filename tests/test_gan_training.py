"""The GANs: their networks, one training step against its definition, the unrolled gradient
against finite differences.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from lab.backend import gan, resident
from lab.settings import Settings
from lab.training.engine import rate_at
from models import gans

BATCH = 16


def build(
    net=gans.build_dense_gan,
    *,
    unroll=0,
    rates=(1e-3, 1e-3),
    epsilon=1e-7,
    label_smoothing=0.0,
    **settings,
):
    model = gan.GAN(net(seed=0, **settings), unroll=unroll, label_smoothing=label_smoothing, seed=0)
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.5, epsilon=epsilon) for rate in rates))
    return model


@pytest.fixture(scope="module")
def images(mnist5k):
    return mnist5k.train_images[:300]


def batches(images, steps):
    draw = np.random.default_rng(0)
    for _ in range(steps):
        yield (
            tf.constant(draw.choice(images, BATCH)),
            tf.constant(draw.standard_normal((BATCH, gans.LATENT_SIZE)), tf.float32),
        )


def cross_entropy(probability, logits):
    return -tf.reduce_mean(
        probability * tf.math.log_sigmoid(logits) + (1 - probability) * tf.math.log_sigmoid(-logits)
    )


def test_the_networks_are_those_of_the_exercises():
    generator, discriminator = gans.build_conv_gan(seed=0).layers
    # Dense 316,736; transposed convolutions 51,232, 12,816, 401; batch normalizations 128, 64.
    assert (
        generator.count_params() == 381_377
        and discriminator.count_params() == 832 + 51_264 + 204_928 + 2_049
    )
    assert [
        layer.momentum
        for layer in generator.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ] == [0.4, 0.4]
    generator, discriminator = gans.build_dense_gan(hidden=(30, 20, 10), seed=0).layers
    units = [
        [layer.units for layer in net.layers if hasattr(layer, "units")]
        for net in (generator, discriminator)
    ]
    assert units == [[30, 20, 10, 784], [10, 20, 30, 1]]


@pytest.mark.parametrize("net", [gans.build_dense_gan, gans.build_conv_gan])
def test_generators_give_pixels_and_discriminators_take_them(net, images):
    generator, discriminator = net(seed=1).layers
    generated = generator(tf.random.stateless_normal((50, gans.LATENT_SIZE), (0, 0)) * 50).numpy()
    assert (
        generated.shape == (50, 28, 28, 1)
        and 0 <= generated.min() < 100
        and 155 < generated.max() <= 255
    )
    np.testing.assert_allclose(
        discriminator(images), discriminator(images.astype(np.float32)), rtol=1e-4, atol=1e-5
    )


def test_convolving_the_small_image_gives_what_convolving_the_enlarged_one_gives():
    images = tf.random.stateless_normal((3, 5, 7, 4), (0, 1))
    layer = keras.layers.Conv2DTranspose(6, 5, padding="same", bias_initializer="ones")
    expected = layer(keras.layers.UpSampling2D()(images))
    np.testing.assert_allclose(
        gan.enlarge_and_convolve(images, layer), expected, rtol=1e-4, atol=1e-5
    )


def test_functional_adam_is_kerass_adam_and_has_a_gradient_where_nothing_moved():
    optimizer, weight = (
        keras.optimizers.Adam(0.01, beta_1=0.7, beta_2=0.9),
        keras.Variable([1.0, -2.0, 3.0]),
    )
    optimizer.build([weight])
    ours, moments = tf.constant([1.0, -2.0, 3.0]), (tf.zeros(3), tf.zeros(3))
    for count, gradient in enumerate(([0.5, -1e-3, 0.0], [-2.0, 1e-3, 0.0], [0.1, 0.0, 0.0]), 1):
        with tf.GradientTape() as tape:
            gradient = tf.constant(gradient)
            tape.watch(gradient)
            ours, moments = gan.adam(optimizer, count, ours, gradient, moments)
        assert np.isfinite(tape.gradient(ours, gradient)).all()
    for gradient in ([0.5, -1e-3, 0.0], [-2.0, 1e-3, 0.0], [0.1, 0.0, 0.0]):
        optimizer.apply([tf.constant(gradient)], [weight])
    np.testing.assert_allclose(ours, weight, rtol=1e-6)


def test_not_unrolled_a_step_is_the_plain_one_to_the_last_bit(images):
    """Ten steps against a loop that is written down from the definition."""
    ours, plain = build(label_smoothing=0.1), build()
    generator, discriminator = plain.networks.layers
    for real, latents in batches(images, 10):
        ours.train_step((real, latents))
        with tf.GradientTape(persistent=True) as tape:
            generated = generator(latents, training=True)
            of_real, of_generated = (
                discriminator(real, training=True),
                discriminator(generated, training=True),
            )
            loss = tf.reduce_mean(tf.nn.softplus(of_real) - 0.9 * of_real)
            loss += tf.reduce_mean(tf.nn.softplus(of_generated) - 0.1 * of_generated)
            fooled = tf.reduce_mean(tf.nn.softplus(of_generated) - of_generated)
        for network, optimizer, value in (
            (generator, plain.optimizers[0], fooled),
            (discriminator, plain.optimizers[1], loss),
        ):
            optimizer.apply(
                tape.gradient(value, network.trainable_variables), network.trainable_variables
            )
    for one, other in zip(ours.networks.get_weights(), plain.networks.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours.get_metrics_result().keys() == {
        "discriminator_loss",
        "generator_loss",
        "real_accuracy",
        "generated_accuracy",
    }


@pytest.fixture
def float64():
    for name in ("float64", "float32"):
        keras.config.set_floatx(name)  # of inputs
        keras.config.set_dtype_policy(name)
        if name == "float64":
            yield


def test_the_unrolled_gradient_is_that_of_real_updates(float64):
    """Against central differences of the generator's loss after two updates by Keras's own Adam,
    in float64.
    """
    model = build(unroll=2, rates=(1e-3, 0.05), input_shape=(2,), hidden=(5, 4))
    draw = np.random.default_rng(1)
    real, latents = (
        tf.constant(draw.normal(size=(8, 2))),
        tf.constant(draw.normal(size=(8, gans.LATENT_SIZE))),
    )
    for _ in range(3):  # so that the optimizer has a past
        model.train_step((real, latents))
    generator, discriminator = model.networks.layers
    optimizer = model.optimizers[1]
    with tf.GradientTape() as tape:
        _, loss = model.losses(real, latents)
    gradients = tape.gradient(loss, generator.trainable_variables)

    def after_real_updates():
        state = [variable.numpy() for variable in [*discriminator.variables, *optimizer.variables]]
        generated = generator(latents)
        for _ in range(2):
            with tf.GradientTape() as tape:
                value = cross_entropy(1.0, discriminator(real)) + cross_entropy(
                    0.0, discriminator(generated)
                )
            optimizer.apply(
                tape.gradient(value, discriminator.trainable_variables),
                discriminator.trainable_variables,
            )
        value = cross_entropy(1.0, discriminator(generated)).numpy()
        for variable, before in zip([*discriminator.variables, *optimizer.variables], state):
            variable.assign(before)
        return value

    assert after_real_updates() == pytest.approx(loss.numpy(), rel=1e-7)
    for variable, gradient in zip(generator.trainable_variables, gradients, strict=True):
        direction = draw.normal(size=variable.shape)
        before, values = variable.numpy(), []
        for step in (1e-6, -1e-6):
            variable.assign(before + step * direction)
            values.append(after_real_updates())
        variable.assign(before)
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(
            np.sum(gradient * direction), rel=1e-4
        )
    model.saturating = True
    outcome, minimax = model.losses(real, latents)
    assert (
        minimax.numpy()
        == -model._look_ahead(real, generator(latents), outcome.gradients).loss.numpy()
    )
    model.saturating, model.unroll = False, 0  # which is another gradient
    with tf.GradientTape() as tape:
        _, loss = model.losses(real, latents)
    plain = tape.gradient(loss, generator.trainable_variables)
    assert not np.allclose(plain[0], gradients[0], rtol=0.05)


@pytest.mark.parametrize(("net", "unroll"), [(gans.build_dense_gan, 0), (gans.build_conv_gan, 1)])
def test_resident_training_is_that_of_single_steps(net, unroll, images):
    # An epsilon at which Adam does not turn the rounding of a tiny gradient into a whole step.
    ours, single = (build(net, unroll=unroll, epsilon=1e-2) for _ in range(2))
    step_once = tf.function(single.train_step)
    latents = tf.random.stateless_normal((BATCH * 3, gans.LATENT_SIZE), (5, 5))  # of a chunk
    batches = resident.Batches(
        BATCH, steps_per_epoch=5, steps_per_chunk=3, noise=lambda count: latents[:count]
    )
    settings = Settings(
        net="gan-dense", schedule="cosine", epochs=2, discriminator_learning_rate=5e-4
    )
    rate = functools.partial(rate_at, settings)
    history = resident.prepare(ours, (images,), batches)(epochs=2, seed=3, rate=rate).history
    assert len(history["generator_loss"]) == 2 and len(history) == 4
    for epoch in range(2):
        order = resident.epoch_order(len(images), 3, epoch).numpy()
        for step in range(5):
            for optimizer, now in zip(
                single.optimizers, rate(np.array(epoch + step / 5)), strict=True
            ):
                optimizer.learning_rate = now
            rows = slice(BATCH * (step % 3), BATCH * (step % 3 + 1))
            step_once(
                (tf.constant(images[order[BATCH * step : BATCH * (step + 1)]]), latents[rows])
            )
    of_generator, of_discriminator = (
        optimizer.learning_rate.numpy() for optimizer in ours.optimizers
    )
    assert of_discriminator == pytest.approx(of_generator / 2) and 0 < of_generator < 1e-4
    for one, other in zip(ours.networks.get_weights(), single.networks.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("distribution", "deviation"), [("normal", 1), ("uniform", 3**-0.5)])
def test_latent_vectors_are_of_their_distribution_and_come_anew(distribution, deviation):
    model = gan.GAN(
        gans.build_dense_gan(hidden=(2,), input_shape=(2,)), latent=distribution, seed=4
    )
    first, second = model.draw_latents(500).numpy(), model.draw_latents(500).numpy()
    assert (
        abs(first.mean()) < 0.02
        and first.std() == pytest.approx(deviation, rel=0.02)
        and not np.allclose(first, second)
    )
