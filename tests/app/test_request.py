"""Requests: JSON and back, nothing unknown, nothing that could become a path; and how a server is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workbench.app import serve
from workbench.app.errors import AppError, LimitError, RequestError
from workbench.app.kinds import KINDS
from workbench.app.limits import Limits
from workbench.app.models import MODELS, OWN_MODELS, PUBLISHED
from workbench.app.request import Request, check_token
from workbench.app.serve import data_folder, options_from
from workbench.app.status import Status
from workbench.app.values import Probe
from workbench.errors import SettingsError
from workbench.models.hub import SHIPPED
from workbench.pipeline.settings import Settings

TOKEN = "abcdefghijklmnopqrst_-"
OTHER = "ABCDEFGHIJKLMNOPQRST01"

some_settings = st.builds(Settings, steps=st.integers(1, 9), artg=st.floats(0, 2), tpm=st.booleans())
others = st.one_of(some_settings, st.sampled_from(["bicubic", "lanczos", f"material:{OTHER}"]))


@given(
    kind=st.sampled_from([kind for kind in KINDS if kind != "compare"]),
    settings=some_settings,
    frames=st.none() | st.integers(1, 99),
    model=st.sampled_from(["", PUBLISHED]),
    device=st.sampled_from(["auto", "cpu", "cuda:1", "mps"]),
    lossless=st.booleans(),
)
def test_a_request_survives_json(**values):
    request = Request(source=TOKEN, **values)
    assert Request.from_json(request.to_json()) == request


def test_what_was_asked_is_said_in_words():
    request = Request(kind="upscale", source=TOKEN, settings=Settings(tpm=False), start=10, frames=24, height=1080)
    assert request.in_words() == "frames 10 to 33, tpm=off, 1080p"
    assert Request(kind="upscale", source=TOKEN).in_words() == ""


@given(settings=some_settings, other=others, truth=st.booleans())
def test_a_comparison_survives_json(settings, other, truth):
    assume(settings != other)
    request = Request(kind="compare", source=TOKEN, settings=settings, others=(other,), truth=truth)
    back = Request.from_json(request.to_json())
    assert back == request
    assert back.materials == ((OTHER,) if other == f"material:{OTHER}" else ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "paint"}, "kind must be one of upscale, compare"),
        ({"source": None}, "needs a clip"),
        ({"source": "../../../etc/passwd"}, "source must be the 22 letters"),
        ({"source": TOKEN + "/"}, "source must be the 22 letters"),
        ({"source": TOKEN + "\n"}, "source must be the 22 letters"),
        ({"source": 3}, "source must be the 22 letters"),
        ({"model": None}, "model must be"),
        ({"device": "cuda:0; ls"}, "device must be auto"),
        ({"device": "/dev/null"}, "device must be auto"),
        ({"dtype": "int8"}, "dtype must be one of auto, fp32"),
        ({"engine": "tensorflow"}, "engine must be one of auto, torch"),
        ({"frames": 0}, "frames must be a whole number"),
        ({"frames": 1.5}, "frames must be a whole number"),
        ({"frames": True}, "frames must be a whole number"),
        ({"lossless": 1}, "lossless must be true or false"),
        ({"others": ["bicubic"]}, "a comparison needs one, and no other job"),
        ({"kind": "compare", "others": [{}]}, "the same as yours"),
        ({"kind": "compare", "others": ["embedded"]}, "under the usual settings is yours already"),
        ({"kind": "compare", "others": ["bicubic", "bicubic"]}, "two of the others are the same"),
        ({"kind": "compare", "others": [{"seed": k} for k in range(1, 7)]}, "up to 4 others; got 6"),
        ({"kind": "inside", "scale": 2.0}, "an output's size belongs to upscaling"),
        ({"start": -1}, "start must be a whole number from 0 on"),
        ({"kind": "compare"}, "a comparison needs one, and no other job"),
        ({"kind": "compare", "others": ["nearest"]}, "bicubic, lanczos, .* or material:TOKEN"),
        ({"kind": "compare", "others": ["material:../x"]}, "others must be the 22 letters"),
        ({"kind": "compare", "others": "bicubic"}, "must be a list"),
        ({"truth": True}, "truth belongs to a comparison"),
        ({"settings": [1]}, "settings must be Settings"),
        ({"lossles": True}, "Did you mean 'lossless'"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, said):
    values = {"kind": "upscale", "source": TOKEN, **changes}
    with pytest.raises(RequestError, match=said):
        Request.from_json(json.dumps(values))


def test_wrong_settings_and_wrong_json_are_refused():
    with pytest.raises(SettingsError, match="steps must be a whole number"):
        Request.from_dict({"kind": "upscale", "source": TOKEN, "settings": {"steps": 0}})
    with pytest.raises(SettingsError, match="no setting 'step'"):
        Request.from_dict({"kind": "upscale", "source": TOKEN, "settings": {"step": 1}})
    for text in ("{", "[]", "null", '{"source": "x"}'):
        with pytest.raises(RequestError):
            Request.from_json(text)


@given(st.text(max_size=40))
def test_only_tokens_are_tokens(text):
    fits = len(text) == 22 and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in text)
    if fits:
        assert check_token(text) == text
    else:
        with pytest.raises(RequestError):
            check_token(text)


def test_a_status_is_written_whole_and_read_back(tmp_path):
    status = Status(kind="inside", state="running", done=3, total=8, files={"trace": "trace.safetensors"}, live=2)
    status.write(tmp_path / "status.json")
    assert Status.read(tmp_path / "status.json") == status
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]
    later = {**status.to_dict(), "of a later version": 1}
    assert Status.from_dict(later) == status


CLIP = Probe(width=320, height=180, frames=100, seconds=4.0)


@pytest.mark.parametrize(
    ("probe", "frames", "said"),
    [
        ({"width": 4000}, None, "4000x180"),
        ({"frames": 5000}, None, "5000 frames are more than the 300"),
        ({"frames": 5000}, 301, "301 frames are more than the 300"),
        ({"seconds": 99.0}, None, "99 seconds are longer than the 10"),
    ],
)
def test_limits_say_what_to_do(probe, frames, said):
    limits = Limits(pixels=640 * 360, frames=300, seconds=10)
    with pytest.raises(LimitError, match=said):
        limits.check_clip(CLIP.but(**probe), 0, frames)


def test_the_first_frames_of_a_long_clip_are_within_the_limits():
    limits = Limits(pixels=640 * 360, frames=300, seconds=10)
    limits.check_clip(CLIP)
    limits.check_clip(CLIP.but(frames=5000, seconds=200.0), 0, 100)
    limits.check_clip(CLIP.but(frames=5000, seconds=200.0), 4900)
    with pytest.raises(RequestError, match="past the end of the clip, whose last one is 99"):
        limits.check_clip(CLIP, 100)
    limits.check_size(200_000_000)
    with pytest.raises(LimitError, match="201 MB, and this server takes up to 200 MB"):
        limits.check_size(201_000_000)


def test_the_command_line_goes_before_the_environment():
    plain = options_from([], {})
    assert (plain.host, plain.port, plain.model, plain.any_model) == ("127.0.0.1", None, "", False)
    assert plain.models == tuple(MODELS)
    assert set(SHIPPED) == set(OWN_MODELS)
    environment = {
        "PORT": "8001",
        "GRADIO_SERVER_PORT": "8002",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SHARE": "True",
        "GRADIO_ROOT_PATH": "/diffvsr",
        "STREAM_DIFFVSR_MODEL_ID": "someone/model",
    }
    from_there = options_from([], environment)
    assert (from_there.host, from_there.port, from_there.share) == ("0.0.0.0", 8001, True)
    assert (from_there.root_path, from_there.model) == ("/diffvsr", "someone/model")
    assert from_there.models == ("someone/model", *MODELS)
    words = ["--host", "::1", "--port", "8003", "--model", "embedded", "--root-path", "/x", "--auth", "me:se:cret"]
    given_words = options_from([*words, "--queue", "2", "--keep-hours", "0.5", "--data", "there"], environment)
    assert (given_words.host, given_words.port, given_words.model) == ("::1", 8003, "")
    assert (given_words.auth, given_words.root_path) == (("me", "se:cret"), "/x")
    assert (given_words.limits.waiting, given_words.keep_hours, given_words.data) == (2, 0.5, Path("there"))


def test_mcp_without_its_package_is_refused(monkeypatch):
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    assert not options_from([], {}).mcp
    with pytest.raises(AppError, match=r"pip install 'gradio\[mcp\]'"):
        options_from(["--mcp"], {})
    monkeypatch.setattr(serve, "find_spec", lambda name: object())
    assert options_from(["--mcp"], {}).mcp


def test_a_model_folder_is_named_by_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert options_from(["--model", "mine"], {}).model == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("words", "environment"),
    [(["--auth", "me"], {}), (["--auth", ":x"], {}), ([], {"PORT": "http"}), ([], {"GRADIO_SERVER_PORT": "0"})],
)
def test_wrong_options_are_one_clear_error(words, environment):
    with pytest.raises(AppError, match="must be"):
        options_from(words, environment)
    with pytest.raises(SystemExit):
        options_from(["--queue", "0"], {})


def test_data_lies_in_the_users_own_folder_and_on_a_space_in_a_temporary_one(tmp_path):
    space = data_folder({"SPACE_ID": "someone/space"})
    try:
        assert space.is_dir()
        assert not list(space.iterdir())
    finally:
        space.rmdir()
    assert data_folder({"XDG_STATE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}).name == "stream-diffvsr"
