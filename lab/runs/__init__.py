"""Runs on disk: one folder each under the results folder. Written atomically, read with suspicion.

config.json            the command that trains it again, settings, parameters, data set, versions, device, commit of the code
code.patch             what was changed in the code since that commit
history.json           Keras's lists by epoch, "epoch_seconds", "total_seconds", "device", and "status"
model.keras            the trained model
checkpoint.npz         while it trains, and if it was interrupted: all that it needs to go on
learning_curve.png     and whatever evaluate.py adds
samples/  samples.gif  of a GAN: what it generated after each epoch
"""
# ruff: noqa: F401

from lab.runs.archive import load_model
from lab.runs.checkpoint import About, Checkpoint, Stopping, load_checkpoint, save_checkpoint
from lab.runs.code import ROOT, checkout, code_hash, versions
from lab.runs.files import atomic, save_figures, write_json
from lab.runs.folders import SAMPLES, TENSORBOARD, Beside, File, Output, below, check_free, display_name, ended, existing

# isort: split
from lab.runs.folders import folder_of, has_files, has_record, holds_run, is_pattern, locked, make_free, named, plain

# isort: split
from lab.runs.records import (
    COMPLETE,
    DIVERGED,
    INTERRUPTED,
    MEASURES,
    SEARCH,
    TRAINING,
    History,
    Run,
    Search,
    Trial,
    differences,
)
from lab.runs.samples import load_samples, sample_paths, sampled, save_samples

# isort: split
from lab.runs.records import best_first, load, load_ended, load_evaluation, load_search, load_trained, unfinished
from lab.runs.writing import clear, fault_of, read_files, write_files, writing
