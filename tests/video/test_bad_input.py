"""Files that cannot be used: each is one InputError that says why."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.video_material import make_sound, make_video, noise, pictures, program_times
from workbench.errors import InputError
from workbench.video import _index as index
from workbench.video import open_clip


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of one group, with the index in front, so that the file also opens when its end is missing."""
    path = tmp_path_factory.mktemp("good") / "good.mp4"
    frames = [np.roll(frame, place * 7, axis=1) for place, frame in enumerate(pictures(40, 160, 96))]
    options = {"g": "100", "qp": "12", "x264-params": "scenecut=0"}
    return make_video(path, frames, options=options, container_options={"movflags": "faststart"})


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.mp4 does not exist"):
        open_clip(tmp_path / "gone.mp4")
    with pytest.raises(InputError, match="does not exist"):
        open_clip("http://127.0.0.1/clip.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "a"])
def test_zero_bytes(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        open_clip(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "a.avi", "a.gif"])
def test_text_is_no_video(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("It was a dark and stormy night.\n" * 100)
    with pytest.raises(InputError, match=rf"{name} cannot be opened as a video"):
        open_clip(tmp_path / name)


@pytest.mark.parametrize("name", ["list.mp4", "list.ffconcat", "list.m3u8"])
def test_playlists_are_not_followed(name: str, video: Path, tmp_path: Path) -> None:
    listing = f"ffconcat version 1.0\nfile {video.name}\n"
    if name.endswith("m3u8"):
        listing = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\n{video.name}\n#EXT-X-ENDLIST\n"
    (video.parent / name).write_text(listing)
    with pytest.raises(InputError, match="cannot be opened as a video"):
        open_clip(video.parent / name)


def test_index_missing_at_the_end(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mp4", pictures(20))
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut\.mp4 cannot be opened as a video .* cut short"):
        open_clip(tmp_path / "cut.mp4")


def test_pictures_missing_at_the_end_are_said_and_the_rest_is_used(video: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    clip = open_clip(tmp_path / "cut.mp4")
    assert len(list(clip)) == len(clip) == len(program_times(tmp_path / "cut.mp4")) < 40
    assert any("names 1.6 s of video and the file holds 0." in note for note in clip.notes)


def test_a_whole_slow_clip_is_not_called_short(tmp_path: Path) -> None:
    """Three pictures of two seconds each: the last one lasts as long as the others."""
    for name in ("slow.mp4", "slow.mkv"):
        clip = open_clip(make_video(tmp_path / name, pictures(3), rate=Fraction(1, 2)))
        assert not [note for note in clip.notes if "header" in note]


def test_a_cut_matroska_file_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", pictures(50), options={"g": "5"})
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    clip = open_clip(tmp_path / "cut.mkv")
    assert 5 < len(clip) < 45
    assert len(list(clip)) == len(clip) == len(program_times(tmp_path / "cut.mkv"))
    assert any("names 2.0 s of video and the file holds 0." in note for note in clip.notes)


def _damaged(video: Path, target: Path, place: int, part: float, packets: int = 1) -> Path:
    """Zero the later ``part`` of some packets' bytes, from the packet at ``place`` on."""
    data = bytearray(video.read_bytes())
    with av.open(str(video)) as container:
        found = [packet for packet in container.demux(video=0) if packet.size][place : place + packets]
        for packet in found:
            assert packet.pos is not None
            start = packet.pos + round(packet.size * (1 - part))
            data[start : packet.pos + packet.size] = bytes(packet.pos + packet.size - start)
    target.write_bytes(data)
    return target


def test_packets_that_cannot_be_decoded_are_said_and_left_out(video: Path, tmp_path: Path) -> None:
    bad = _damaged(video, tmp_path / "bad.mp4", 20, 1, packets=3)
    clip = open_clip(bad)
    frames = list(clip)
    assert len(frames) == len(clip) == len(program_times(bad)) == 37
    assert any("damaged: 3 packets cannot be decoded, the first near 0.8" in note for note in clip.notes)
    assert clip.times is not None
    assert max(np.diff(clip.times)) == pytest.approx(0.16)  # the frames after the gap keep their times
    assert np.array_equal(clip[30].image, frames[30].image)


def test_a_frame_that_the_decoder_leaves_out_has_no_place(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", pictures(20), codec="mpeg4")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        victim = [packet for packet in container.demux(video=0) if packet.size][11]
    # MPEG-4 part 2: a VOP that says "not coded", for which the decoder shows nothing and complains of nothing.
    not_coded = b"\x00\x00\x01\xb6" + bytes([0b01010000, 0b01001111])
    assert victim.pos is not None
    data[victim.pos : victim.pos + victim.size] = not_coded.ljust(victim.size, b"\0")
    path.write_bytes(data)
    clip = open_clip(path)
    assert len(list(clip)) == len(clip) == len(program_times(path)) == 19


def test_a_long_file_is_taken_by_its_packets_and_a_lost_frame_stays_the_one_before(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(open_clip(video))
    bad = _damaged(video, tmp_path / "bad.mp4", 39, 1)
    monkeypatch.setattr(index, "_QUICK", 1)
    clip = open_clip(bad)
    assert len(clip) == 40
    with pytest.warns(UserWarning, match=r"bad\.mp4: damaged, frame 3\d cannot be decoded"):
        frames = list(clip)
    assert [frame.time for frame in frames] == [frame.time for frame in whole]
    differ = [k for k in range(40) if not np.array_equal(frames[k].image, whole[k].image)]
    assert differ
    assert np.array_equal(frames[differ[0]].image, whole[differ[0] - 1].image)


def test_damage_that_the_decoder_fills_is_said(video: Path, tmp_path: Path) -> None:
    clip = open_clip(_damaged(video, tmp_path / "bad.mp4", 20, 0.7))
    assert len(list(clip)) == 40
    assert any("filled gaps in" in note and "the first at 0.8" in note for note in clip.notes)


def test_sound_alone(tmp_path: Path) -> None:
    for name, codec in (("a.mp4", "aac"), ("a.wav", "pcm_s16le"), ("a.mp3", "libmp3lame")):
        with pytest.raises(InputError, match="sound but no video"):
            open_clip(make_sound(tmp_path / name, noise(0.2), codec))


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    sound = make_sound(tmp_path / "plain.m4a", noise(0.2))
    picture = make_video(tmp_path / "cover.mov", pictures(1), codec="mjpeg", pix_fmt="yuvj420p")
    with (
        av.open(str(sound)) as voice,
        av.open(str(picture)) as cover,
        av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as song,
    ):
        tracks: list[tuple[Any, Any]] = []
        for source in (voice, cover):
            tracks.append((source.demux(source.streams[0]), song.add_stream_from_template(source.streams[0])))
        tracks[1][1].disposition = 0x400
        for packets, stream in tracks:
            for packet in packets:
                if packet.size:
                    packet.stream = stream
                    song.mux(packet)
    with pytest.raises(InputError, match="sound but no video"):
        open_clip(tmp_path / "song.m4a")


def test_a_size_that_changes_in_the_stream_is_scaled_to_the_first_and_said(tmp_path: Path) -> None:
    parts = [make_video(tmp_path / f"{n}.mpg", pictures(4, 64 + 32 * n), codec="mpeg2video") for n in range(2)]
    (tmp_path / "both.mpg").write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = open_clip(tmp_path / "both.mpg")
    assert {frame.image.shape for frame in clip} == {(48, 64, 3)}
    assert any("from 64x48 to 96x48: scaled to 64x48" in note for note in clip.notes)


def test_one_pixel_is_readable(tmp_path: Path) -> None:
    dot = [np.full((1, 1, 3), 200, np.uint8)]
    clip = open_clip(make_video(tmp_path / "dot.mkv", dot, codec="ffv1", pix_fmt="bgr0"))
    assert clip.size == (1, 1)
    assert clip[0].image.tolist() == [[[200, 200, 200]]]
