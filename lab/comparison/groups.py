"""Runs that differ in their seed only, as one: what each reached and took."""

import itertools
import re
import statistics
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lab import runs
from lab.comparison.naming import with_names
from lab.io.words import visible
from lab.metrics import intervals
from lab.metrics.collapse import meaningless
from lab.metrics.table import EVALUATION, HISTORY, LEVELS, chosen
from lab.settings import UserError

CLASSIFIERS, GANS = "classifiers", "gans"  # the kinds of runs


class Group(NamedTuple):
    """Runs that differ in their seed only: one line of a table, one colour of a figure."""

    name: str  # by what differs, as `naming.with_names` gives it
    path: str  # of its folder, within the results folder
    folder: Path
    runs: list  # of Run
    evaluations: list  # of GANs: by run, what `runs.load_evaluation` gives; else empty dicts
    measures: dict  # as `measure` gives it
    run: str = ""  # its name, or that of its sweep, where there are several

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
        return any(run.history.status == runs.INTERRUPTED for run in self.runs)

    @property
    def epochs_trained(self):
        """As text: "10", of repeats "8 10", of what was interrupted "3 of 30"."""
        trained = " ".join(dict.fromkeys(str(run.history.epochs) for run in self.runs))
        return f"{trained} of {self.settings.epochs}" if self.is_interrupted else trained

    @property
    def interrupted(self):
        """How far its runs got, if they were interrupted: "3 of 30 epochs"; else an empty text."""
        return f"{self.epochs_trained} epochs" if self.is_interrupted else ""

    def curves(self):
        """Learning curves of the repeats: as `intervals.curves`."""
        return intervals.curves([run.history.curves for run in self.runs])


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
    gathered, notes = {}, []
    for run in loaded:
        status = run.history.status
        if status in (runs.TRAINING, runs.DIVERGED):
            state = "is not finished" if status == runs.TRAINING else "diverged"
            notes.append(f"{run.folder} {state}: left out. {run.to_resume}".rstrip())
            continue
        notes += run.breaks
        gathered.setdefault(top_of(run.folder, results_dir), []).append(run)
    if not gathered:
        raise UserError(
            f"none of these runs is finished: there is nothing to compare ({' '.join(notes)})"
        )
    if len({members[0].settings.is_gan for members in gathered.values()}) > 1:
        raise UserError("GANs and classifiers have no measure in common: name runs of one kind")
    groups = [
        _as_repeats(top, _whole(members, notes), results_dir) for top, members in gathered.items()
    ]
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
    finished = {run.settings.is_gan for run in loaded if that_count([run])}
    if len(finished) < 2:
        return {GANS if True in finished else CLASSIFIERS: loaded}
    kinds = {CLASSIFIERS: [], GANS: []}
    for run in loaded:
        kinds[GANS if run.settings.is_gan else CLASSIFIERS].append(run)
    return kinds


def by_settings(several, of=lambda group: group):
    """Groups, or what is ``of`` a group each, by their experiments as they come; the trials of a
    search by their numbers, others by their settings.
    """
    places = {
        name: place
        for place, name in enumerate(dict.fromkeys(experiment_of(of(one).path) for one in several))
    }

    def key(one):
        group = of(one)
        trial = re.search(r"trial=(\d{1,9})(/|$)", group.path)
        return (
            places[experiment_of(group.path)],
            int(trial[1]) if trial else -1,
            _order(group.settings),
        )

    return sorted(several, key=key)


def experiment_of(path):
    """What runs of one sweep, search or set of repeats have in common of their paths within the
    results folder, "." if nothing.
    """
    return "/".join(itertools.takewhile(lambda part: "=" not in part, path.split("/"))) or "."


def top_of(folder, results_dir):
    """The folder that a run's repeats have in common; its own, if it has none."""
    return (
        folder.parent
        if folder.name.startswith("seed=") and folder.parent != Path(results_dir)
        else folder
    )


