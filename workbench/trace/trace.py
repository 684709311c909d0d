"""A trace: what is recorded of a run, what is changed in it, and how to read it afterwards."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from workbench._version import __version__
from workbench.devices import peak_memory
from workbench.errors import TraceError
from workbench.pixels import to_picture
from workbench.trace import _storage as storage
from workbench.trace import taps
from workbench.trace._frame import FrameTap, ReplayTap
from workbench.trace._storage import TapStore, parse_bytes, show_bytes
from workbench.trace.edits import Edit, EditFunction
from workbench.trace.hooks import NETWORKS, find_attention, find_modules, hooked
from workbench.trace.tap import Tap

FOR_DECODING = ("lr", "tpm.*.previous")
MOST_LINES = 40  # of a printed trace


class Traced(Protocol):
    """What a trace asks of a pipeline."""

    @property
    def device(self) -> torch.device: ...

    @property
    def networks(self) -> Mapping[str, Any]:
        """``NETWORKS`` by name."""
        ...

    @property
    def source(self) -> str: ...

    def picture(
        self, latent: Tensor, lr: Tensor, memory: list[Tensor] | None, *, size: tuple[int, int], sliced: bool, tap: Tap
    ) -> Tensor:
        """(1, L, h, w), (1, 3, h, w) -> (3, H, W) in [0, 1], cropped."""
        ...


class Trace:
    """``Trace("flow", "x0", "tpm.*")`` records these taps of every run it is passed to (``docs/taps.md``).

    ``names``: taps or globs. ``budget``: bytes kept on the CPU, like ``"300MB"``; when it is reached,
    ``when_full`` is ``error``, ``thin`` (keep every second frame, and so on) or ``downsample`` (average maps
    over 2x2, and so on). ``every``: record every n-th frame, counted from the first. ``dtype="float16"`` halves
    the bytes. Values are copies. Batch dimensions are dropped. Maps lie on the padded grid (multiples of 4);
    only pictures are cropped. ``x0`` and ``latent`` bring along what ``image`` needs to decode them.

    Raises TraceError for names that do not exist.
    """

    def __init__(
        self,
        *names: str,
        budget: str | int = "2GB",
        when_full: str = "error",
        every: int = 1,
        dtype: str | None = None,
    ) -> None:
        if dtype not in (None, "float16"):
            raise TraceError(f"dtype must be None (as it is) or 'float16', got {dtype!r}.")
        for name in names:
            taps.check(name)
        self._names = [*names]
        if any(fnmatchcase(latent, name) for name in names for latent in ("x0", "latent")):
            self._names.extend(FOR_DECODING)
        self._modules: list[tuple[str, str]] = []
        self._attention: list[str] = []
        self._edits: list[Edit] = []
        self._pipe: weakref.ref[Traced] | None = None
        self._loaded = False
        self._store = TapStore(parse_bytes(budget), when_full, every, torch.float16 if dtype else None)
        self.about: dict[str, Any] = {}
        self.seconds: dict[int, dict[str, float]] = {}
        self.times: dict[int, float] = {}
        self.peak_memory = 0

    def modules(self, network: str, *patterns: str) -> AbstractContextManager[Any]:
        """Records outputs of modules, at every step: ``trace.modules("unet", "down_blocks.*", "mid_block")``.

        ``network``: unet, controlnet, conditioning or vae. In patterns ``*`` is one level of a path, ``**`` any depth.
        Used in a ``with`` statement, the selection ends with it. Paths are checked when a run begins.
        """
        if network not in NETWORKS:
            raise TraceError(f"network must be one of {', '.join(NETWORKS)}, got {network!r}.")
        return _until_exit(self._modules, [(network, pattern) for pattern in patterns])

    def attention(self, *patterns: str) -> AbstractContextManager[Any]:
        """Records attention maps (heads, queries, keys) of the UNet at every step, at or under these paths.

        They are computed beside the real attention, which is left alone: ``trace.attention("mid_block")``.
        """
        return _until_exit(self._attention, list(patterns))

    def edit(self, name: str, function: EditFunction) -> AbstractContextManager[Any]:
        """Replaces a value that flows on: ``function(value, frame, step) -> value`` of the same shape.

        ``name`` may be a glob. The value comes without batch dimension, on its device; what is recorded is the edited
        value. ``step`` is None for what happens once a frame. Raises TraceError for what can only be observed.
        """
        taps.check(name)
        taps.check_editable(name)
        return _until_exit(self._edits, [Edit(name, function)])

    @contextmanager
    def frame(
        self,
        pipe: Traced,
        index: int,
        settings: Mapping[str, Any],
        seconds: Mapping[str, float],
        *,
        size: tuple[int, int],
        time: float | None = None,
    ) -> Iterator[Tap]:
        """Entered by the pipeline around each frame. Hooks live only in here; a frame that fails leaves nothing.

        ``settings``: as JSON values. ``seconds``: by stage, read when the frame is done.
        """
        self._begin(pipe, index, settings, size)
        tap = FrameTap(index, self._store, self._names, self._edits)
        recorded = self._store.keeps(index)
        outputs, attentions = self._targets(pipe.networks) if recorded else ({}, {})
        try:
            with hooked(outputs, attentions, tap.record_module, self._store.room):
                yield tap
            self.peak_memory = max(self.peak_memory, peak_memory(pipe.device))
            self._decode_pictures(pipe, tap, index)
        except BaseException:
            self._store.drop(index)
            raise
        self.seconds[index] = dict(seconds)
        if time is not None:
            self.times[index] = time

    @property
    def metadata(self) -> dict[str, Any]:
        """For outputs: the edits at work, and how often each was applied so far."""
        if self._loaded:
            return {"edits": self.about["edits"]} if "edits" in self.about else {}
        if not self._edits:
            return {}
        applied: dict[str, int] = {}
        for edit in self._edits:
            applied[edit.name] = applied.get(edit.name, 0) + edit.applied
        return {"edits": applied}

    @property
    def inside(self) -> list[str]:
        """What is asked for that only torch shows: taps and modules inside a network."""
        asked = [*self._names, *(edit.name for edit in self._edits)]
        found = [row for name in asked for row in taps.inside(name)]
        found += [f"{network}.{pattern}" for network, pattern in self._modules]
        return list(dict.fromkeys([*found, *(f"attention.{pattern}" for pattern in self._attention)]))

    @property
    def names(self) -> list[str]:
        """What has been recorded."""
        return taps.in_order(self._store.values)

    def frames(self, name: str) -> list[int]:
        """The frames in which ``name`` was recorded."""
        self._known(name)
        return self._store.frames(name)

    def __contains__(self, key: tuple[str, int]) -> bool:
        return bool(self._store.steps(*key))

    def __getitem__(self, key: tuple[str, int]) -> Tensor:
        """``trace["flow", 3]`` -> (2, H, W); ``trace["latent", 3]`` -> (steps, L, h, w); both without batch."""
        if not (isinstance(key, tuple) and len(key) == 2):
            raise TraceError(f"ask for (name, frame), like trace['flow', 3]; got {key!r}.")
        name, frame = key
        self._known(name)
        steps = self._store.steps(name, frame)
        if not steps:
            held = self._store.frames(name)
            row = taps.row_of(name)
            when = f" It fires {row.fires}." if row else ""
            raise TraceError(f"{name!r} holds no frame {frame}; it holds {_ranges(held)}.{when}")
        values = [self._store.values[name][frame][step] for step in steps]
        return values[0] if steps == [None] else torch.stack(values)

    def image(self, name: str, frame: int, step: int = -1, *, pipe: Traced | None = None) -> Tensor:
        """A value as a picture, (3, H, W) in [0, 1], cropped: any tap that is a picture, or ``x0`` and ``latent``.

        Those two are decoded with the frame's own temporal memory: by ``pipe``, or the pipeline of the run while it
        lives; or they come from ``x0.picture`` and ``latent.picture`` if those were recorded.
        """
        if name not in ("x0", "latent"):
            return self._shown(name, frame)
        pictures = f"{name}.picture"
        if (pictures, frame) in self:
            return self._at(pictures, frame, step).float()
        latent = self._at(name, frame, step)
        pipe = pipe or (self._pipe() if self._pipe else None)
        if pipe is None:
            raise TraceError(
                f"decoding {name!r} needs a model: pass pipe=wb.load_pipeline(...), or record {pictures!r} in the run."
            )
        if self._store.halvings:
            raise TraceError(f"{name!r} was downsampled and cannot be decoded; record {pictures!r} in the run.")
        memory = [self[m, frame] for m in self.names if fnmatchcase(m, FOR_DECODING[1]) and (m, frame) in self]
        return self._decode(pipe, latent[None], self["lr", frame][None], [m[None] for m in memory], frame)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes one safetensors file with all values, settings, edits and versions."""
        per_frame = {str(k): v for k, v in self.seconds.items()}, {str(k): v for k, v in self.times.items()}
        held = {"halvings": self._store.halvings, "every": self._store.every, "peak_memory": self.peak_memory}
        about = self.about | self.metadata | held | {"seconds": per_frame[0], "times": per_frame[1]}
        return storage.write(path, self._store.items(), about)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Reads a saved trace; no model is needed to look at it. It cannot record."""
        values, about = storage.read(path)
        trace = cls(budget=1 + sum(value.nbytes for value in values.values()), every=about.pop("every"))
        for (name, frame, step), value in values.items():
            trace._store.put((name, frame, step), value, is_map=False)
        trace._store.halvings = about.pop("halvings")
        trace.seconds = {int(k): v for k, v in about.pop("seconds").items()}
        trace.times = {int(k): v for k, v in about.pop("times").items()}
        trace.peak_memory = about.pop("peak_memory")
        trace.about = about
        trace._loaded = True
        return trace

    def __repr__(self) -> str:
        held = f"{len(self.seconds)} frames, {show_bytes(self._store.bytes)} of {show_bytes(self._store.budget)}"
        edits = "".join(f", {name} edited {count} times" for name, count in self.metadata.get("edits", {}).items())
        lines = []
        for shown, names in taps.grouped(self.names).items():
            frames = self._store.frames(names[0])
            shape = f"{tuple(self[names[0], frames[-1]].shape)}{' ...' if len(names) > 1 else ''}"
            lines.append(f"  {shown:<26} {shape:<24} {_ranges(frames)}")
        if len(lines) > MOST_LINES:
            lines[MOST_LINES:] = [f"  ... and {len(lines) - MOST_LINES} more in trace.names"]
        return "\n".join([f"Trace({held}{edits})", *lines])

    def _begin(self, pipe: Traced, index: int, settings: Mapping[str, Any], size: tuple[int, int]) -> None:
        if self._loaded:
            raise TraceError("this trace was loaded from a file and cannot record; make a new Trace.")
        if index in self.seconds:
            raise TraceError(f"this trace already holds frame {index} of a run; make a new Trace for another run.")
        counts = {
            "blocks": len(pipe.networks["vae"].decoder.temporal_blocks),
            "residuals": len(pipe.networks["controlnet"].controlnet_down_blocks),
        }
        for name in [*self._names, *(edit.name for edit in self._edits)]:
            taps.check(name, counts)
        self._store.begin(index)
        self._pipe = weakref.ref(pipe)
        self.about = {
            "settings": dict(settings),
            "model": pipe.source,
            "device": str(pipe.device),
            "size": list(size),
            "versions": {"workbench": __version__} | {name: version(name) for name in ("torch", "diffusers")},
        }

    def _targets(self, networks: Mapping[str, nn.Module]) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
        outputs: dict[str, nn.Module] = {}
        for network, pattern in self._modules:
            outputs |= find_modules(networks[network], network, pattern)
        attentions: dict[str, nn.Module] = {}
        for pattern in self._attention:
            attentions |= find_attention(networks["unet"], "unet", pattern)
        return outputs, attentions

    def _decode_pictures(self, pipe: Traced, tap: FrameTap, frame: int) -> None:
        for name in ("x0", "latent"):
            if tap.wants(f"{name}.picture"):
                for step, latent in enumerate(tap.live[name]):
                    picture = self._decode(pipe, latent, tap.live["lr"][0], tap.live["memory"], frame)
                    tap(f"{name}.picture", picture, step)

    def _decode(self, pipe: Traced, latent: Tensor, lr: Tensor, memory: list[Tensor], frame: int) -> Tensor:
        """Decodes as the loop does, with edits of the decoder; edits of the memory are in the recorded memory
        already."""
        return pipe.picture(
            latent.to(pipe.device, torch.float32),
            lr.to(pipe.device, torch.float32),
            [m.to(pipe.device) for m in memory] or None,
            size=(self.about["size"][0], self.about["size"][1]),
            sliced=self.about["settings"]["vae_slicing"],
            tap=ReplayTap(frame, self._edits),
        )

    def _at(self, name: str, frame: int, step: int) -> Tensor:
        values = self[name, frame]
        if not -len(values) <= step < len(values):
            raise TraceError(f"{name!r} has {len(values)} steps in frame {frame}, there is no step {step}.")
        return values[step]

    def _shown(self, name: str, frame: int) -> Tensor:
        row = taps.row_of(name)
        if name == "frame":
            return self[name, frame].float()
        if row is None or not row.picture:
            shown = [row.name for row in taps.TABLE if row.picture]
            raise TraceError(f"{name!r} is no picture; x0, latent, frame, {', '.join(shown)} are.")
        value = self[name, frame].float()
        padded = [-(-side // 4) * 4 for side in self.about["size"]]
        height, width = (round(n * s / p) for n, s, p in zip(value.shape[1:], self.about["size"], padded, strict=True))
        return to_picture(value, (height, width))

    def _known(self, name: str) -> None:
        if name in self._store.values:
            return
        if taps.row_of(name) is None and not name.startswith(("attention.", *(f"{n}." for n in NETWORKS))):
            taps.check(name)
        raise TraceError(f"{name!r} was not recorded; recorded were: {', '.join(self.names) or 'no taps'}.")


def _until_exit(selected: list[Any], more: Iterable[Any]) -> AbstractContextManager[Any]:
    """Selects now; as a context manager, withdraws the selection at its end."""
    stack = ExitStack()
    for item in more:
        selected.append(item)
        stack.callback(selected.remove, item)
    return stack


def _ranges(frames: list[int]) -> str:
    """[1, 2, 3] -> ``frames 1..3``; with gaps, ``frames 0, 2, 4``."""
    if len(frames) < 2:
        return f"frame {frames[0]}" if frames else "no frame"
    if frames == list(range(frames[0], frames[-1] + 1)):
        return f"frames {frames[0]}..{frames[-1]}"
    return f"frames {', '.join(map(str, frames[:4]))}{', ...' if len(frames) > 4 else ''}"
