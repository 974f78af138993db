"""errors, id_list and the small calls."""

import json
import time

import pytest

import shapes
from harness.downstream import Answer
from harness.wait import wait_for

HOUR_AGO = time.strftime("%Y-%m-%d %H:%M:%S +00:00", time.gmtime(time.time() - 3600))
IN_AN_HOUR = time.strftime("%Y-%m-%d %H:%M:%S +00:00", time.gmtime(time.time() + 3600))


# --- errors ---

@pytest.fixture
def failed(api):
    """Three failed attempts: two of postbacks (one in HTTP, one refused), one of a pingback."""
    api.sink.on("/a", Answer(status=500, body=b"no\x01 \xff")).on("/b", Answer(status=503))
    api.posted = api.acme.set_one(postback_url=api.hook("/a"), tag="x")
    api.ping = api.acme.set_one(pingback_url=api.hook("/b"))
    api.down = api.acme.set_one(postback_url="http://127.0.0.1:1/c?id=$id")
    wait_for(lambda: len(api.acme.errors()) == 3, message=lambda: api.acme.errors())
    return api


def test_what_is_told_of_a_failed_attempt(failed):
    by_id = {e["id"]: e for e in failed.acme.errors()}
    e = by_id[failed.posted]
    assert (e["function"], e["http_method"], e["http_code"], e["error_code"]) == ("postback_url", "POST", 500, 500)
    assert e["http_url"] == failed.hook("/a").replace("$id", failed.posted).replace("$tag", "x")
    assert e["error_message"] == "http_500" and 0 <= e["http_time"] < 5 and e["http_response"].startswith("no")
    e = by_id[failed.ping]
    assert (e["function"], e["http_method"], e["http_code"]) == ("pingback_url", "GET", 503)
    e = by_id[failed.down]
    assert (e["http_code"], e["error_code"], e["error_message"], e["http_response"]) == (0, 50000, "connect_refused", "")


def test_a_kib_of_the_answer_is_told(api):
    text = "".join(f"{i:04} " for i in range(1000))
    api.sink.on(None, Answer(status=500, body=text.encode()))
    api.acme.set_one(postback_url=api.hook())
    wait_for(lambda: api.acme.errors())
    assert api.acme.errors()[0]["http_response"] == text[:512]


def test_a_fetch_that_failed_is_told_of_its_task(service):
    provider = service.stack.provider()
    service.conf["sources"]["in"] = provider.source([])
    service.start()
    provider.set("t1", 40501)
    service.receiver.get("/in/in?id=t1", listener="ingest")
    wait_for(lambda: service.admin.errors())
    e = service.admin.errors()[0]
    assert (e["id"], e["http_method"], e["http_code"], e["error_message"]) == ("t1", "GET", 200, "task_40501")
    assert e["http_url"] == provider.url("")  # the path of a configured URL may be a secret
    assert service.admin.task(e["id"])["status_code"] == 40602


def test_errors_are_filtered_and_paged(failed):
    everything = failed.acme.errors()
    assert {e["id"] for e in failed.acme.errors(filtered_function="postback_url")} == {failed.posted, failed.down}
    assert [e["id"] for e in failed.acme.errors(filtered_function="pingback_url")] == [failed.ping]
    assert failed.acme.errors(limit=2) == everything[:2] and failed.acme.errors(limit=2, offset=2) == everything[2:]
    assert failed.acme.errors(limit=0) == [] and failed.acme.errors(offset=3) == []
    assert failed.acme.errors(datetime_to=HOUR_AGO) == [] and failed.acme.errors(datetime_from=IN_AN_HOUR) == []
    assert failed.acme.errors(datetime_from=HOUR_AGO, datetime_to=IN_AN_HOUR) == everything
    assert failed.beta.errors() == [] and len(failed.admin.errors()) == 3


BAD_PAGES = [("limit", -1), ("limit", 1001), ("limit", "5"), ("limit", 1.5), ("limit", True), ("offset", -1), ("offset", "x"), ("offset", 10**7),
             ("datetime_from", "yesterday"), ("datetime_from", 7), ("datetime_from", "2026-02-30 00:00:00 +00:00"),
             ("datetime_to", "2026-11-21"), ("datetime_to", "2026-11-21 02:15:49 UTC"), ("datetime_to", "2026-11-21 25:15:49 +00:00")]


@pytest.mark.parametrize("name,value", BAD_PAGES + [("filtered_function", "task_get"), ("filtered_function", 7)])
def test_a_wrong_parameter_of_errors(empty, name, value):
    answer = empty.acme.post("/v3/serp/errors", [{name: value}])
    shapes.check_failure(answer, 40501)
    assert f"'{name}'" in answer["status_message"]


@pytest.mark.parametrize("path", ["/v3/serp/errors", "/v3/serp/id_list"])
@pytest.mark.parametrize("body,code", [(b"", 40502), (b"[]", 40502), (b"{}", 40503), (b"[7]", 40503), (b"[{},{}]", 40000), (b"x", 40503)])
def test_a_body_that_is_refused(empty, path, body, code):
    empty.acme.refused(path, body, code)


def test_moments_with_an_offset(failed):
    now = time.time()
    local = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now + 7200 - 60))
    assert len(failed.acme.errors(datetime_from=local + " +02:00")) == 3
    assert failed.acme.errors(datetime_from=local + " -02:00") == []
    assert len(failed.acme.errors(datetime_from=HOUR_AGO[:19])) == 3


