"""The theory behind the exercises, in numbers: weight decay on a polynomial, the stable softmax,
the optimal discriminator.
"""

import numpy as np
from numpy.polynomial import chebyshev

from lab import figures
from lab.console import say

DEGREE = 9
LAMBDAS = (1e-6, 0.3, 30.0)  # too small, good, too large
SAMPLES, NOISE = 15, 0.15
# Mean and standard deviation of the discriminator's two distributions.
REAL, GENERATED = (1.0, 1.0), (-1.0, 0.7)


def draw_theory(topic):
    """Print the numbers of a topic and draw its figure.

    Parameters
    ----------
    topic : "polynomial", "softmax" or "discriminator"

    Returns
    -------
    matplotlib.figure.Figure
    """
    topics = {"polynomial": _polynomial, "softmax": _softmax, "discriminator": _discriminator}
    return topics[topic]()


def _polynomial():
    x, y, fits = polynomial_fits()
    between = np.linspace(x[0], x[-1], 401)
    panels = {}
    for fit, word in zip(fits, ("too small", "good", "too large")):
        errors = f"training error {fit['training']:.3f}, true error {fit['true']:.3f}"
        say(f"λ = {fit['strength']:<6g} ({word}): {errors}")
        curve = chebyshev.chebval(between, fit["coefficients"])
        panels[f"λ = {fit['strength']:g}: {word}\n{errors}"] = curve
    say(
        "Errors are root mean squares: at the samples, and against the cubic without noise from "
        "the first sample to the last."
    )
    say("λ penalizes the squares of the polynomial's coefficients in Chebyshev's basis.")
    title = (
        f"Weight decay: a polynomial of order {DEGREE} fitted to {SAMPLES} noisy samples of a "
        "cubic,\nwith λ times the squares of its coefficients in Chebyshev's basis as penalty"
    )
    return figures.fits((x, y), (between, cubic(between)), panels, title)


def _softmax():
    offsets = np.linspace(-130, 130, 521, dtype=np.float32)
    logits = np.array([0, 1, 2], np.float32) + offsets[:, np.newaxis]
    naive, shifted = naive_softmax(logits)[:, -1], shifted_softmax(logits)[:, -1]
    fine, low, high = offsets[np.isfinite(naive)], shifted.min(), shifted.max()
    say(f"The largest of softmax([0, 1, 2] + c) in float32, which is {shifted[0]:.4f} for every c:")
    naively = f"a number only for c from {fine[0]:g} to {fine[-1]:g}"
    say(f"naive: {naively}; shifted: from {low:.4f} to {high:.4f}")
    limit = float(np.log(np.finfo(np.float32).max) - 2)
    title = "Softmax of [0, 1, 2] + c in float32: naive and shifted"
    return figures.softmax(offsets, naive, shifted, limit, title)


def _discriminator():
    generator = np.random.default_rng(0)
    samples = [generator.normal(*parameters, 5000) for parameters in (REAL, GENERATED)]
    x = np.linspace(-3.5, 4.5, 401)
    learned, optimal = train_discriminator(*samples)(x), optimal_discriminator(x, REAL, GENERATED)
    densities = density(x, *REAL), density(x, *GENERATED)
    error = np.average(np.abs(learned - optimal), weights=sum(densities))
    told = "Mean difference of the trained discriminator from the optimal one"
    say(f"{told}, weighted by density: {error:.4f}")
    title = "A discriminator trained on two normal distributions, and the best one"
    return figures.discriminator(x, densities, (learned, optimal), title)


def cubic(x):
    """The function behind the noisy samples."""
    return 2 * x**3 - 1.2 * x + 0.2


def fit_polynomial(x, y, strength, degree=DEGREE):
    """Least squares with weight decay: minimizes sum((p(x) - y)^2) + strength * sum(w^2) over the
    coefficients w of p.

    The polynomial is written in Chebyshev's basis, whose columns on [-1, 1] are nearly orthogonal:
    the powers of x are nearly dependent, and a fit of them loses half of its digits.

    Parameters
    ----------
    x, y : float arrays, shape (n,), x in [-1, 1]
    strength : float
    degree : int

    Returns
    -------
    float array, shape (degree + 1,)
        Coefficients for `numpy.polynomial.chebyshev.chebval`.
    """
    basis = chebyshev.chebvander(x, degree)
    # The penalty as further rows of the least-squares problem: its normal equations would square
    # the condition number.
    rows = np.vstack([basis, np.sqrt(strength) * np.eye(degree + 1)])
    return np.linalg.lstsq(rows, np.concatenate([y, np.zeros(degree + 1)]))[0]


def polynomial_fits():
    """A 9th-order polynomial fitted to noisy samples of a cubic with too small, good and too large
    a weight decay.

    Returns
    -------
    x, y : float arrays, shape (n,)
        The samples.
    fits : list of dict
        "strength", "coefficients" as of `fit_polynomial`; "training" and "true": root mean squared
        error at the samples, and against the cubic between the first and the last sample, beyond
        which a polynomial is bound by nothing.
    """
    generator = np.random.default_rng(1)
    x = np.sort(generator.uniform(-1, 1, SAMPLES))
    y = cubic(x) + NOISE * generator.standard_normal(SAMPLES)
    between = np.linspace(x[0], x[-1], 1001)
    fits = []
    for strength in LAMBDAS:
        weights = fit_polynomial(x, y, strength)
        fit = {"strength": strength, "coefficients": weights}
        for name, places, truth in (("training", x, y), ("true", between, cubic(between))):
            squares = (chebyshev.chebval(places, weights) - truth) ** 2
            fit[name] = float(np.sqrt(np.mean(squares)))
        fits.append(fit)
    return x, y, fits


def naive_softmax(logits):
    """exp(a) / sum(exp(a)) as it stands, over the last axis; NaN where exp overflows, or all of it
    underflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        exponentials = np.exp(logits)
        return exponentials / exponentials.sum(axis=-1, keepdims=True)


def shifted_softmax(logits):
    """The same function of the logits minus their maximum: softmax(a + c) = softmax(a), and no exp
    exceeds 1.
    """
    return naive_softmax(logits - logits.max(axis=-1, keepdims=True))


def optimal_discriminator(x, data, model):
    """D*(x) = p_data(x) / (p_data(x) + p_model(x)) for two normal distributions (Goodfellow et al.
    2014, proposition 1).

    Parameters
    ----------
    x : float array
    data, model : (mean, standard deviation)
    """
    return 1 / (1 + density(x, *model) / density(x, *data))


def density(x, mean, deviation):
    """Of the normal distribution."""
    return np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))


def train_discriminator(real, generated, units=16):
    """Train a small network, one hidden layer of tanh units, to tell two samples of numbers apart.

    Minimizes the cross-entropy, as a GAN's discriminator does, with L-BFGS.

    Parameters
    ----------
    real, generated : float arrays, shape (n,)
    units : int

    Returns
    -------
    function
        Of a float array: the probability that each number is real.
    """
    from sklearn.neural_network import MLPClassifier  # which takes a second to import

    x = np.concatenate([real, generated])[:, np.newaxis]
    is_real = np.repeat([True, False], [len(real), len(generated)])
    network = MLPClassifier(
        (units,), activation="tanh", solver="lbfgs", alpha=0.0, max_iter=2000, random_state=0
    )
    network.fit(x, is_real)
    return lambda x: network.predict_proba(np.asarray(x)[:, np.newaxis])[:, 1]
