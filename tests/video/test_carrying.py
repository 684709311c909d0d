"""What a file carries beside its pictures: it arrives, in step, or its loss is a note."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests.video_material import SAMPLE_RATE, ffmpeg, heard, moving, tone
from workbench.errors import OutputError
from workbench.video import Clip, ClipWriter, open_clip
from workbench.video.write import open_for

H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
VIDEOS = ["out.mp4", "out.mkv"]
SUBTITLES = [(0.0, 0.3, "past"), (0.3, 0.7, "across"), (0.8, 1.0, "inside"), (1.2, 1.8, "end"), (1.8, 2.0, "later")]
CHAPTERS = [(0.0, 1.0, "One"), (1.0, 2.0, "Two")]


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 s with two sound tracks, subtitles, chapters, an attachment, a cover, title and date."""
    folder = tmp_path_factory.mktemp("rich")
    lines = [
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{text}\n"
        for number, (start, end, text) in enumerate(SUBTITLES, 1)
    ]
    (folder / "lines.srt").write_text("\n".join(lines))
    marks = [
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start * 1000:.0f}\nEND={end * 1000:.0f}\ntitle={title}\n"
        for start, end, title in CHAPTERS
    ]
    (folder / "about.txt").write_text(";FFMETADATA1\ntitle=My film\ndate=2020-05-01\n" + "".join(marks))
    (folder / "font.ttf").write_bytes(b"\0\1\0\0" + b"x" * 60)
    ffmpeg(*moving(0.04), "-frames:v", "1", folder / "cover.png")
    inputs = [*moving(2), *tone(2), *tone(2, 880), "-i", folder / "lines.srt", "-i", folder / "about.txt"]
    maps = [word for number in range(4) for word in ("-map", str(number))]
    labels = ["-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng", "-metadata:s:a:1", "title=Comments"]
    attached = ["-attach", folder / "font.ttf", "-metadata:s:t:0", "mimetype=application/x-truetype-font"]
    attached += ["-attach", folder / "cover.png", "-metadata:s:t:1", "mimetype=image/png"]
    codecs = [*H264, "-c:a", "aac", "-c:s", "srt", "-map_metadata", "4", "-map_chapters", "4"]
    ffmpeg(*inputs, *maps, *codecs, *labels, *attached, folder / "rich.mkv")
    return folder / "rich.mkv"


def _clock(seconds: float) -> str:
    return f"00:00:{int(seconds):02d},{round(seconds % 1 * 1000):03d}"


def write(path: Path, clip: Clip, start: int | None = None, stop: int | None = None, **options: Any) -> ClipWriter:
    with ClipWriter(path, clip, resume_at=start, **options) as writer:
        for frame in clip[start or 0 : stop]:
            writer.write(frame)
    return writer


def subtitles(path: Path) -> list[tuple[float, float, str]]:
    """(start, end, text) in seconds; MP4 keeps the pauses as empty ones."""
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(subtitles=0):
            text = bytes(packet).lstrip(b"\0")
            text = text[1:] if container.format.name.startswith("mov") else text
            if packet.size > 2 and packet.pts is not None and packet.time_base is not None:
                start, end = (float(time * packet.time_base) for time in (packet.pts, packet.pts + packet.duration))
                found.append((start, end, text.decode()))
    return found