# --- id_list ---

def test_what_is_told_of_a_task(api):
    kept = api.acme.set_one(keyword="k")
    api.sink.on(None, Answer(action="hang"), 200)
    flying = api.acme.set_one(postback_url=api.hook(), path="/v3/merchant/amazon")
    wait_for(lambda: api.delivery(flying).get("state") == "inflight")
    by_id = {e["id"]: e for e in api.acme.id_list(include_metadata=True)}
    e = by_id[kept]
    assert (e["url"], e["status"], e["cost"]) == ("/v3/serp/google/organic/task_post", "Ok.", 0) and e["datetime_done"] is not None
    assert e["metadata"] == {"api": "serp", "function": "task_post", "se": "google", "se_type": "organic", "keyword": "k"}
    e = by_id[flying]
    assert (e["url"], e["status"], e["datetime_done"]) == ("/v3/merchant/amazon/task_post", "Ok.", e["datetime_posted"])


def test_id_list_is_paged_and_sorted(empty):
    ids = [f"t{i:03}" for i in range(250)]
    for i in range(0, 250, 50):
        empty.acme.set(*[{"id": t, "result": 1} for t in ids[i:i + 50]])
    def listed(**page):
        return [e["id"] for e in empty.acme.id_list(**page)]
    assert listed() == listed(sort="asc") == ids and listed(sort="desc") == ids[::-1]
    walked = []
    while page := listed(sort="asc", limit=40, offset=len(walked)):
        walked += page
    assert walked == ids
    assert listed(limit=0) == [] and listed(offset=250) == []
    assert listed(datetime_from=HOUR_AGO, datetime_to=IN_AN_HOUR, sort="asc") == ids
    assert listed(datetime_to=HOUR_AGO) == [] and listed(datetime_from=IN_AN_HOUR) == []


def test_a_moment_means_all_of_its_second(empty):
    ident = empty.acme.set_one()
    (entry,) = empty.acme.id_list()
    at = entry["datetime_posted"]
    assert [e["id"] for e in empty.acme.id_list(datetime_from=at, datetime_to=at)] == [ident]


@pytest.mark.parametrize("name,value", BAD_PAGES + [("sort", "up"), ("sort", 1), ("include_metadata", "yes"), ("include_metadata", 1)])
def test_a_wrong_parameter_of_id_list(empty, name, value):
    answer = empty.acme.post("/v3/serp/id_list", [{name: value}])
    shapes.check_failure(answer, 40501)
    assert f"'{name}'" in answer["status_message"]


# --- the small ones ---

def test_codes(empty):
    codes = {c["code"]: c["message"] for c in empty.acme.result("/v3/appendix/errors", shapes.CODE)}
    assert codes[20000] == "Ok." and codes[20100] == "Task Created." and codes[40401] == "Task Not Found."
    assert {40000, 40006, 40100, 40400, 40403, 40501, 40502, 40503, 40601, 40602, 50000} <= set(codes)


def test_status(empty):
    (status,) = empty.acme.result("/v3/appendix/status", shapes.STATUS)
    assert {e["endpoint"] for e in status["endpoints"]} >= {"task_get", "task_post", "postback/pingback"}


@pytest.mark.parametrize("path", ["/v3/serp/tasks_fixed", "/v3/serp/google/organic/tasks_fixed"])
def test_nothing_is_fixed(empty, path):
    assert empty.acme.result(path, shapes.READY) == []


def test_a_base_url_that_ends_in_a_slash(empty):
    status, _, text = empty.acme.raw("GET", "//v3/appendix/user_data")
    assert status == 200 and json.loads(text)["tasks"][0]["path"] == ["v3", "appendix", "user_data"]


@pytest.mark.parametrize("method,path", [("GET", "/v3/appendix/webhook_resend"), ("POST", "/v3/appendix/user_data"), ("DELETE", "/v3/tasks/count"),
                                         ("GET", "/v3/serp/errors"), ("GET", "/v3/serp/google/organic/task_post"), ("GET", "/v3/x"),
                                         ("POST", "/v3/serp/google/errors")])
def test_what_there_is_not(empty, method, path):
    status, _, text = empty.acme.raw(method, path, b"[{}]" if method == "POST" else None)
    assert status == 404
    shapes.check_failure(json.loads(text), 40400)


@pytest.mark.parametrize("method,path,body", [
    ("GET", "/v3/tasks/count", None), ("GET", "/v3/serp/tasks_ready", None), ("GET", "/v3/serp/task_get/x", None),
    ("POST", "/v3/serp/id_list", b"[{}]"), ("POST", "/v3/serp/errors", b"[{}]"), ("POST", "/v3/appendix/webhook_resend", b'[{"id":"a"}]'),
    ("POST", "/v3/serp/task_post", b'[{"result":1}]'), ("GET", "/v3/appendix/webhook_delay", None),
    ("POST", "/v3/appendix/webhook_delay", b'[{"webhook_delay":100}]'), ("GET", "/v3/appendix/user_data", None), ("GET", "/v3/appendix/status", None)])
def test_without_redis_it_says_so(quiet, stack, method, path, body):
    stack.redis.kill9()
    status, headers, text = quiet.acme.raw(method, path, body)
    assert status == 500 and headers["Retry-After"]
    shapes.check_failure(json.loads(text), 50000)
