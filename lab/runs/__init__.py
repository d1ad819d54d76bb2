"""Runs on disk: one folder each under the results folder. Written atomically, read with suspicion.

config.json            the command that trains it again, settings, parameters, data set, versions,
                       device, commit of the code
code.patch             what was changed in the code since that commit
history.json           Keras's lists by epoch, "epoch_seconds", "total_seconds", "device", and
                       "status"
model.keras            the trained model
checkpoint.npz         while it trains, and if it was interrupted: all that it needs to be resumed
checkpoint.broken.npz  one that could not be used
learning_curve.png     and whatever evaluate.py adds
samples/  samples.gif  of a GAN: what it generated after each epoch
"""
# ruff: noqa: F401

from lab.io.files import atomic
from lab.runs.checkpoint import About, Checkpoint, Fitting, Stopping, save_checkpoint
from lab.runs.claim import fault_of, stamp, writing
from lab.runs.code import ROOT, checkout, code_hash, versions
from lab.runs.files import as_json, remove_evaluation, save_figures, write_json
from lab.runs.folders import (
    SAMPLES,
    TENSORBOARD,
    Beside,
    File,
    Output,
    below,
    check_free,
    check_inside,
    display_name,
    ended,
    existing,
    folder_of,
    has_files,
    has_record,
    holds_run,
    is_inside,
    is_pattern,
    locked,
    make_free,
    named,
    plain_name,
    unlock,
)
from lab.runs.records import (
    NOT_THE_SAME,
    SEARCH,
    Run,
    differences,
    identity,
    latest,
    load,
    load_any,
    load_ended,
    load_evaluation,
    load_same,
    load_search,
    load_trained,
)
from lab.runs.samples import load_samples, sample_paths, sampled, save_samples
from lab.runs.schemas import (
    COMPLETE,
    DIVERGED,
    INTERRUPTED,
    TRAINING,
    History,
    Origin,
    Search,
    Trial,
    best_first,
    changes,
)