def chapters(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as container:
        return [
            (
                float(chapter["start"] * chapter["time_base"]),
                float(chapter["end"] * chapter["time_base"]),
                chapter["metadata"]["title"],
            )
            for chapter in container.chapters()
        ]


def same(found: list[tuple[float, float, str]], wanted: list[tuple[float, float, str]]) -> bool:
    flat = [time for *times, _ in found for time in times]
    return [text for *_, text in found] == [text for *_, text in wanted] and flat == pytest.approx(
        [time for *times, _ in wanted for time in times], abs=2e-3
    )


@pytest.mark.parametrize("name", VIDEOS)
def test_all_that_a_file_carries_arrives(name: str, rich: Path, tmp_path: Path) -> None:
    writer = write(tmp_path / name, open_clip(rich))
    with av.open(str(tmp_path / name)) as container:
        sounds = container.streams.audio
        assert [sound.codec_context.name for sound in sounds] == ["aac", "aac"]
        assert [sound.language for sound in sounds] == ["ger", "eng"]
        about = {key.lower(): value for key, value in container.metadata.items()}
        assert (about["title"], about["date"]) == ("My film", "2020-05-01")
        cover = [stream for stream in container.streams.video if stream.disposition & Disposition.attached_pic]
        assert len(cover) == 1
        files = [stream.metadata["filename"] for stream in container.streams if stream.type == "attachment"]
    assert same(subtitles(tmp_path / name), SUBTITLES)
    assert same(chapters(tmp_path / name), CHAPTERS)
    losses = [note for note in writer.notes if "left out" in note]
    if name == "out.mkv":
        assert files == ["font.ttf"]
        assert not losses
    else:
        assert losses == ["attachment 1 (font.ttf) is left out: .mp4 files do not hold it"]
        assert any("subtitles 1 (subrip) written as mov_text" in note for note in writer.notes)
    with av.open(str(rich)) as source, av.open(str(tmp_path / name)) as result:
        for place in range(2):
            packets = [
                [bytes(packet) for packet in file.demux(audio=place) if packet.size] for file in (source, result)
            ]
            assert packets[0] == packets[1]


def test_pictures_say_what_they_cannot_carry(rich: Path, tmp_path: Path) -> None:
    notes = " ".join(write(tmp_path / "out", open_clip(rich), stop=1).notes)
    for lost in ("sound 1 (aac, ger)", "sound 2 (aac, eng, Comments)", "subtitles 1", "attachment 1", "2 chapters"):
        assert f"{lost}" in notes


@pytest.mark.parametrize("cut", [slice(10, 34), slice(10, 34, 3)])
@pytest.mark.parametrize("name", VIDEOS)
def test_a_slice_cuts_subtitles_and_chapters_to_its_time(name: str, cut: slice, rich: Path, tmp_path: Path) -> None:
    clip = open_clip(rich)[cut]
    write(tmp_path / name, clip)
    length = 0.96  # frames 10 to 34 of 25 a second, from 0.4 s on
    for read, whole in ((subtitles, SUBTITLES), (chapters, CHAPTERS)):
        moved = [(max(start - 0.4, 0), min(end - 0.4, length), text) for start, end, text in whole]
        assert same(read(tmp_path / name), [row for row in moved if row[0] < row[1]])


@pytest.mark.parametrize("name", VIDEOS)
def test_a_resumed_run_carries_everything(name: str, rich: Path, tmp_path: Path) -> None:
    clip = open_clip(rich)
    write(tmp_path / name, clip, stop=20)
    assert same(subtitles(tmp_path / name), SUBTITLES[:2])  # until 0.8 s
    write(tmp_path / name, clip, start=20)
    assert same(subtitles(tmp_path / name), SUBTITLES)
    with av.open(str(tmp_path / name)) as container:
        assert sum(1 for packet in container.demux(audio=1) if packet.size) == 95
    assert len(open_clip(tmp_path / name)) == 50


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize("name", VIDEOS)
def test_sound_before_the_first_and_after_the_last_picture_is_kept(name: str, codec: str, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    ffmpeg("-itsoffset", "0.5", *moving(0.4), *tone(1.5), *H264, "-c:a", codec, source)
    clip = open_clip(source)
    write(tmp_path / name, clip)
    samples, starts = heard(tmp_path / name)
    assert starts == pytest.approx(0, abs=1e-3)
    assert len(samples) / SAMPLE_RATE == pytest.approx(1.5, abs=0.03)
    assert np.abs(samples[SAMPLE_RATE // 10 : SAMPLE_RATE // 4]).max() > 0.1
    assert open_clip(tmp_path / name).times == pytest.approx(clip.times, abs=1e-3)
    write(tmp_path / name, clip[2:5], overwrite=True)  # a slice has the sound of its own time only
    samples, starts = heard(tmp_path / name)
    assert starts + len(samples) / SAMPLE_RATE == pytest.approx(0.12, abs=0.03)


def test_encoded_sound_keeps_its_gaps(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    dropped = r"noise=drop=between(pts*tb\,0.8\,1.2)"
    ffmpeg(*moving(2), *tone(2), *H264, "-c:a", "mp2", "-bsf:a", dropped, source)
    write(tmp_path / "out.mp4", open_clip(source))
    samples, _ = heard(tmp_path / "out.mp4")
    assert len(samples) / SAMPLE_RATE == pytest.approx(2, abs=0.05)
    loud = [np.abs(samples[round(at * SAMPLE_RATE) :][:2400]).max() > 0.05 for at in (0.3, 0.9, 1.1, 1.5)]
    assert loud == [True, False, False, True]


def test_damaged_sound_costs_the_damaged_packets_only(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    damaged = r"noise=amount='if(between(n\,20\,25)\,1\,0)'"
    ffmpeg(*moving(2), *tone(2), *H264, "-c:a", "libvorbis", "-bsf:a", damaged, source)
    writer = write(tmp_path / "out.mp4", open_clip(source))
    samples, _ = heard(tmp_path / "out.mp4")
    assert len(samples) / SAMPLE_RATE == pytest.approx(2, abs=0.05)
    assert np.abs(samples[round(1.7 * SAMPLE_RATE) :][:4800]).max() > 0.05
    assert any("damaged parts in the source's sound" in note for note in writer.notes)


@pytest.mark.parametrize(("layout", "became"), [("6.1", "5.1"), ("4.0", "5.1"), ("3.0", "5.1"), ("stereo", "stereo")])
def test_all_layouts_sound_in_mp4(layout: str, became: str, tmp_path: Path) -> None:
    channels = {"6.1": 7, "4.0": 4, "3.0": 3, "stereo": 2}[layout]
    voices = "|".join([r"0.3*sin(880*PI*t)"] * channels)
    sound = ["-f", "lavfi", "-i", f"aevalsrc={voices}:c={layout}:s=48000:d=0.4"]
    ffmpeg(*moving(0.4), *sound, *H264, "-c:a", "pcm_s16le", tmp_path / "in.mkv")
    writer = write(tmp_path / "out.mp4", open_clip(tmp_path / "in.mkv"))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.layout.name == became
    assert np.abs(heard(tmp_path / "out.mp4")[0]).max() > 0.1
    said = any(f"{channels} channels brought to 5.1" in note for note in writer.notes)
    assert said == (became != layout)


def test_a_track_that_did_not_arrive_is_not_called_copied(
    rich: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(track: Any, *_: object) -> str:
        return r"noise=drop=gt(n\,9)" if track.index == 1 else ""

    monkeypatch.setattr("workbench.video._join._cut", lossy)
    notes = write(tmp_path / "out.mkv", open_clip(rich)).notes
    assert any("sound 1 (aac, ger) is not whole: 10 of 95 packets" in note for note in notes)
    assert not any("copied" in note and "sound 1" in note and "not whole" not in note for note in notes)


def test_a_track_that_fails_does_not_cost_the_others(
    rich: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(track: Any, *_: object) -> str:
        return "no_such_filter" if track.index == 1 else ""

    monkeypatch.setattr("workbench.video._join._cut", failing)
    notes = write(tmp_path / "out.mkv", open_clip(rich)).notes
    assert "sound 1 (aac, ger) could not be carried over" in notes
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [sound.language for sound in container.streams.audio] == ["eng"]
    assert same(subtitles(tmp_path / "out.mkv"), SUBTITLES)


def test_lost_pictures_are_an_error_and_the_parts_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg(*moving(1), *H264, tmp_path / "in.mp4")
    clip = open_clip(tmp_path / "in.mp4")
    monkeypatch.setattr("workbench.video._join.Job.count", 11)
    with pytest.raises(OutputError, match=r"10 of 11 frames arrived.*; 10 frames in .*part-000000"):
        write(tmp_path / "out.mkv", clip, stop=10)
    assert not (tmp_path / "out.mkv").exists()
    assert len(list(tmp_path.glob("out.mkv.part*"))) == 1


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25), Fraction(50)])
def test_even_rates_stay_exact_in_mp4_also_when_resumed(rate: Fraction, tmp_path: Path) -> None:
    ffmpeg(*moving(0.5, rate), *H264, tmp_path / "in.mkv")  # its clock ticks a thousand times a second
    clip = open_clip(tmp_path / "in.mkv")
    write(tmp_path / "out.mp4", clip, stop=5)
    write(tmp_path / "out.mp4", clip, start=4)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == rate
        stamps = [packet.pts * stream.time_base for packet in container.demux(stream) if packet.size]  # pyright: ignore
    assert stamps == [place / rate for place in range(len(clip))]


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
@pytest.mark.parametrize("output", VIDEOS)
def test_pq_and_hlg_stay_in_ten_bits_with_their_tags(output: str, transfer: str, name: str, tmp_path: Path) -> None:
    mastering = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    tags = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:master-display={mastering}:max-cll=1000,400"
    colours = ["-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc"]
    coded = ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", f"log-level=none:pools=1:{tags}", *colours]
    ffmpeg("-f", "lavfi", "-i", "color=c=0x9a6040:s=64x48:r=25:d=0.2", *coded, tmp_path / "in.mp4")
    clip = open_clip(tmp_path / "in.mp4")
    write(tmp_path / output, clip, stop=3)
    notes = write(tmp_path / output, clip, start=2).notes
    back = open_clip(tmp_path / output)
    assert (back.info.primaries, back.info.transfer, back.info.bits) == ("bt2020", transfer, 10)
    assert back.info.format == {"out.mp4": "hevc yuv420p10le", "out.mkv": "ffv1 gbrp10le"}[output]
    for frame, original in zip(back, clip, strict=True):
        assert np.abs(frame.image.astype(int) - original.image).max() <= 5 * 257
    assert (clip.info.light.mastering, clip.info.light.content) == (mastering, "1000,400")
    lost = [note for note in notes if note.startswith("mastering display and content light level of HDR: left out")]
    if output == "out.mp4":
        assert (back.info.light, lost) == (clip.info.light, [])
    else:
        assert len(lost) == 1


def test_hdr_becomes_pictures_by_tone_mapping_on_request_only(tmp_path: Path) -> None:
    """A red of BT.2020 in PQ: as BT.709 it is stronger than its plain values."""
    coded = ["-c:v", "ffv1", "-pix_fmt", "gbrp10le", "-color_primaries", "bt2020", "-color_trc", "smpte2084"]
    pq = "geq=r=600:g=300:b=300,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=gbr:range=pc"
    ffmpeg(
        "-f", "lavfi", "-i", "color=s=64x48:r=25:d=0.08", "-vf", f"format=gbrp10le,{pq}", *coded, tmp_path / "in.mkv"
    )
    clip = open_clip(tmp_path / "in.mkv")
    assert clip.info.transfer == "smpte2084"
    with pytest.raises(OutputError, match=r"need 10 bits.*colours='bt709'"):
        ClipWriter(tmp_path / "frames", clip)
    assert open_for(tmp_path / "in.mkv", "out.mp4").info.transfer == "smpte2084"
    mapped = open_for(tmp_path / "in.mkv", tmp_path / "frames")
    assert any("mapped to BT.709" in note for note in mapped.notes)
    write(tmp_path / "frames", mapped)
    shown, kept = (open_clip(path)[0].image for path in (tmp_path / "frames", tmp_path / "in.mkv"))
    assert shown[..., 0].mean() - shown[..., 1].mean() > kept[..., 0].mean() / 257 - kept[..., 1].mean() / 257 + 10


@pytest.mark.parametrize("codec", ["mp3", "aac"])
def test_copied_sound_that_begins_late_is_said(codec: str, tmp_path: Path) -> None:
    """Matroska cannot begin within a packet: one of some 20 ms across the cut is left out."""
    ffmpeg(*moving(1), *tone(1), *H264, "-c:a", codec, tmp_path / "in.mkv")
    clip = open_clip(tmp_path / "in.mkv")[10:20]
    late = [note for note in write(tmp_path / "out.mkv", clip).notes if "late" in note]
    assert len(late) == 1
    assert re.search(rf"sound 1 \({codec}\) begins \d+ ms late", late[0])
    assert not [note for note in write(tmp_path / "out.mp4", clip).notes if "late" in note]
    assert not [note for note in write(tmp_path / "all.mkv", open_clip(tmp_path / "in.mkv")).notes if "late" in note]


def test_fewer_bits_are_said(tmp_path: Path) -> None:
    picture = ["-f", "lavfi", "-i", "color=c=0x9a6040:s=64x48:r=25:d=0.2", "-pix_fmt", "gbrp10le"]
    ffmpeg(*picture, "-c:v", "ffv1", tmp_path / "in.mkv")
    clip = open_clip(tmp_path / "in.mkv")
    for name in ("out.mp4", "out"):
        assert "frames of 10 bits are written with 8" in write(tmp_path / name, clip).notes
    assert not write(tmp_path / "out.mkv", clip).notes
    for frame, original in zip(open_clip(tmp_path / "out.mkv"), clip, strict=True):
        assert np.array_equal(frame.image, original.image)


def test_no_ffmpeg_program_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", none)
    with pytest.raises(OutputError, match=r"no ffmpeg program.*reinstall imageio-ffmpeg"):
        ClipWriter(tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())
