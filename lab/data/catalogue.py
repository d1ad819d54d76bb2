"""The data sets by name: their classes, and the shape of an example."""

DIGITS = tuple("0123456789")
CLASSES = {
    "mnist": DIGITS,
    "mnist5k": DIGITS,
    "fashion_mnist": (
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
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "ring": tuple("01234567"),
}
IMAGE_SHAPES = {
    "mnist": (28, 28, 1),
    "mnist5k": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "ring": (2,),  # points
}
