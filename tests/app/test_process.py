"""Children that answer questions: one after another, replaced where they break down, gone with their parent."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from workbench.app.errors import Fault
from workbench.app.process import Answering, Child, ChildEnded
from workbench.errors import InputError, SettingsError


@pytest.fixture
def answering() -> Iterator[Answering]:
    answering = Answering(lambda: Child("tests.answering"))
    yield answering
    answering.close()


def test_a_child_answers_one_question_after_another(answering):
    first, second = (answering.ask("echo", timeout=30, text=text) for text in ("a", "ü\n{}"))
    assert (first["text"], second["text"]) == ("a", "ü\n{}")
    assert first["pid"] == second["pid"] != os.getpid()
    with pytest.raises(SettingsError, match="too dark"):
        answering.ask("refuse", timeout=30)


@pytest.mark.parametrize(("word", "said"), [("crash", "exit code -11"), ("hang", "no answer within 0.2 seconds")])
def test_a_child_that_breaks_down_or_hangs_is_replaced(answering, word, said):
    before = answering.ask("echo", timeout=30)["pid"]
    patience = 0.2 if word == "hang" else 30
    with pytest.raises(InputError, match=f"{said}.*may be damaged"):
        answering.ask(word, timeout=patience, path="holiday.mp4")
    answering.ask("echo", timeout=30)
    with pytest.raises(Fault, match=f"a fault of the workbench: .*{said}"):
        answering.ask(word, timeout=patience)
    after = answering.ask("echo", timeout=30)["pid"]
    assert after != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_an_error_of_ours_is_never_blamed_on_the_file(answering):
    for word, said in (("err", "KeyError"), ("end", "exit code 1")):
        with pytest.raises(Fault, match=said) as told:
            answering.ask(word, timeout=30, path="holiday.mp4")
        assert "damaged" not in str(told.value)


def test_a_child_ends_with_its_standard_input():
    child = Child("tests.answering")
    child.tell({"do": "echo"})
    assert "ok" in child.hear(30)
    child.release()
    assert child.wait(30) == 0
    with pytest.raises(ChildEnded):
        child.tell({"do": "echo"})
