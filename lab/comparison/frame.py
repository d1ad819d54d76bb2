"""Many runs as one pandas frame, a row a run; and its groups, runs that differ in their seed
only.
"""

import itertools
import re
import statistics
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas

from lab import runs
from lab.comparison.naming import UNNAMED, Naming, with_names
from lab.io.words import visible
from lab.metrics import intervals
from lab.metrics.collapse import meaningless
from lab.metrics.table import EVALUATION, LEVELS, chosen, measured
from lab.settings import KINDS, UserError

CLASSIFIERS, GANS = (kind.plural.lower() for kind in KINDS)


def frame_of(several):
    """Runs as a frame.

    Parameters
    ----------
    several : iterable of (Run, dict)
        Each with what `evaluation_of` gives of it.

    Returns
    -------
    pandas.DataFrame
        A row a run, in the order of table.csv: its settings, typed; "parameters"; the metrics of
        its kind; "status", "epochs_trained", "device_name", "data_sha256"; and behind them "run"
        and "evaluation". A setting that is called as a metric is, a GAN's precision, has
        "_setting" behind its name.
    """
    return pandas.DataFrame([_row(*one) for one in several], dtype=object)


def _row(run, evaluation):
    history, names = run.history, measured(run.settings.kind.name)
    row = {}
    for name, value in run.settings:
        if name not in ("seed", "source"):
            row[f"{name}_setting" if name in names else name] = value
    row["parameters"] = run.record.parameters
    # What it reached in the epoch whose weights were saved, and took.
    known = evaluation | dict.fromkeys(meaningless(evaluation)) | history.final
    known["epoch_seconds"] = statistics.median(history.steady_seconds or history.epoch_seconds)
    known["first_epoch_seconds"] = history.epoch_seconds[0]
    for name, level in LEVELS.items():
        known[name] = intervals.epochs_until(history.curves.get("val_accuracy", ()), level)
    row |= {name: known.get(name) for name in names}
    return row | {
        "status": history.status,
        "epochs_trained": history.epochs,
        "device_name": history.device,
        "data_sha256": run.record.dataset.sha256,
        "run": run,
        "evaluation": evaluation,
    }


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that differ in their seed only: one line of a table, one colour of a figure."""

    rows: pandas.DataFrame  # of the frame
    folder: Path
    path: str  # of the folder, within the results folder
    name: str  # by what differs, as `with_names` gives it
    run: str = ""  # its name, or that of its sweep, where there are several
    setting: dict = field(default_factory=dict)  # what differs and is not usual, as flags have it
    naming: Naming = UNNAMED  # of all groups that it is compared with

    @cached_property
    def runs(self):
        return [*self.rows["run"]]

    @cached_property
    def evaluations(self):
        """Of GANs, by run, what `runs.load_evaluation` gives; else empty dicts."""
        return [*self.rows["evaluation"]]

    @cached_property
    def measures(self):
        """Every metric that its kind has: dict of str to float array, shape (runs,).

        The first epoch's seconds are only of the runs that did not use what an earlier one of their
        process had compiled.
        """
        names = measured(self.settings.kind.name)
        measures = {name: self.rows[name].to_numpy(float) for name in names}
        compiled = [run.history.compiled for run in self.runs]
        if any(compiled):
            measures["first_epoch_seconds"] = measures["first_epoch_seconds"][compiled]
        return measures

    @property
    def settings(self):
        return self.runs[0].settings

    @property
    def record(self):
        return self.runs[0].record

    @property
    def device(self):
        return self.runs[0].history.device

    @property
    def seeds(self):
        return [run.settings.seed for run in self.runs]

    @property
    def is_interrupted(self):
        return runs.INTERRUPTED in [*self.rows["status"]]

    @property
    def epochs_trained(self):
        """As text: "10", of repeats "8 10", of what was interrupted "3 of 30"."""
        trained = " ".join(map(str, self.rows["epochs_trained"].unique()))
        return f"{trained} of {self.settings.epochs}" if self.is_interrupted else trained

    @property
    def interrupted(self):
        """How far its runs got, if they were interrupted: "3 of 30 epochs"; else an empty text."""
        return f"{self.epochs_trained} epochs" if self.is_interrupted else ""

    def curves(self):
        """Learning curves of the repeats: as `intervals.curves`."""
        return intervals.curves([run.history.curves for run in self.runs])


def group_of(rows, folder, results_dir):
    """The `Group` of these rows of a frame, of runs that lie in or below a folder."""
    path = visible(folder.relative_to(results_dir).as_posix())
    return Group(rows, folder, path, path)


def collect(results_dir, folders):
    """Gather runs into groups: what lies in folders ``seed=...`` beside each other are repeats.

    Parameters
    ----------
    results_dir : path
    folders : list of Path
        Of runs, as `runs.named` gives them.

    Returns
    -------
    groups : list of Group
        Those of a sweep in the order of their settings.
    notes : list of str
        About runs that are left out or were interrupted.

    Raises
    ------
    UserError
        If a file is broken, or nothing is left.
    """
    return gather(results_dir, map(runs.load, folders))


def gather(results_dir, loaded):
    """As `collect`, of runs that are read already: iterable of Run."""
    kinds, by_top, notes = set(), {}, []
    for run in loaded:
        if that_count([run]):
            kinds.add(kind_of(run))
            notes += run.breaks
            by_top.setdefault(top_of(run.folder, results_dir), []).append(run)
        else:
            state = "diverged" if run.history.status == runs.DIVERGED else "is not finished"
            notes.append(f"{run.folder} {state}: left out. {run.to_resume}".rstrip())
    if not by_top:
        raise UserError(
            f"none of these runs is finished: there is nothing to compare ({' '.join(notes)})"
        )
    if len(kinds) > 1:
        raise UserError("GANs and classifiers have no measure in common: name runs of one kind")
    kept = []
    for top, members in by_top.items():
        whole = that_count(members)
        for run in members:
            if run.history.status == runs.INTERRUPTED:
                left_out = "" if run in whole else ": left out"
                interrupted = f"was interrupted after {run.history.epochs} epochs{left_out}"
                notes.append(f"{run.folder} {interrupted}. {run.to_resume}".rstrip())
        check_alike(top, whole)
        kept += whole
    frame = frame_of((run, evaluation_of(run)) for run in kept)
    tops = frame["run"].map(lambda run: top_of(run.folder, results_dir))
    groups = [group_of(rows, top, results_dir) for top, rows in frame.groupby(tops, sort=False)]
    return with_names(by_settings(groups)), notes


def by_kind(folders):
    """Read runs, classifiers and GANs apart, which are compared one kind after the other.

    Parameters
    ----------
    folders : list of Path

    Returns
    -------
    dict of str to list of Run
        By `CLASSIFIERS` and `GANS`, or only one of them. An unfinished run makes no kind of its
        own.
    """
    loaded = [runs.load(folder) for folder in folders]
    kinds = {}
    for kind in (CLASSIFIERS, GANS):
        members = [run for run in loaded if kind_of(run) == kind]
        if that_count(members):
            kinds[kind] = members
    return kinds if len(kinds) > 1 else {next(iter(kinds), CLASSIFIERS): loaded}


def kind_of(run):
    """`CLASSIFIERS` or `GANS`; of a `Run` or a `Group`."""
    return run.settings.kind.plural.lower()


def by_settings(several, of=lambda group: group):
    """Groups, or what is ``of`` a group each, by their experiments as they come; the trials of a
    search by their numbers, others by their settings.
    """
    experiments = [experiment_of(of(one).path) for one in several]

    def key(one):
        group = of(one)
        trial = re.search(r"trial=(\d{1,9})(/|$)", group.path)
        number = int(trial[1]) if trial else -1
        settings = [(value is not None, value) for _, value in group.settings]
        return experiments.index(experiment_of(group.path)), number, settings

    return sorted(several, key=key)


def experiment_of(path):
    """What runs of one sweep, search or set of repeats have in common of their paths within the
    results folder, "." if nothing.
    """
    return "/".join(itertools.takewhile(lambda part: "=" not in part, path.split("/"))) or "."


def top_of(folder, results_dir):
    """The folder that a run's repeats have in common; its own, if it has none."""
    is_repeat = folder.name.startswith("seed=") and folder.parent != Path(results_dir)
    return folder.parent if is_repeat else folder


