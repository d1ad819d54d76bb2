"""What holds of any settings and of any JSON: found by Hypothesis, the same examples at each
run.
"""

import json
import shlex
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab import cli, runs
from lab.runs import records
from lab.settings import FLAGS, Settings, UserError, as_flags, kinds, parse
from tests.conftest import ROOT

few = settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
EARLIER = ROOT / "tests" / "earlier"


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, "\ud800", 1e308, -1])
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def values_of(kind):
    """Any value of the type of a setting."""
    plain = kinds.plain(kind)
    choice = [part for part in getattr(kind, "__metadata__", ()) if isinstance(part, kinds.Choice)]
    if choice:
        return st.sampled_from(
            [*choice[0].names, "own.py:net" if kind == kinds.Net else "my own/data.npz"]
        )
    if get_origin(plain) is tuple:
        inner = [values_of(one) for one in get_args(plain) if one is not ...]
        return (
            st.tuples(*inner)
            if len(inner) > 1
            else st.lists(*inner, min_size=1, max_size=4).map(tuple)
        )
    bounds = [
        bound
        for part in getattr(kind, "__metadata__", ())
        for bound in getattr(part, "metadata", ())
    ]
    return st.from_type(Annotated[(plain, *bounds)] if bounds else plain)


TYPES = get_type_hints(Settings, include_extras=True)
VALUES = {name: values_of(kinds.required(TYPES[name])) for name in FLAGS}


@st.composite
def some_settings(draw):
    """Settings with any choice of what is for their network, as far as the choices go together."""
    net = draw(VALUES["net"])
    able = [name for name, flag in FLAGS.items() if flag.is_for(net) and name != "net"]
    chosen = draw(
        st.fixed_dictionaries({"net": st.just(net)}, optional={name: VALUES[name] for name in able})
    )
    try:
        return Settings(**chosen)
    except UserError as error:
        assert "\n" not in str(error)
        return Settings(net=net)


@few
@given(some_settings())
def test_settings_survive_json_and_flags(one):
    assert Settings(**json.loads(json.dumps(one.to_json()))) == one
    parser = cli.Parser("settings")
    cli.add_setting_flags(parser)
    again = cli.settings_of(parser.parse_args(shlex.split(as_flags(one.unusual()))))
    assert again == one and as_flags(again.unusual()) == as_flags(one.unusual())


@few
@given(st.dictionaries(st.sampled_from([*FLAGS, "colour", "self"]), leaves, max_size=3))
def test_settings_of_anything_are_settings_or_a_users_error(chosen):
    try:
        assert isinstance(Settings(**chosen), Settings)
    except UserError as error:
        assert len(str(error)) < 3000


@few
@given(st.sampled_from([*FLAGS]), st.text())
def test_text_of_anything_is_a_value_or_a_users_error(name, text):
    try:
        value = parse(name, text)
    except UserError as error:
        assert len(str(error)) < 3000
    else:
        assert parse(name, kinds.text(value)) == value


def places_of(node, above=()):
    """The path to everything in a value of JSON."""
    yield above
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in items:
        yield from places_of(value, (*above, key))


def replaced(node, place, value):
    """A value of JSON with another one at a place."""
    if not place:
        return value
    copy = node.copy()
    copy[place[0]] = replaced(node[place[0]], place[1:], value)
    return copy


SEARCH = {"unit_budget": 200, "target_accuracy": None, "importances": {"dropout": 0.5}}
SEARCH["trials"] = [
    {"number": 0, "accuracy": 0.9, "parameters": 500, "whole": True, "reached": True}
]
FILES = {
    "config.json": json.loads((EARLIER / "gans/seed=0/config.json").read_text()),
    "history.json": json.loads((EARLIER / "gans/seed=0/history.json").read_text()),
    "evaluation.json": json.loads((EARLIER / "ring/evaluation.json").read_text()),
    "search.json": SEARCH,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("properties")


@pytest.mark.parametrize("file", FILES)
def test_any_json_in_place_of_any_field_is_refused_in_a_line_or_can_be_shown(file, folder):
    places = [*places_of(FILES[file])]

    @few
    @given(st.sampled_from(places), values)
    def check(place, value):
        for name, content in FILES.items():
            (folder / name).write_text(
                json.dumps(replaced(content, place, value) if name == file else content)
            )
        try:
            run, search = runs.load(folder), runs.load_search(folder)
            evaluation = runs.load_evaluation(folder)
        except UserError as error:
            assert file in str(error) and "\n" not in str(error)
        else:
            assert isinstance(run.settings, Settings) and isinstance(search, records.Search)
            shown = repr((run.record, run.history, evaluation, search))
            assert "\ud800" not in shown and run.settings.describe() and run.history.final

    check()
