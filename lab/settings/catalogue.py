"""The data sets that are known by name: their classes, and the shape of an example."""

_DIGITS = tuple("0123456789")
_CLOTHES = "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
_OBJECTS = "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
CLASSES = {"mnist": _DIGITS, "mnist5k": _DIGITS, "fashion_mnist": _CLOTHES, "cifar10": _OBJECTS, "ring": _DIGITS[:8]}
_GREY = (28, 28, 1)
IMAGE_SHAPES = {"mnist": _GREY, "mnist5k": _GREY, "fashion_mnist": _GREY, "cifar10": (32, 32, 3), "ring": (2,)}  # its points
