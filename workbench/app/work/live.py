"""The Live tab's work: a browser's newest frame, upscaled, again and again, until the viewer is gone.

What goes over the line (see ``app.line``), each message with its first letter:

to us     ``f``  8 bytes: when the frame was captured, in milliseconds of the browser's clock (big-endian double);
                 4 bytes: its number; then it itself, JPEG
          ``c``  JSON, any of: settings {name: value}, model, record (true or false), snapshot (true)
from us   ``f``  4 bytes: the length of a JSON about the frame (at, number, dropped, seconds by stage, plain: bytes of
                 the next), the JSON, bicubic as JPEG, the upscaled frame as JPEG
          ``c``  JSON, any of: state, side (of frames that we want), said, error, file (name in public/), recording,
                 model (that is in use)
"""

from __future__ import annotations

import json
import struct
import threading
from collections import deque
from statistics import median
from typing import Any

import cv2
import numpy as np

from workbench.app.line import Line
from workbench.app.names import sentence
from workbench.app.work.task import Task, write_png
from workbench.app.work.upscale import bicubic
from workbench.errors import InputError, WorkbenchError
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.output import Output
from workbench.realtime import Captured, Cost, Newest, Session, calibrate
from workbench.realtime.calibrate import side_for, within
from workbench.realtime.newest import Ended
from workbench.realtime.run import scaled
from workbench.realtime.sinks import EncodedSink, jpeg

PACE = 0.5  # seconds that a frame may take: frames are made so small
TOLERANCE = 1.25  # times that a frame may take longer, or less long, than foreseen
STEADY = 0.05  # part of the side that is not worth a new size, which begins a new state
MOST_SIDE = 640  # pixels of the longer side, however fast the machine is
_HEAD = struct.Struct(">dI")


def upscale_live(task: Task) -> None:
    """Until the viewer is gone, or the job is stopped. Recordings and snapshots lie in ``task.public``."""
    line = Line.join(task.folder)
    try:
        _Room(task, line).run()
    except OSError:
        pass  # the viewer is gone
    finally:
        line.close()


