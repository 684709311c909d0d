"""``workbench upscale``: clips, frame folders and folders of them, x4."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from workbench.cli import options
from workbench.cli import pipe as pipes
from workbench.cli.plan import Job, plan
from workbench.errors import InputError
from workbench.video.folders import list_skipped

if TYPE_CHECKING:
    from workbench.pipeline.output import Output
    from workbench.pipeline.pipeline import Pipeline
    from workbench.pipeline.run import Run
    from workbench.pipeline.settings import Settings
    from workbench.video import Clip

EXAMPLES = """\
examples:
  workbench upscale clip.mp4                         clip_x4.mp4, with the sound of the clip
  workbench upscale clip.mp4 -o out.mkv --steps 2    lossless, two steps
  workbench upscale frames/ -o upscaled/             a folder of frames to a folder of PNG frames
  workbench upscale clip.mp4 --frames 0:24           the first 24 frames
  workbench upscale clip.mp4 --height 1080           x4, brought down to 1080 rows
  workbench upscale clip.mp4 --resume                go on after Ctrl-C or a crash
  ffmpeg -i clip.mp4 -f yuv4mpegpipe - | workbench upscale - -o - | mpv -

the published command's words work too:
  workbench --in_path sequences/ --out_path results/ --model_id Jamichsu/Stream-DiffVSR --num_inference_steps 4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument(
        "input", type=Path, nargs="?", help="a video, an image, a folder of frames, a folder of those, or - (a pipe)"
    )
    parser.add_argument("--in_path", type=Path, default=None, help="the published word for INPUT")
    parser.add_argument(
        "-o", "--output", "--out_path", type=Path, default=None,
        help=".mp4, .mkv (lossless), a folder (PNG), .png, - (a pipe); without it, INPUT_x4 in the current folder",
    )  # fmt: skip
    parser.add_argument("--frames", default=None, help="which frames, as in Python: 10:34, ::2, :8")
    options.add_opening(parser)
    options.add_size(parser)
    parser.add_argument("--lossless", action="store_true", help="make .mkv (FFV1) where no output is named")
    parser.add_argument("--overwrite", action="store_true", help="replace an output that is there")
    parser.add_argument("--resume", action="store_true", help="go on with an output that was stopped")
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, and the memory it needs; stop")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    pipes.add_arguments(parser)
    options.add_settings(parser, automatic=True)
    options.add_model(parser)
    parts = parser.add_argument_group("parts of a model (the published command's words)")
    for word, part in (("unet", "unet"), ("controlnet", "controlnet"), ("temporal_vae", "vae")):
        parts.add_argument(f"--{word}_pretrained_weight", dest=part, default=None, help=f"take the {part} from here")
    parts.add_argument("--enable_tensorrt", action="store_true", help=argparse.SUPPRESS)
    parts.add_argument("--image_height", type=int, default=None, help=argparse.SUPPRESS)
    parts.add_argument("--image_width", type=int, default=None, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    if args.output != pipes.PIPE:
        return _run(args, None)
    with pipes.frames_out() as stream:
        return _run(args, stream)


def _run(args: argparse.Namespace, stream: BinaryIO | None) -> int:
    """``stream``: where frames go, when the output is a pipe."""
    source = args.input or args.in_path
    if source is None:
        raise InputError("give an INPUT: a video, an image, a folder of frames, or a folder of those.")
    _published_only(args)
    settings = options.settings_from(args)
    jobs = pipes.piped(source, args) or plan(source, args.output, lossless=args.lossless)
    if source != pipes.PIPE and (skipped := list_skipped(source)):
        print(f"note: {source}: skipped, since they are no clips: {', '.join(skipped)}", file=sys.stderr)
    clips = [(job, _clip(job, args)) for job in jobs]  # bad input is told before a model is loaded
    _check_outputs(clips, args)

    pipe = options.load(args, unet=args.unet, controlnet=args.controlnet, vae=args.vae)
    print(pipe, file=sys.stderr)
    settled = [
        _settle(pipe, job, clip, settings, args) for job, clip in clips
    ]  # what cannot fit is told before any work
    if stream is not None:
        return pipes.upscale_to_pipe(pipe, clips[0][1], stream, settled[0], options.size_from(args), args)
    if args.resume:
        _check_records(pipe, clips, settled, args)
    for (job, clip), chosen in zip(clips, settled, strict=True):
        if args.dry_run:
            continue
        done = _upscale(pipe, job, clip, chosen, args)
        for note in done.notes:  # all that was lost, assumed or replaced, in one place, where the work ends
            print(f"note: {done.output}: {note}", file=sys.stderr)
        if not done.finished:
            print(
                f"stopped: {done.frames} frames are in {done.output}; the same command with --resume goes on",
                file=sys.stderr,
            )
            return 130
        width, height = options.size_from(args).of(clip.size)
        print(f"{done.output}: {done.frames} frames, {width}x{height}")
    return 0


def _published_only(args: argparse.Namespace) -> None:
    """Notes the published flags that have no meaning here."""
    if args.enable_tensorrt:
        args.engine = tensorrt_or(args.engine, args.device)
    if args.image_height or args.image_width:
        print("note: --image_height and --image_width: not needed, a frame of any size is x4", file=sys.stderr)


def tensorrt_or(engine: str, device: str) -> str:
    """``tensorrt``, or ``engine`` where it cannot run here, with the reason on standard error."""
    from workbench.devices import resolve_device
    from workbench.engines.choose import find_engine, lacking

    why = lacking(find_engine("tensorrt"), resolve_device(device).type)
    if why:
        print(f"note: --enable_tensorrt: TensorRT cannot run here: {why}. Going on with {engine}.", file=sys.stderr)
    return engine if why else "tensorrt"


def _check_outputs(clips: list[tuple[Job, Clip]], args: argparse.Namespace) -> None:
    """Raises before any work for an output that cannot be written or is somebody else's."""
    from workbench.pipeline.run import check_output

    for job, clip in clips:
        options.size_from(args).of(clip.size)
        if job.output != pipes.PIPE:
            check_output(job.output.expanduser(), clip, resume=args.resume, overwrite=args.overwrite)


def _check_records(
    pipe: Pipeline, clips: list[tuple[Job, Clip]], settled: list[Settings], args: argparse.Namespace
) -> None:
    """Raises before any work for an output that was begun from something else."""
    from workbench.pipeline.record import begun_from
    from workbench.pipeline.run import check_output

    for (job, clip), settings in zip(clips, settled, strict=True):
        output = job.output.expanduser()
        size = options.size_from(args).of(clip.size)
        check_output(output, clip, begun_from(pipe, clip, settings, size, output), resume=True)


def _clip(job: Job, args: argparse.Namespace) -> Clip:
    from workbench.video.write import open_for

    clip = (
        pipes.open_input(args) if job.source == pipes.PIPE else open_for(job.source, job.output, options.opener(args))
    )
    for note in clip.notes:
        print(f"note: {job.source}: {note}", file=sys.stderr)
    return clip if args.frames is None else clip[options.frame_slice(args.frames)]


def _settle(pipe: Pipeline, job: Job, clip: Clip, settings: Settings, args: argparse.Namespace) -> Settings:
    """The settings for this clip: what is left open is chosen by the memory estimate, and said. Refuses what cannot
    fit, with the nearest settings that do."""
    from workbench.devices import readable
    from workbench.pipeline.automatic import choose_engine, continue_engine, settle
    from workbench.pipeline.memory import available_memory, estimate_memory
    from workbench.pipeline.run import saved_settings

    size = (clip.height, clip.width)
    begun = saved_settings(job.output) if args.resume else None
    settings, notes = settle(pipe, size, settings, slicing=options.is_automatic(args), begun=begun)
    if not (args.resume and continue_engine(pipe, job.output.expanduser(), clip)):
        frames = 0 if args.dry_run else pipes.length_of(clip) or 0
        chosen = choose_engine(pipe, size, settings, frames, lambda words: print(words, file=sys.stderr))
        notes += [chosen] if chosen else []
    for note in notes:
        if args.dry_run or not note.startswith("vae_slicing is off"):  # nothing is told where nothing was chosen
            print(f"note: {job.source}: {note}", file=sys.stderr)
    if args.dry_run:
        motion, estimate = pipe.motion(settings, size), estimate_memory(pipe, size, settings)
        print(f"{job.source} -> {job.output}: {len(clip)} frames, flow {motion.estimator} on the {motion.size} grid")
        print(f"{estimate}\n  {'free':14}{readable(available_memory(pipe.device)):>10}")
    return settings


def _upscale(pipe: Pipeline, job: Job, clip: Clip, settings: Settings, args: argparse.Namespace) -> Run:
    from tqdm import tqdm

    from workbench.pipeline.run import upscale_to_file

    with tqdm(total=pipes.length_of(clip), unit="frame", desc=job.source.name, disable=args.quiet) as bar:

        def advance(out: Output) -> None:
            bar.update(out.index + 1 - bar.n)

        return upscale_to_file(
            pipe, clip, job.output, settings, size=options.size_from(args), resume=args.resume,
            overwrite=args.overwrite, on_output=advance,
        )  # fmt: skip
