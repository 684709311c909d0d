"""The controls that forms are made from: one for each setting, with what it may be."""

from __future__ import annotations

from dataclasses import fields

import pytest

from workbench.pipeline.controls import controls, groups
from workbench.pipeline.settings import Settings


def test_every_setting_has_exactly_one_control_with_help() -> None:
    assert [control.name for control in controls()] == [known.name for known in fields(Settings)]
    assert sorted(c.name for members in groups().values() for c in members) == sorted(c.name for c in controls())
    assert all(control.help and control.label for control in controls())


def test_a_control_knows_its_kind_and_limits() -> None:
    named = {control.name: control for control in controls()}
    assert (named["steps"].kind, named["steps"].low, named["steps"].high) == ("whole", 1, 1000)
    assert (named["artg"].kind, named["artg"].high, named["artg"].label) == ("scale", 2.0, "ARTG")
    assert (named["tpm"].kind, named["tpm"].default) == ("switch", True)
    assert named["flow"].kind == "choice"
    assert "dis" in named["flow"].choices


@pytest.mark.parametrize("control", controls(), ids=lambda control: control.name)
def test_what_a_control_offers_is_a_setting(control) -> None:
    offered = {
        "switch": (True, False),
        "whole": (control.low, control.high),
        "scale": (control.low, control.high),
        "choice": control.choices,
    }
    for value in (control.default, *offered[control.kind]):
        assert getattr(Settings(**{control.name: value}), control.name) == value
