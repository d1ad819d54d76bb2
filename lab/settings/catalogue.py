"""The data sets that are known by name: their classes, and the shape of an example."""

from lab.settings import names

# Pixels a side that images may have, and classes that a data set may have.
LEAST_SIDE, MOST_SIDE = 8, 256
MOST_CLASSES = 1_000
_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_OBJECTS = "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
CLASSES = {
    "mnist": _DIGITS,
    "mnist5k": _DIGITS,
    "fashion_mnist": _CLOTHES,
    "cifar10": _OBJECTS,
    "ring": _DIGITS[:8],
}
CLASSES |= {
    "grid": tuple(f"{place}" for place in range(25)),
    "stacked_mnist": tuple(f"{number:03}" for number in range(1000)),
}
_GREY = (28, 28, 1)
IMAGE_SHAPES = {
    "mnist": _GREY,
    "mnist5k": _GREY,
    "fashion_mnist": _GREY,
    "cifar10": (32, 32, 3),
    "stacked_mnist": (28, 28, 3),
}
IMAGE_SHAPES |= dict.fromkeys(names.POINTS, (2,))