def that_count(members):
    """Those of some repeats that a mean is of: the complete ones or, where there are none, those
    that were interrupted.
    """
    for status in (runs.COMPLETE, runs.INTERRUPTED):
        if several := [run for run in members if run.history.status == status]:
            return several
    return []


def check_alike(top, members):
    """Raise UserError if runs that lie beside each other differ in more than their seed."""
    for other in members[1:]:
        different = runs.differences([members[0], other])
        if different:
            raise UserError(
                f"the runs in {top} differ in more than their seed ({', '.join(different)}): "
                "no mean can be taken"
            )


def evaluation_of(run):
    """What evaluate.py found out of a run that a comparison wants to know: of a GAN, as
    `runs.load_evaluation`; of a classifier, nothing.
    """
    has_measures = chosen(run.settings.kind.name, source=EVALUATION)
    return runs.load_evaluation(run.folder) if has_measures else {}


def of_real_data(groups, name="of_data"):
    """What evaluations say of real data under this name, if all GANs were held against the same:
    dict of str to float, NaN for what is unknown; else empty.
    """
    several = [
        pandas.Series(evaluation.get(name, {}), dtype=float)
        for group in groups
        for evaluation in group.evaluations
    ]
    first, *others = several
    for one in others:
        if not one.index.equals(first.index) or not np.allclose(one, first, equal_nan=True):
            return {}
    return first.to_dict()


def have_one_accuracy(groups):
    """Whether their validation accuracies can be compared: of classifiers, on the same images."""
    hashes = {group.record.dataset.sha256 for group in groups}
    return "val_accuracy" in groups[0].measures and len(hashes) == 1
