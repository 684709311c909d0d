"""A child for the tests of ``workbench.app.process``: echoes, refuses, breaks down or hangs, as it is told."""

from __future__ import annotations

import json
import os
import sys
import time


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    question = json.loads(line)
    if question["do"] == "crash":
        os.kill(os.getpid(), 11)
    if question["do"] == "hang":
        time.sleep(600)
    if question["do"] == "end":
        raise SystemExit(1)
    say("a library prints something")
    if question["do"] == "refuse":
        say(json.dumps({"error": "too dark", "kind": "SettingsError"}))
    elif question["do"] == "err":
        say(json.dumps({"error": "a fault: KeyError", "kind": "Fault"}))
    else:
        say(json.dumps({"ok": {"pid": os.getpid(), **question}}))
