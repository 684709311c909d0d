"""Finds the command, runs it, and turns every expected error into one line and exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from workbench._version import __version__
from workbench.errors import WorkbenchError

COMMANDS = {
    "upscale": "upscale a clip, a frame folder, or a folder of them, x4",
    "batch": "upscale many clips over many devices and machines",
    "compare": "compare settings and upscalers on one clip: metrics, curves, a report",
    "blind": "a blind test of them: pairs in random order, names hidden, scores with intervals",
    "eval": "the field's protocol on a folder of HR clips: x1/4, upscale, metrics",
    "live": "upscale a camera, a network stream or a pipe while it happens",
    "bench": "measure seconds per frame and stage on this machine",
    "peers": "the embedded model beside the tools that people use now, on the shipped scenes",
    "ablate": "which part of the embedded model earns its cost, on the shipped samples",
    "train": "train a model of this architecture from photos and clips",
    "verify": "check a model's outputs against a folder of golden ones",
    "engines": "show what can run the networks here, and the exported graphs that are kept",
    "export": "write a model as graphs that run without this project",
    "info": "show devices, versions and the models in reach",
}
OK, OUT_OF_TOLERANCE, BAD_INPUT, STOPPED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0].startswith("--") and words[0] not in ("--help", "--version"):
        words.insert(0, "upscale")  # the published command has no sub-commands: --in_path ... --out_path ...
    parser, chosen = _parser(words[0] if words else "")
    args = parser.parse_args(words)
    args.words = words  # what reports say that they were made by
    if chosen is None:
        parser.print_help()
        return OK
    try:
        return args.run(args)
    except WorkbenchError as error:
        print(f"workbench {words[0]}: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"workbench {words[0]}: stopped", file=sys.stderr)
        return STOPPED


def _parser(word: str) -> tuple[argparse.ArgumentParser, str | None]:
    """The whole command line; only the chosen command's module is imported, so that help is quick."""
    parser = argparse.ArgumentParser(
        prog="workbench",
        description="Stream-DiffVSR workbench: causal diffusion video super-resolution, x4, frame by frame.",
        epilog="'workbench COMMAND --help' tells about one command. Try: workbench upscale samples/CLIP",
    )
    parser.add_argument("--version", action="version", version=f"stream-diffvsr-workbench {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, about in COMMANDS.items():
        command = commands.add_parser(
            name, help=about, description=about[0].upper() + about[1:] + ".", formatter_class=_Help
        )
        if name == word:
            module = import_module(f"workbench.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser, word if word in COMMANDS else None


class _Help(argparse.RawDescriptionHelpFormatter):
    """Defaults are shown where they say something; paragraphs stay."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        silent = action.default in (None, False, argparse.SUPPRESS) or not action.option_strings
        return action.help if silent or not action.help else f"{action.help} (default: %(default)s)"