class _Room:
    def __init__(self, task: Task, line: Line) -> None:
        self._task, self._line = task, line
        self._newest, self._asked = Newest(), deque[dict[str, Any]]()
        self._model = task.request.model
        self._session = Session(task.pipeline(), task.request.settings, lambda words: self._tell(said=words))
        self._cost: Cost | None = None
        self._wanted, self._size = 0, (0, 0)
        self._taken: deque[float] = deque(maxlen=8)
        self._sink: EncodedSink | None = None
        self._made = 0
        self._output: Output | None = None

    def run(self) -> None:
        task = self._task
        self._measure()
        self._tell(state="running", device=str(self._session.pipe.device))
        task.begin(0, "live")
        threading.Thread(target=self._listen, name="listens", daemon=True).start()
        try:
            while not task.stopping():
                captured = self._newest.take(0.25)
                self._obey()  # after the wait: what was said before the frame came is meant for it
                if captured is not None:
                    self._frame(captured)
        except Ended:
            pass
        finally:
            self._record(False)
            task.say(message="")

    def _listen(self) -> None:
        """In a thread: frames wait in a queue of one, words until the frame at hand is done."""
        while (message := self._line.receive()) is not None:
            if message[:1] == b"c":
                self._asked.append(json.loads(message[1:]))
            elif len(message) > _HEAD.size:
                at, number = _HEAD.unpack_from(message, 1)
                coded = message[1 + _HEAD.size :]
                self._newest.put(Captured(lambda coded=coded: _decoded(coded), number, at / 1000))
        self._newest.end()

    def _frame(self, captured: Captured) -> None:
        try:
            image = captured.picture()
        except InputError as error:
            self._tell(error=str(error))
            return
        size = (image.shape[1], image.shape[0])
        wanted = within(size, self._side(size))
        image = scaled(image, wanted)
        output = self._output = self._session.step(captured, image)
        picture, plain = output.image, jpeg(bicubic(image))
        about = {
            "at": captured.at * 1000,
            "number": captured.number,
            "dropped": self._session.passed,
            "size": wanted,
            "seconds": output.seconds,
            "plain": len(plain),
        }
        head = json.dumps(about).encode()
        self._line.send(b"f" + struct.pack(">I", len(head)) + head + plain + jpeg(picture))
        if self._sink is not None:
            self._sink.write(picture, captured.at)
        self._adapt(wanted, sum(output.seconds.values()))
        self._task.status = self._task.status.but(done=self._task.status.done + 1)

    def _adapt(self, size: tuple[int, int], seconds: float) -> None:
        """A machine that has become much slower or faster than it was measured makes smaller or larger frames."""
        assert self._cost is not None
        self._taken.append(seconds)
        if len(self._taken) < self._taken.maxlen:  # type: ignore[operator]
            return
        factor = median(self._taken) / self._cost.seconds(size, self._session.settings.steps)
        self._taken.clear()
        if not 1 / TOLERANCE < factor < TOLERANCE:
            self._cost = self._cost.times(factor)

    def _side(self, size: tuple[int, int]) -> int:
        """The longer side that this machine manages in about ``PACE`` seconds; said where it changes.

        The browser sends frames that small: whether larger ones could be had is not seen by their size.
        """
        assert self._cost is not None
        largest = (round(MOST_SIDE * size[0] / max(size)), round(MOST_SIDE * size[1] / max(size)))
        side = side_for(self._cost, largest, self._session.settings.steps, PACE)
        if abs(side - self._wanted) > STEADY * self._wanted:
            self._wanted = side
            self._tell(side=side)
        chosen = within(size, self._wanted)
        if chosen != self._size:
            self._size = chosen
            self._tell(
                said=f"{chosen[0]}x{chosen[1]} becomes {4 * chosen[0]}x{4 * chosen[1]}: what this machine can do "
                f"in about {PACE:g} s a frame"
            )
        return self._wanted

    def _obey(self) -> None:
        while self._asked:
            asked = self._asked.popleft()
            try:
                if "settings" in asked:
                    self._session.settings = self._session.settings.but(**asked["settings"])
                if asked.get("model", self._model) != self._model:
                    self._load(str(asked["model"]))
                if "record" in asked:
                    self._record(bool(asked["record"]))
                if asked.get("snapshot") and self._output is not None:
                    name = self._name("snapshot", "png")
                    write_png(self._task.public / name, self._output.image)
                    self._offer(name)
            except (WorkbenchError, TypeError) as error:
                self._tell(error=sentence(self._task.told(str(error))))

    def _load(self, model: str) -> None:
        self._tell(said=f"loading {model or 'the embedded model'}")
        asked, device = self._task.request, self._session.pipe.device
        try:
            self._session.pipe = load_pipeline(model or None, device=device, dtype=asked.dtype, engine=asked.engine)
            self._model = model
            self._measure()
        finally:
            self._tell(said="", model=self._model)  # which goes on where the other cannot be loaded

    def _measure(self) -> None:
        self._tell(said="measuring this machine")
        self._cost = calibrate(self._session.pipe, self._session.settings)
        self._size = 0, 0

    def _record(self, on: bool) -> None:
        if on and self._sink is None:
            self._sink = EncodedSink(str(self._task.public / self._name("recording", "mp4")), "mp4")
        elif not on and self._sink is not None:
            self._sink.close()
            name = self._sink.name.replace("\\", "/").rpartition("/")[2]
            self._sink = None
            if (self._task.public / name).exists():
                self._offer(name)
        self._tell(recording=self._sink is not None)

    def _name(self, what: str, suffix: str) -> str:
        self._made += 1
        return f"{what}-{self._made}.{suffix}"

    def _offer(self, name: str) -> None:
        self._task.say(files={name: name})
        self._tell(file=name)

    def _tell(self, **words: Any) -> None:
        try:
            self._line.send(b"c" + json.dumps(words).encode())
        except OSError:
            self._newest.end()  # the viewer is gone; what was recorded is kept


def _decoded(coded: bytes) -> np.ndarray:
    """JPEG -> (h, w, 3) uint8 RGB."""
    image = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
    if image is None or min(image.shape[:2]) < 16 or max(image.shape[:2]) > 2 * MOST_SIDE:
        raise InputError("A frame came that is no picture of a size that can be upscaled.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
