#!/usr/bin/python3
"""A stand-in for DataForSEO on 127.0.0.1:8099: task a1 is done, task a2 is done and its pingback never comes."""

import sys
import threading
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from harness.provider import Provider  # noqa: E402

made = Provider(port=8099)
made.on("/_ready", 200)
for task in ("a1", "a2"):
    made.done(task, tag="batch-7", result=[{"keyword": "shoes", "items": [{"rank": 1}]}])
threading.Event().wait()
