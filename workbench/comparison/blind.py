"""A blind test of a comparison: a page on this machine that asks, and a file that keeps the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

from workbench.comparison.numbers import Numbers
from workbench.comparison.report import player_data, script_json
from workbench.comparison.store import Folder
from workbench.errors import InputError, OutputError
from workbench.player import script
from workbench.player.votes import Vote, result

FORMAT = "stream-diffvsr-blind/1"
MOST = 4096  # bytes of an answer


class Answers:
    """Votes in a JSON file, written anew with each; those that it holds already count too.

    ``about``: what was compared, by what machine and command. Raises InputError for a file of another comparison.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self.votes: list[Vote] = []
        self.names = [column["name"] for column in about["columns"]]
        if path.is_file():
            content = _read(path)
            known = [column["name"] for column in content["about"]["columns"]]
            if known != self.names:
                raise InputError(f"{path} holds answers on {', '.join(known)}; give --answers another file.")
            self.votes = [Vote.from_dict(vote) for vote in content["votes"]]

    def add(self, values: Any) -> dict[str, Any]:
        """Keeps a vote -> all votes and scores; raises InputError for one that is none."""
        vote = Vote.from_dict(values)
        if not {vote.one, vote.other} <= set(self.names):
            raise InputError(f"there are {', '.join(self.names)} to vote on, not {vote.one} and {vote.other}.")
        self.votes.append(vote)
        found = result(self.votes)
        content = {"format": FORMAT, "about": self.about} | found
        partial = self.path.with_name(f".{self.path.name}.partial")
        try:
            partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            partial.replace(self.path)
        except OSError as error:
            raise OutputError(f"the answer could not be kept in {self.path} ({error}).") from error
        return found


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} holds no answers of a blind test: it is not JSON ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} holds no answers of a blind test: expected format {FORMAT}.")
    return content


def blind_page(comparison: Numbers, store: Folder, rounds: int) -> str:
    """The page that asks; it sends each answer to ``votes`` beside it."""
    data: dict[str, Any] = player_data(comparison, store, comparison.columns) | {"rounds": rounds}
    page = files("workbench.comparison").joinpath("blind.html").read_text(encoding="utf-8")
    title = escape(str(comparison.about["clip"]["name"]))
    for name, content in {"ELEMENTS": script(), "TITLE": title, "DATA": script_json(data)}.items():
        page = page.replace(f"<!--{name}-->", content)
    return page


def serve(page: str, answers: Answers, port: int, *, ready: Callable[[str], None] = lambda url: None) -> None:
    """Shows the page on this machine only, until the person has ended the test. ``ready``: told its address."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(page.encode(), answers))
    try:
        ready(f"http://127.0.0.1:{server.server_address[1]}/")
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()


def _handler(page: bytes, answers: Answers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, page, "text/html; charset=utf-8") if self.path.split("?")[0] == "/" else self._answer(404)

        def do_POST(self) -> None:
            if self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
                return self._answer(403)  # another page that happens to be open
            if self.path == "/end":
                self._answer(200)
                self.server.shutdown()  # serve_forever runs in another thread than this request
                return None
            try:
                length = min(int(self.headers.get("Content-Length", "0")), MOST)
                told = answers.add(json.loads(self.rfile.read(length)))
            except (InputError, OutputError, ValueError) as error:
                return self._answer(400, str(error).encode())
            return self._answer(200, json.dumps(told).encode(), "application/json")

        def _answer(self, code: int, content: bytes = b"", kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the terminal is for the person."""

    return Handler


def table(votes: Sequence[Vote]) -> str:
    """Scores as aligned text."""
    from workbench.comparison.tables import aligned
    from workbench.player.votes import scores

    rows = [["", "score", "95 % interval", "preferred", "no difference"]]
    for s in scores(votes):
        interval = f"{s.low:+.2f} .. {s.high:+.2f}"
        rows.append([s.name, f"{s.score:+.2f}", interval, f"{s.preferred} of {s.looks}", f"{s.same}"])
    return aligned(rows)
