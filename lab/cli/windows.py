"""What was written, said and shown."""

import webbrowser

from lab.console import say
from lab.io.words import first_line
from lab.settings import UserError


def check_display(wanted):
    """Raise UserError if figures are to be shown and there is no display."""
    if not wanted:
        return
    import lab.figures  # noqa: F401 (before matplotlib, which it lets start from within a notebook)

    try:
        from matplotlib import pyplot
    except Exception as error:  # which reads styles of the user's
        fault = f"--show: matplotlib cannot start ({first_line(error)})"
        raise UserError(f"{fault}: look into its configuration") from error
    if pyplot.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
        raise UserError(
            "--show: there is no display to show figures on; without it they are saved all the same"
        )


def finish(paths, show_them):
    """Say what was written; show the pictures if asked to, or the page."""
    for folder in dict.fromkeys(path.parent for path in paths):
        say(f"{folder}: {', '.join(path.name for path in paths if path.parent == folder)}")
    if show_them:
        for path in paths:
            if path.suffix == ".html":
                webbrowser.open(path.resolve().as_uri())
        show([path for path in paths if path.suffix == ".png"])


def show(paths):
    """Show saved pictures in windows and wait until they are closed."""
    from matplotlib import pyplot

    for path in paths:
        picture = pyplot.imread(path)
        height, width = picture.shape[:2]
        figure = pyplot.figure(str(path), figsize=(width / 100, height / 100), dpi=100)
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_axis_off()
        axis.imshow(picture)
    pyplot.show()
