"""A fake provider of tasks: its task_get and tasks_ready, in the documented shapes.

    provider = Provider()
    provider.done("t1", tag="x")            # a result is there
    conf["sources"]["in"] = provider.source("out")
    receiver.get("/in/in?id=t1", listener="ingest")    # the pingback

What a task is answered with can be changed at any time; any other answer can be scripted with on(), as of a Downstream.
"""

import base64
import gzip
import json
import time
from urllib.parse import unquote

from harness import config
from harness.downstream import Answer, Downstream

LOGIN = "login:provider-password"
PATH = "/v3/serp/google/organic"
MESSAGES = {20000: "Ok.", 40100: "You are not authorized to access this resource.", 40202: "Rate limit per minute exceeded.",
            40401: "Task Not Found.", 40601: "Task Handed.", 40602: "Task In Queue."}


def envelope(function, code=20000, result=None, ident="0197f0aa-0000-7000-8000-000000000000", tag=None) -> dict:
    """What every call of the API answers: one task with CODE, and RESULT as its result."""
    task = {"id": ident, "status_code": code, "status_message": MESSAGES.get(code, "Error."), "time": "0.0123 sec.",
            "cost": 0, "result_count": len(result or []), "path": PATH[1:].split("/") + function.split("/"),
            "data": {"api": "serp", "function": function.split("/")[0], "se": "google", "se_type": "organic"},
            "result": result}
    if tag is not None:
        task["data"]["tag"] = tag
    return {"version": "0.1.20260525", "status_code": 20000, "status_message": "Ok.", "time": "0.0456 sec.", "cost": 0,
            "tasks_count": 1, "tasks_error": int(code >= 40000), "tasks": [task]}


def refusal(code) -> dict:
    """A request-level error: no tasks."""
    return {"version": "0.1.20260525", "status_code": code, "status_message": MESSAGES[code], "time": "0 sec.",
            "cost": 0, "tasks_count": 0, "tasks_error": 0, "tasks": None}


class Task:
    def __init__(self, ident, code, tag, result):
        self.ident, self.code, self.tag, self.result = ident, code, tag, result
        self.collected = False


class Provider(Downstream):
    """Serves task_get/advanced/<id> and tasks_ready under PATH, to those who know LOGIN."""

    def __init__(self, **options):
        self.tasks = {}
        self.compress = False
        super().__init__(**options)

    def source(self, to, **more) -> dict:
        """A source of this provider that sends to the destinations TO."""
        return config.source(to, fetch={"url": self.url(PATH + "/task_get/advanced/$id"), "basic": LOGIN}, **more)

    def set(self, ident, code, tag=None, result=None):
        with self.changed:
            self.tasks[ident] = Task(ident, code, tag, result or [{"keyword": ident, "items": [{"rank": 1}]}])

    def done(self, ident, tag=None, result=None):
        """Task IDENT has a result."""
        self.set(ident, 20000, tag, result)

    def gets(self, ident=None):
        """The requests of task_get, for one task or all."""
        return [r for r in self.all() if "/task_get/" in r.path and ident in (None, r.path.rsplit("/", 1)[1])]

    def asked(self):
        """The requests of tasks_ready."""
        return [r for r in self.all() if r.path.endswith("/tasks_ready")]

    def body_of(self, ident) -> bytes:
        """The answer of task_get for a task, uncompressed."""
        task = self.tasks.get(ident)
        code = task.code if task else 40401
        return json.dumps(envelope("task_get/advanced", code, task.result if code == 20000 else None, ident,
                                   task.tag if task else None)).encode()

    def _unscripted(self, request) -> Answer:
        with self.changed:
            return self._api(request)

    def _api(self, request) -> Answer:
        wanted = "Basic " + base64.b64encode(LOGIN.encode()).decode()
        if request.header("Authorization") != wanted:
            return self._reply(request, json.dumps(refusal(40100)).encode(), 401)
        if request.method == "GET" and request.path == PATH + "/tasks_ready":
            return self._reply(request, json.dumps(envelope("tasks_ready", result=self._ready())).encode())
        if request.method == "GET" and request.path.startswith(PATH + "/task_get/advanced/"):
            ident = unquote(request.path.rsplit("/", 1)[1])
            body = self.body_of(ident)
            if ident in self.tasks and self.tasks[ident].code == 20000:
                self.tasks[ident].collected = True
            return self._reply(request, body)
        return self._reply(request, json.dumps(refusal(40401)).encode(), 404)

    def _ready(self):
        posted = time.strftime("%Y-%m-%d %H:%M:%S +00:00", time.gmtime())
        return [{"id": t.ident, "se": "google", "se_type": "organic", "date_posted": posted, "tag": t.tag,
                 "endpoint_regular": f"{PATH}/task_get/regular/{t.ident}",
                 "endpoint_advanced": f"{PATH}/task_get/advanced/{t.ident}", "endpoint_html": None}
                for t in self.tasks.values() if t.code == 20000 and not t.collected]

    def _reply(self, request, body, status=200) -> Answer:
        headers = {"Content-Type": "application/json"}
        if self.compress and "gzip" in (request.header("Accept-Encoding") or ""):
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        return Answer(status=status, headers=headers, body=body)
