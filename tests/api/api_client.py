"""A client of the API that looks at every answer's shape."""

import base64
import json
import urllib.request
from urllib.error import HTTPError

import shapes

ORGANIC = "/v3/serp/google/organic"
PASSWORDS = {"admin": "admin-password", "acme": "acme-password", "beta": "beta-password"}


def basic(login, password):
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


class Api:
    """Calls as one account. Every answer is checked to be an envelope."""

    def __init__(self, receiver, login, password):
        self.receiver = receiver
        self.auth = basic(login, password)

    def raw(self, method, path, body=None, headers=None):
        """(HTTP status, headers, bytes)"""
        request = urllib.request.Request(f"http://{self.receiver.admin}{path}", body, method=method)
        if self.auth:
            request.add_header("Authorization", self.auth)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read()

    def call(self, method, path, body=None):
        status, headers, text = self.raw(method, path, body)
        assert status == 200, (status, text)
        assert headers["Content-Type"] == "application/json"
        answer = json.loads(text)
        if answer["tasks"] is not None:
            shapes.check_envelope(answer)
        return answer

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, value):
        return self.call("POST", path, value if isinstance(value, bytes) else json.dumps(value).encode())

    def refused(self, path, value, code):
        """A POST that is refused as a whole."""
        shapes.check_failure(self.post(path, value), code)

    def result(self, path, shape, value=None, code=20000):
        """The result of a call that answers with one task, every element of SHAPE."""
        answer = self.get(path) if value is None else self.post(path, value)
        (task,) = answer["tasks"]
        assert task["status_code"] == code and task["status_message"] == "Ok.", answer
        shapes.check(task["id"], shapes.UUID)
        assert task["path"] == [s for s in path.split("?")[0].split("/") if s]
        shapes.check(task["result"], [shape])
        return task["result"]

    # --- the calls ---
    def set(self, *tasks, path=ORGANIC):
        """task_post; answers the tasks."""
        return self.post(path + "/task_post", list(tasks))["tasks"]

    def set_one(self, path=ORGANIC, **task):
        """One finished task that must be taken; answers its id."""
        (answer,) = self.set({"result": {"n": 1}, **task}, path=path)
        assert (answer["status_code"], answer["status_message"]) == (20100, "Task Created."), answer
        return answer["id"]

    def task(self, ident, kind="advanced", path=ORGANIC):
        (task,) = self.get(f"{path}/task_get/{kind + '/' if kind else ''}{ident}")["tasks"]
        return task

    def pend(self, *idents, **task):
        """Tasks without a result, which must be taken."""
        answers = self.set(*[{"id": ident, **task} for ident in idents])
        assert [a["status_code"] for a in answers] == [20100] * len(idents), answers

    def take(self, limit=10, lease_s=600):
        return self.result("/v3/tasks/take", shapes.TAKEN, [{"limit": limit, "lease_s": lease_s}])

    def take_ids(self, *args, **how):
        return [t["id"] for t in self.take(*args, **how)]

    def complete(self, *completions):
        return self.post("/v3/tasks/complete", list(completions))["tasks"]

    def complete_one(self, ident, code=20000, **what):
        (answer,) = self.complete({"id": ident, **what})
        assert answer["status_code"] == code, answer
        return answer

    def ready(self, path=ORGANIC):
        return self.result(path + "/tasks_ready", shapes.READY)

    def ready_ids(self, path=ORGANIC):
        return [r["id"] for r in self.ready(path)]

    def resend(self, *idents):
        return self.post("/v3/appendix/webhook_resend", [{"id": i} for i in idents])["tasks"]

    def errors(self, **parameters):
        return self.result("/v3/serp/errors", shapes.ERROR, [parameters])

    def id_list(self, **parameters):
        shape = shapes.LISTED_WITH_METADATA if parameters.get("include_metadata") else shapes.LISTED
        return self.result("/v3/serp/id_list", shape, [parameters])

    def counts(self):
        (counts,) = self.result("/v3/tasks/count", shapes.COUNTS)
        assert counts["total"] == sum(n for name, n in counts.items() if name != "total")
        assert min(counts.values()) >= 0, counts
        return counts

    def delay(self, query=""):
        (answer,) = self.get("/v3/appendix/webhook_delay" + query)["tasks"]
        return answer["result"][0]["webhook_delay"]

    def set_delay(self, delay, **whose):
        (answer,) = self.post("/v3/appendix/webhook_delay", [{"webhook_delay": delay, **whose}])["tasks"]
        return answer["result"][0]["webhook_delay"]
