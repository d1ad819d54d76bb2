"""What is shown of runs in training, and when they are said to be done: fed with news, on a clock
of its own.
"""

from unittest import mock

import pytest

from lab import runs
from lab.experiments import display
from lab.experiments.pace import Pace, Progress


def history(epoch_seconds, resumed=(), **more):
    about = {
        "status": "complete",
        "total_seconds": sum(epoch_seconds),
        "resumed": list(resumed),
    } | more
    return runs.History(
        **about, epoch_seconds=epoch_seconds, val_accuracy=[0.5] * len(epoch_seconds)
    )


STARTING, COMPILING, EPOCH = 6, 12, 2  # seconds


def estimates(trained, planned):
    """What is said of the seconds left, and what is true, by the second: of ten runs on two
    workers, each compiled first.
    """
    begins = [STARTING + (COMPILING + trained * EPOCH) * (number // 2) for number in range(10)]
    ends = [begin + COMPILING + trained * EPOCH for begin in begins]
    pace, running = Pace({str(number): planned for number in range(10)}, 0), set(range(10))
    for now in range(ends[-1]):
        for number in [number for number in running if ends[number] <= now]:
            running.remove(number)
            pace.end(str(number), history([COMPILING + EPOCH] + [EPOCH] * (trained - 1)))
        seconds = {str(number): now - begins[number] for number in running if begins[number] <= now}
        told = {
            name: Progress(0, float(max(0, passed - COMPILING) // EPOCH))
            for name, passed in seconds.items()
        }
        pace.hear(2, told or {"0": Progress(), "1": Progress()}, now)
        yield now, pace.seconds_left, ends[-1] - now


def test_the_time_left_is_known_from_the_first_epoch_on_though_each_run_is_compiled_first():
    first = STARTING + COMPILING + EPOCH
    for now, said, true in estimates(trained=20, planned=20):
        if now < first:
            assert said is None
        elif now < first + EPOCH:
            assert said >= true  # nobody knows yet what of it was the compiling
        else:
            assert said == pytest.approx(true, rel=0.1, abs=COMPILING)


def test_that_runs_stop_early_is_expected_of_others_too():
    for now, said, true in estimates(trained=10, planned=20):
        if now > STARTING + COMPILING + 10 * EPOCH:
            assert said == pytest.approx(
                true, rel=0.1, abs=COMPILING + 10 * EPOCH
            )  # not of those that are in training


def test_runs_that_end_before_they_tell_count_too_and_failed_ones_do_not_hide_the_rest():
    pace = Pace(dict.fromkeys("abcd", 2), 0)
    pace.hear(2, {}, 0)
    pace.hear(2, {}, 10)
    assert pace.seconds_left is None
    for name in "ab":
        pace.end(name, history([4.0, 1.0]))
    assert pace.done == 4 and pace.seconds_left == pytest.approx(10)
    assert pace.seconds_of(3, 5) == pytest.approx(
        3 * ((20 - 4) / 2 + 5) / 2
    )  # each is compiled, two at a time
    assert pace.seconds_of(1, 5) == pytest.approx((20 - 4) / 2 + 5) and pace.seconds_of(0, 5) == 0
    pace.end("c")
    pace.hear(1, {"d": Progress(1, 1.0)}, 10)  # goes on after a break
    assert pace.done == 7 and pace.seconds_left == pytest.approx(
        (20 - 4) / 3 + 1
    )  # it is compiled first, as each was
    pace.end("d", history([4.0, 1.0], resumed=[1]))
    assert pace.done == pace.total == 8 and pace.seconds_left == 0


@pytest.fixture
def seen(monkeypatch):
    """A display of twelve runs, what it showed last, the lines that it said, and a function that
    sets its clock.
    """
    clock = mock.Mock(return_value=0.0)
    monkeypatch.setattr(display, "time", mock.Mock(monotonic=clock))
    shown, lines = {}, []
    monkeypatch.setattr(
        display.Bar,
        "show",
        lambda bar, *values: shown.update(zip(("done", "state", "left", "runs"), values)),
    )
    monkeypatch.setattr(display.Bar, "say", lambda bar, line: lines.append(line))
    made = display.Display({f"hidden={units}/seed=0": 4 for units in range(1, 13)})

    def at(now, told, count=2):
        clock.return_value = float(now)
        made.running(count, told)
        return shown

    return made, at, lines


def test_each_run_in_training_has_a_line_that_changes(seen):
    made, at, _ = seen
    names = list(made.epochs)
    assert at(1, {})["runs"] == []
    assert at(2, {names[0]: Progress()})["runs"] == ["  0:00:00  1, seed=0  starting TensorFlow"]
    assert at(7, {names[0]: Progress()})["runs"] == ["  0:00:05  1, seed=0  starting TensorFlow"]
    assert at(8, {names[0]: Progress(0, 0.0)})["runs"] == ["  0:00:00  1, seed=0  compiling"]
    shown = at(95, {names[0]: Progress(0, 0.0), names[1]: Progress(2, 2.0)})
    assert shown["runs"] == ["  0:01:27  1, seed=0  compiling", "  0:00:00  2, seed=0  compiling"]
    assert (shown["done"], shown["left"]) == (2, None)
    shown = at(97, {names[0]: Progress(0, 0.5), names[1]: Progress(2, 3.0, 0.98765)})
    assert shown["runs"] == [
        "  0:00:00  1, seed=0  epoch 1/4",
        "  0:00:00  2, seed=0  epoch 4/4  val_accuracy 0.9877",
    ]
    assert shown["done"] == 3.5 and shown["left"] > 0
    assert shown["state"] == "0 of 12 done, 2 running, 0 failed"
    assert at(99, {names[1]: Progress(2, 4.0, 0.5)})["runs"] == [
        "  0:00:02  2, seed=0  epoch 4/4  val_accuracy 0.5000"
    ]


def test_of_many_runs_some_are_shown(seen):
    made, at, _ = seen
    shown = at(5, {name: Progress(0, 1.0) for name in made.epochs}, count=12)["runs"]
    assert len(shown) == 9 and shown[-1] == "  and 4 more"


def test_without_a_terminal_a_line_a_minute_shows_life(seen):
    made, at, lines = seen
    names = list(made.epochs)
    for now in range(0, 130):
        at(now, {names[0]: Progress(0, 0.0)})
    assert lines == ["0 of 12 done, 2 running, 0 failed; 0.0 of 48 epochs"] * 2
    made.failed += 1
    made.say("a run ended")
    for now in range(130, 191):
        at(now, {names[0]: Progress(0, float(now >= 140) + float(now >= 150))})
    assert lines[-2] == "a run ended" and len(lines) == 4
    assert lines[-1].startswith(
        "0 of 12 done, 2 running, 1 failed; 2.0 of 48 epochs, 0:"
    ) and lines[-1].endswith(" left")
