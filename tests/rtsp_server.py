"""A camera's RTSP server, for tests: one viewer at a time, who gets by TCP what comes to a UDP port as RTP."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SDP = "\r\n".join(
    (
        "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 127.0.0.1", "t=0 0", "m=video 0 RTP/AVP 96",
        "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1", "a=control:streamid=0", "",
    )
)  # fmt: skip
ANSWERS = {
    "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN", ""),
    "DESCRIBE": ("Content-Type: application/sdp", SDP),
    "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1", ""),
    "PLAY": ("Range: npt=0-", ""),
}


@contextmanager
def rtsp_server() -> Iterator[tuple[str, str]]:
    """-> (the address that viewers open, the address that H.264 is to be sent to by RTP)."""
    packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    packets.bind(("127.0.0.1", 0))
    packets.settimeout(20)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while words := self.rfile.readline().decode().split():
                fields = dict(line.split(": ", 1) for line in self._head())
                about, body = ANSWERS.get(words[0], ("Server: test", ""))
                lines = ("RTSP/1.0 200 OK", f"CSeq: {fields['CSeq']}", "Session: 1", about)
                length = f"Content-Length: {len(body)}\r\n" if body else ""
                self.wfile.write(("\r\n".join(lines) + f"\r\n{length}\r\n{body}").encode())
                if words[0] == "PLAY":
                    self._play()
                    return

        def _head(self) -> Iterator[str]:
            while line := self.rfile.readline().decode().strip():
                yield line

        def _play(self) -> None:
            try:
                while True:
                    packet = packets.recv(65536)
                    self.wfile.write(b"$\0" + len(packet).to_bytes(2, "big") + packet)
            except OSError:  # the viewer is gone
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"rtsp://127.0.0.1:{server.server_address[1]}/cam", f"rtp://127.0.0.1:{packets.getsockname()[1]}"
        finally:
            server.shutdown()
            packets.close()
