"""The shapes of the API's answers, strictly: every field there, none besides, each of its exact JSON type."""

import re

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+00:00")
TIME = re.compile(r"\d+\.\d{4} sec\.")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Optional:
    """A field that may be null."""

    def __init__(self, kind):
        self.kind = kind


class Number:
    """An int or a float."""


def check(value, shape, where="$"):
    """Asserts that VALUE (from json.loads) has SHAPE: a type (bool is no int, int no float), a pattern for the whole of a string, a
    dict of all its fields (one whose name ends in ? may be missing), [shape] of all elements, Optional, Number, or None for exactly null."""
    if isinstance(shape, Optional):
        if value is not None:
            check(value, shape.kind, where)
    elif shape is Number:
        assert type(value) in (int, float), f"{where}: {value!r} is not a number"
    elif isinstance(shape, re.Pattern):
        assert type(value) is str and shape.fullmatch(value), f"{where}: {value!r} is not like {shape.pattern}"
    elif isinstance(shape, dict):
        assert type(value) is dict, f"{where}: {value!r} is not an object"
        shape = {name.rstrip("?"): kind for name, kind in shape.items() if name[-1] != "?" or name[:-1] in value}
        assert set(value) == set(shape), f"{where}: fields {sorted(value)} instead of {sorted(shape)}"
        for name, kind in shape.items():
            check(value[name], kind, f"{where}.{name}")
    elif isinstance(shape, list):
        assert type(value) is list, f"{where}: {value!r} is not a list"
        for i, element in enumerate(value):
            check(element, shape[0], f"{where}[{i}]")
    elif shape is None:
        assert value is None, f"{where}: {value!r} is not null"
    else:
        assert type(value) is shape, f"{where}: {value!r} is not {shape.__name__}"


TASK = {"id": str, "status_code": int, "status_message": str, "time": TIME, "cost": Number, "result_count": int,
        "path": [str], "data": dict, "result": Optional(list)}
ENVELOPE = {"version": str, "status_code": int, "status_message": str, "time": TIME, "cost": Number, "tasks_count": int,
            "tasks_error": int, "tasks": [TASK]}
FAILURE = {**ENVELOPE, "time": re.compile(r"0 sec\."), "tasks": None}

READY = {"id": str, "se": Optional(str), "se_type": Optional(str), "date_posted": MOMENT, "tag": Optional(str),
         "endpoint_regular": Optional(str), "endpoint_advanced": Optional(str), "endpoint_html": Optional(str)}
ERROR = {"id": str, "datetime": MOMENT, "function": re.compile("pingback_url|postback_url"), "error_code": int,
         "error_message": str, "error_detail?": str, "http_url": str, "http_method": re.compile("GET|POST"), "http_code": int,
         "http_time": float, "http_response": str}
LISTED = {"id": str, "url": str, "datetime_posted": MOMENT, "datetime_done": Optional(MOMENT), "status": str, "cost": Number}
LISTED_WITH_METADATA = {**LISTED, "metadata": dict}
COUNTS = {"done_fetched": int, "done_not_fetched": int, "processing": int, "pending": int, "failed": int, "total": int}
TAKEN = {"id": str, "tag": Optional(str), "api": str, "path": [str], "data": dict}
CODE = {"code": int, "message": str}
STATUS = {"api": str, "status": str, "endpoints": [{"endpoint": str, "status": str}]}
SPANS = {"day": {}, "minute": {}}
USER = {"login": str, "timezone": str, "rates": {"limits": SPANS, "statistics": SPANS},
        "money": {"total": Number, "balance": Number, "limits": SPANS, "statistics": SPANS}, "price": {},
        "backlinks_subscription_expiry_date": None, "llm_mentions_subscription_expiry_date": None,
        "role": re.compile("admin|user"), "webhook_delay": int}


def check_envelope(answer):
    """An answer that was worked on: counts and sums are true too."""
    check(answer, ENVELOPE)
    assert (answer["status_code"], answer["status_message"]) == (20000, "Ok.")
    assert answer["tasks_count"] == len(answer["tasks"])
    wrong = [t for t in answer["tasks"] if t["status_code"] >= 40000 and "'pingback' or 'postback'" not in t["status_message"]]
    assert answer["tasks_error"] == len(wrong)
    for task in answer["tasks"]:
        assert task["result_count"] == len(task["result"] or []), task


def check_failure(answer, code):
    """The request as a whole was refused."""
    check(answer, FAILURE)
    assert answer["status_code"] == code, answer
    assert (answer["tasks_count"], answer["tasks_error"]) == (0, 0)
