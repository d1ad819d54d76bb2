"""Runs on disk: one folder each under the results folder. Written atomically, read with suspicion.

config.json            the command that trains it again, settings, parameters, data set, versions, device, commit of the code
code.patch             what was changed in the code since that commit
history.json           Keras's lists by epoch, "epoch_seconds", "total_seconds", "device", and "status"
model.keras            the trained model
checkpoint.npz         while it trains, and if it was interrupted: all that it needs to be resumed
checkpoint.broken.npz  one that could not be used
learning_curve.png     and whatever evaluate.py adds
samples/  samples.gif  of a GAN: what it generated after each epoch
"""
# ruff: noqa: F401

from lab.runs.checkpoint import About, Checkpoint, Fitting, Stopping, save_checkpoint
from lab.runs.code import ROOT, checkout, code_hash, versions
from lab.runs.files import as_json, atomic, save_figures, write_json
from lab.runs.folders import (
    SAMPLES,
    TENSORBOARD,
    Beside,
    File,
    Output,
    below,
    check_free,
    display_name,
    ended,
    existing,
)

# isort: split
from lab.runs.folders import (
    check_inside,
    folder_of,
    has_files,
    has_record,
    holds_run,
    is_inside,
    is_pattern,
    locked,
    make_free,
    named,
    plain,
    unlock,
)

# isort: split
from lab.runs.records import (
    COMPLETE,
    DIVERGED,
    INTERRUPTED,
    NOT_THE_SAME,
    SEARCH,
    TRAINING,
    History,
    Origin,
    Run,
    Search,
    Trial,
    changes,
    checked,
    command_of,
    differences,
    differing_in_words,
    identity,
    resuming,
    settings_of,
)
from lab.runs.samples import load_samples, sample_paths, sampled, save_samples

# isort: split
from lab.runs.records import (
    best_first,
    latest,
    load,
    load_ended,
    load_evaluation,
    load_search,
    load_trained,
    standing,
    state,
)
from lab.runs.writing import fault_of, read_files, remove_evaluation, stamp, write_files, writing
