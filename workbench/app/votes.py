"""Answers of a blind test, kept with the comparison that it was made of."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from typing import Any

from workbench.app.errors import RequestError
from workbench.app.service import Service
from workbench.errors import InputError
from workbench.player.votes import Vote, result

_ONE_AT_A_TIME = threading.Lock()


def keep_vote(service: Service, token: str, sent: bytes) -> dict[str, Any]:
    """Keeps one answer -> all of this job's, and their scores. Raises RequestError for what is none, NotFound."""
    names = service.status(token).result.get("names", {}).values()
    try:
        vote = Vote.from_dict(json.loads(sent))
    except (ValueError, InputError) as error:
        raise RequestError(f"this is no vote ({error}).") from error
    if not {vote.one, vote.other} <= set(names):
        raise RequestError("a vote is on two versions that this job has compared.")
    with _ONE_AT_A_TIME:
        kept = service.store.add_vote(token, asdict(vote))
    return result([Vote.from_dict(values) for values in kept])
