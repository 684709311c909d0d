"""Settings: one frozen value that says no in words."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import SettingsError
from workbench.flow.table import ESTIMATORS
from workbench.pipeline.settings import Settings, parse_setting, word

valid = st.builds(
    Settings,
    steps=st.integers(1, 1000),
    seed=st.integers(0, 2**63 - 1),
    artg=st.floats(0, 2) | st.booleans(),
    tpm=st.booleans(),
    flow=st.sampled_from(("auto", *ESTIMATORS)),
    flow_size=st.sampled_from(["auto", "output", "input"]),
    reuse_residuals=st.booleans(),
    reuse_deep_features=st.booleans(),
    attention_slicing=st.booleans(),
    vae_slicing=st.booleans(),
)


@given(valid)
def test_json_gives_the_same_settings_back(settings):
    assert Settings.from_json(settings.to_json()) == settings


@given(valid, valid)
def test_diff_names_exactly_what_but_must_change(a, b):
    assert a.but(**{name: theirs for name, (_, theirs) in a.diff(b).items()}) == b
    assert not a.diff(a)


def test_on_and_off_are_scales_of_artg():
    assert Settings(artg=True).artg == 1.0
    assert Settings(artg=False).artg == 0.0
    assert isinstance(Settings(artg=1).artg, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be a whole number from 1 to 1000, got 0"),
        ({"steps": 4.0}, "got 4.0"),
        ({"steps": True}, "got True"),
        ({"seed": -1}, "seed must be"),
        ({"artg": 2.1}, "artg must be a number from 0 to 2"),
        ({"artg": float("nan")}, "got nan"),
        ({"tpm": 1}, "tpm must be True or False, got 1"),
        ({"flow": "no such estimator"}, "flow must be one of auto, raft-large"),
        ({"flow_size": None}, "flow_size must be one of"),
    ],
)
def test_out_of_range_says_what_was_expected_and_what_came(change, message):
    with pytest.raises(SettingsError, match=message):
        Settings().but(**change)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(SettingsError, match=r"no setting 'step'\. Did you mean 'steps'"):
        Settings().but(step=3)
    with pytest.raises(SettingsError, match="no setting 'colour'"):
        Settings.from_dict({"colour": "red"})


@pytest.mark.parametrize("text", ["", "nope", "[1]", "3"])
def test_json_that_is_no_object_is_refused(text):
    with pytest.raises(SettingsError, match="JSON object"):
        Settings.from_json(text)


def test_settings_are_frozen_and_keyword_only():
    with pytest.raises(FrozenInstanceError):
        Settings().steps = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        Settings(4)  # type: ignore[misc]


def test_every_setting_can_be_put_in_a_form():
    for known in fields(Settings):
        assert known.metadata["help"]
        assert known.metadata["group"] in ("quality", "temporal", "approximation", "memory")
        assert isinstance(known.default, bool | str) or {"low", "high"} <= known.metadata.keys()
    json.dumps(Settings().to_dict())


def test_changes_are_written_as_people_type_them() -> None:
    base = Settings()
    assert base.but(tpm=False, artg=0.5, flow="dis").changes() == "artg=0.5, tpm=off, flow=dis"
    assert base.changes() == ""
    assert base.changes(base.but(steps=2)) == "steps=4"


@given(valid)
def test_a_setting_written_as_a_word_is_read_back(chosen: Settings) -> None:
    for name, value in chosen.to_dict().items():
        assert parse_setting(name, word(value)) == (pytest.approx(value, rel=1e-5) if name == "artg" else value)


@pytest.mark.parametrize(("name", "text"), [("tpm", "perhaps"), ("steps", "2.5"), ("artg", "much")])
def test_text_that_is_no_value_says_what_is(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be (on or off|a number), got '{text}'"):
        parse_setting(name, text)
