"""What HDR video says of its light: the display it was mastered on, the brightest light in it, data of each frame."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import av

_DYNAMIC = {
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DOVI_METADATA": "Dolby Vision",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}
_CHROMATICITY, _LUMINANCE = 50_000, 10_000  # steps in one unit, as SMPTE ST 2086 and x265 count


@dataclass(frozen=True)
class Light:
    """What a file says of the light of its pictures (HDR)."""

    mastering: str = ""
    """ST 2086, as x265 takes it: "G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)" """
    content: str = ""
    """CTA-861.3, the brightest pixel and the brightest mean of a frame: "1000,400" """
    dynamic: tuple[str, ...] = ()
    """names of what is told for each frame, which no output keeps"""

    @property
    def words(self) -> str:
        """What there is that does not change from frame to frame."""
        parts = [("mastering display", self.mastering), ("content light level", self.content)]
        return " and ".join(name for name, value in parts if value)

    @property
    def x265(self) -> str:
        """Parameters that write it into an HEVC stream."""
        values = [("master-display", self.mastering), ("max-cll", self.content)]
        return "".join(f":{name}={value}" for name, value in values if value)


UNKNOWN = Light()


def read_light(frame: av.VideoFrame) -> Light:
    """From the side data of a decoded frame, where libav puts what the stream or the container says."""
    content = _data(frame, "CONTENT_LIGHT_LEVEL")
    return Light(
        mastering=_mastering(_data(frame, "MASTERING_DISPLAY_METADATA")),
        content="{},{}".format(*struct.unpack_from("=II", content)) if any(content) else "",
        dynamic=tuple(dict.fromkeys(name for kind, name in _DYNAMIC.items() if _data(frame, kind))),
    )


def _data(frame: av.VideoFrame, kind: str) -> bytes:
    data = frame.side_data.get(kind)
    return b"" if data is None else bytes(data)


def _mastering(data: bytes) -> str:
    """AVMasteringDisplayMetadata: red, green, blue, white (x, y), darkest, brightest: fractions; then what is set."""
    if len(data) < 88:
        return ""
    numbers = struct.unpack_from("=22i", data)
    if not (numbers[20] and numbers[21]):
        return ""
    values = [top / bottom if bottom else 0.0 for top, bottom in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
    red, green, blue, white = (
        "({},{})".format(*(round(value * _CHROMATICITY) for value in values[place : place + 2]))
        for place in range(0, 8, 2)
    )
    darkest, brightest = (round(value * _LUMINANCE) for value in values[8:])
    return f"G{green}B{blue}R{red}WP{white}L({brightest},{darkest})"