def _whole(members, notes):
    """Repeats without those that were interrupted, if there are others; a note is added of each."""
    kept = that_count(members)
    for run in members:
        if run.history.status == runs.INTERRUPTED:
            left_out = "" if run in kept else ": left out"
            interrupted = f"was interrupted after {run.history.epochs} epochs{left_out}"
            notes.append(f"{run.folder} {interrupted}. {run.to_resume}".rstrip())
    return kept


def that_count(members):
    """Those of some repeats that a mean is of: the complete ones or, where there are none, those
    that were interrupted.
    """
    of = {
        status: [run for run in members if run.history.status == status]
        for status in (runs.COMPLETE, runs.INTERRUPTED)
    }
    return of[runs.COMPLETE] or of[runs.INTERRUPTED]


def _as_repeats(top, members, results_dir):
    """One group of those that lie beside each other; UserError if they differ in more than their
    seed.
    """
    check_alike(top, members)
    return group_of(top, members, [evaluation_of(run) for run in members], results_dir)


def check_alike(top, members):
    """Raise UserError if runs that lie beside each other differ in more than their seed."""
    for other in members[1:]:
        different = runs.differences([members[0], other])
        if different:
            raise UserError(
                f"the runs in {top} differ in more than their seed ({', '.join(different)}): no mean can be taken"
            )


def evaluation_of(run):
    """What `runs.load_evaluation` gives of a GAN; of a classifier, nothing that a comparison would
    want to know.
    """
    return runs.load_evaluation(run.folder) if run.settings.is_gan else {}


def group_of(top, members, evaluations, results_dir):
    """A `Group` of runs that lie in or below a folder."""
    path = visible(top.relative_to(results_dir).as_posix())
    return Group(path, path, top, members, evaluations, measure(members, evaluations))


def measure(members, evaluations):
    """What each of some repeats reached and took.

    Parameters
    ----------
    members : list of Run
    evaluations : list of dict
        By run.

    Returns
    -------
    dict of str to float array, shape (runs,)
        The history's metrics in the epoch whose weights were saved; "epoch_seconds", the
        median after the first epoch; "first_epoch_seconds", only of the runs that did not use what
        an earlier one of their process had compiled; "epochs_to_0.95" and so on, of the validation
        accuracy, as `intervals.epochs_until`. Of GANs, in their place, what is
        known of every run.
    """
    of_gans, kind = members[0].settings.is_gan, members[0].settings.kind.name
    measures = {
        name: [run.history.final[name] for run in members] for name in chosen(kind, source=HISTORY)
    }
    histories = [run.history for run in members]
    measures["epoch_seconds"] = [
        statistics.median(one.steady_seconds or one.epoch_seconds) for one in histories
    ]
    compiled = [one for one in histories if one.compiled] or histories
    measures["first_epoch_seconds"] = [one.epoch_seconds[0] for one in compiled]
    if of_gans:
        known = [one | dict.fromkeys(meaningless(one)) for one in evaluations]
        measures |= {name: [one.get(name) for one in known] for name in chosen(source=EVALUATION)}
    else:
        curves = [np.array(run.history.curves["val_accuracy"], float) for run in members]
        measures |= {
            name: [intervals.epochs_until(one, level) for one in curves]
            for name, level in LEVELS.items()
        }
    return {name: np.array(values, float) for name, values in measures.items()}


def of_real_data(groups, name="of_data"):
    """What evaluations say of real data under this name, if all GANs were held against the same:
    dict of str to float, NaN for what is unknown; else empty.
    """
    known = [one.get(name, {}) for group in groups for one in group.evaluations]
    several = [{key: np.array(value, float) for key, value in one.items()} for one in known]
    alike = [
        [*one] == [*several[0]]
        and np.allclose([*one.values()], [*several[0].values()], equal_nan=True)
        for one in several
    ]
    return several[0] if all(alike) else {}


def have_one_accuracy(groups):
    """Whether their validation accuracies can be compared: of classifiers, on the same images."""
    return (
        not groups[0].settings.is_gan
        and len({group.record.dataset.sha256 for group in groups}) == 1
    )


def _order(settings):
    return [(value is not None, value) for _, value in settings]
