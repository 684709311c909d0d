"""What every file of an output says of its run, and that no name of a file means anything else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from tests.video_material import decoded, make_video, noise, pictures
from workbench.video import ClipWriter, frames_in, open_clip
from workbench.video._segments import parts_of
from workbench.video.files import companion, media_path, placed
from workbench.video.mark import Mark

ABOUT = {"settings": {"steps": 4, "flow": "auto"}, "source": "Mum – 50 %\n.mp4"}
NAMES = [
    "at 10:30.mp4", "concat:a.mp4", "http:x.mp4", "-dash.mp4", "[1].mp4", "100%.mp4", "%06d.mp4", "two\nlines.mp4",
    "\U0001f389 party.mp4", "a" * 240 + ".mp4", "quo'te\" $(x) `y`.mp4", " space .mp4", "#hash?query=1&b.mp4",
]  # fmt: skip


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "one.png", "out"])
def test_every_file_of_an_output_has_its_mark(name: str, tmp_path: Path) -> None:
    mark = Mark("an-id", ABOUT)
    with ClipWriter(tmp_path / name, fps=25, mark=mark) as writer:
        writer.write(pictures(1)[0])
        for _, part in parts_of(tmp_path / name):
            assert Mark.read(part) == mark
    made = tmp_path / name / "000000.png" if name == "out" else tmp_path / name
    assert Mark.read(made) == mark


@pytest.mark.parametrize("container", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize("output", ["out.mp4", "out.mkv"])
def test_the_sources_own_comment_stays_before_it(container: str, output: str, tmp_path: Path) -> None:
    plain = make_video(tmp_path / "plain.mkv", pictures(3), sound=noise(0.1))
    earlier = 'Grandma, 1994\n{"a": 1}\n' + Mark("of an earlier run", ABOUT).line
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(plain), "-c:v", "copy", "-metadata", f"comment={earlier}"]
    subprocess.run([*command, str(tmp_path / container)], check=True)
    clip = open_clip(tmp_path / container)
    with ClipWriter(tmp_path / output, clip, mark=Mark("id", ABOUT)) as writer:
        for frame in clip:
            writer.write(frame)
    with av.open(str(tmp_path / output)) as file:
        comment = {key.lower(): text for key, text in file.metadata.items()}["comment"]
    assert comment.splitlines() == ["Grandma, 1994", '{"a": 1}', Mark("id", ABOUT).line]
    assert Mark.read(tmp_path / output) == Mark("id", ABOUT)


def test_what_has_no_mark_has_none(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text(Mark("id").line)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "plain.png").read_bytes()[:30])
    make_video(tmp_path / "plain.mp4", pictures(2))
    for path in [*tmp_path.iterdir(), tmp_path / "absent.png", tmp_path / "absent.mp4"]:
        assert Mark.read(path) is None


@given(st.text(), st.dictionaries(st.text(min_size=1), st.none() | st.integers() | st.text() | st.lists(st.floats())))
def test_a_mark_is_one_line_that_a_comment_keeps(comment: str, about: dict[str, object]) -> None:
    about = {key: value for key, value in about.items() if key not in ("run", "workbench")}
    mark = Mark("id", about)
    assert mark.line.isascii()
    assert len(mark.line.splitlines()) == 1
    assert json.loads(mark.line)["run"] == "id"
    text = mark.after(comment)
    assert text.splitlines()[:-1] == comment.splitlines()
    assert Mark("other").after(text).splitlines()[:-1] == comment.splitlines()  # a mark takes the place of another


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_read_and_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "plain.mp4", pictures(4), sound=noise(0.16)).rename(name)
    clip = open_clip(name)
    assert len(clip) == 4
    (tmp_path / "made").mkdir()
    for output in (Path("made") / name, Path("made") / f"{name}.mkv"[-250:], Path("made") / "pictures"):
        with ClipWriter(output, clip) as writer:
            for frame in clip[:2]:
                writer.write(frame)
        with ClipWriter(output, clip, resume_at=2) as writer:
            for frame in clip[2:]:
                writer.write(frame)
        assert frames_in(output) == len(open_clip(output)) == 4
        if output.suffix:
            assert len(decoded(output.resolve())) == 4
            assert open_clip(output).audio is not None
    assert len(list((tmp_path / "made").iterdir())) == 3


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=250))
def test_companions_fit_and_differ(name: str) -> None:
    if name in (".", "..") or len(name.encode()) > 255:
        return
    suffixes = (".json", ".state.safetensors.partial", ".part-000000.nut")
    made = {companion(Path("folder") / name, suffix).name for suffix in suffixes}
    assert len(made) == 3
    assert max(len(companion.encode()) for companion in made) <= 255


def test_names_that_are_cut_stay_apart() -> None:
    assert companion(Path("a" * 240 + "1.mp4"), ".json") != companion(Path("a" * 240 + "2.mp4"), ".json")
    assert companion(Path("clip.mp4"), ".json") == Path("clip.mp4.json")


def test_a_path_for_libav_is_absolute_and_keeps_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b.mp4").symlink_to("elsewhere")
    assert media_path("a:b.mp4") == str(tmp_path / "a:b.mp4")
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep")
    assert placed(Path("link/../x.mp4")) == tmp_path / "real" / "x.mp4"  # as the system reads it, not the eye
    assert placed(Path(".")) == placed(Path("real/..")) == tmp_path
