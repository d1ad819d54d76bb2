"""What GANs generated over time, side by side."""

import numpy as np

from lab import console, runs
from lab.comparison.frame import GANS, collect, kind_of
from lab.io.pictures import MOST_OF_SAMPLES, picture_in
from lab.settings import UserError


def draw_strip(results_dir, folders, epochs, folder):
    """Draw the samples of GANs by epoch, of the same latent vectors, the runs below each other.

    Parameters
    ----------
    results_dir : path
    folders : list of Path
        Of the runs, as `runs.named` gives them.
    epochs : list of int
        0: before training.
    folder : Path
        That it is written into, as strip.png.

    Returns
    -------
    list of Path

    Raises
    ------
    UserError
        If one of them is no GAN, or has no picture of one of the epochs.
    """
    from lab import figures  # with matplotlib

    groups, notes = collect(results_dir, folders)
    if kind_of(groups[0]) != GANS:
        raise UserError(
            f"--strip: {groups[0].runs[0].folder} is a classifier; only GANs have samples to show"
        )
    rows = {}
    for group in groups:
        for run in group.runs:
            seed = f", seed={run.settings.seed}" if len(group.runs) > 1 else ""
            rows[group.name + seed] = _pictures(run.folder, epochs)
    runs.make_free(folder)
    datasets = dict.fromkeys(group.record.dataset.name for group in groups)
    title = [f"{folder.name}: samples of the same latent vectors by epoch, {', '.join(datasets)}"]
    drawn = figures.strip(rows, epochs, "\n".join(title + groups[0].naming.sentences))
    for note in notes:
        console.say(note)
    return runs.save_figures({"strip.png": drawn}, folder)


def _pictures(folder, epochs):
    paths, pictures = runs.sample_paths(folder), []
    for epoch in epochs:
        if epoch not in paths:
            known = ", ".join(map(str, paths)) or "none"
            raise UserError(
                f"--strip: {folder} has no picture of epoch {epoch}; it has those of {known}"
            )
    try:
        for epoch in epochs:
            with picture_in(paths[epoch], most=MOST_OF_SAMPLES) as picture:
                pictures.append(np.asarray(picture.convert("RGB")))
    except Exception as error:
        samples = folder / runs.SAMPLES
        raise UserError(f"--strip: a picture in {samples} cannot be read ({error})") from error
    return pictures
