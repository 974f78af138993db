"""task_post: finished tasks are set."""

import gzip
import json

import pytest

import shapes
from api_client import ORGANIC
from harness.wait import wait_for


def field_error(answer, name):
    return answer["status_code"] == 40501 and f"'{name}'" in answer["status_message"]


def test_what_is_answered(empty):
    task = {"id": "0197f0aa-1", "keyword": "marcus rashford", "language_name": "English", "priority": 2, "tag": "t",
            "postback_url": empty.hook(), "postback_data": "advanced", "result": {"items": [1, 2]}}
    (answer,) = empty.acme.set(task)
    del task["result"]
    assert (answer["id"], answer["status_code"], answer["status_message"]) == ("0197f0aa-1", 20100, "Task Created.")
    assert answer["data"] == {"api": "serp", "function": "task_post", "se": "google", "se_type": "organic", **task}
    assert answer["path"] == ["v3", "serp", "google", "organic", "task_post"] and answer["result"] is None
    d = empty.delivery("0197f0aa-1")
    assert (d["state"], d["lane"], d["delay_ms"]) == ("queued", "acme", "0")


def test_an_id_is_made_where_there_is_none(empty):
    a, b = empty.acme.set({"result": 1}, {"result": 2, "id": None})
    shapes.check(a["id"], shapes.UUID)
    shapes.check(b["id"], shapes.UUID)
    assert a["id"] != b["id"]


@pytest.mark.parametrize("name,value", [
    ("id", 7), ("id", ""), ("id", "x" * 256), ("id", []),
    ("id", "a\u0000b"),
    ("tag", 7), ("tag", {}), ("tag", "x" * 256), ("tag", "a\nb"), ("tag", "a\u0000"),
    ("postback_url", 7), ("postback_url", ""), ("postback_url", "ftp://a.example/"), ("postback_url", "//a.example/"),
    ("postback_url", "http://"), ("postback_url", "http://a.example/ x"), ("postback_url", "http://$id.example/"),
    ("postback_url", "http://u:p@a.example/"), ("postback_url", "javascript:alert(1)"), ("postback_url", "http://a.example/" + "x" * 5000),
    ("pingback_url", True), ("pingback_url", "file:///etc/passwd"), ("pingback_url", "http://a.example/$nope"),
    ("postback_data", "everything"), ("postback_data", 1), ("postback_data", ""),
])
def test_a_wrong_field_is_named(empty, name, value):
    wrong, right = empty.acme.set({"result": 1, name: value}, {"result": 1, "id": "fine"})
    assert field_error(wrong, name), wrong
    assert right["status_code"] == 20100, "the others still go"
    assert wrong["data"][name] == value and empty.acme.counts()["total"] == 1


@pytest.mark.parametrize("element,name", [
    (b'{"result":1,"result":2}', "result"), (b'{"result":1,"id":"a","id":"b"}', "id"),
    (b'{"result":1,"postback_url":"http://a.example/","postback_url":"http://b.example/"}', "postback_url"),
    (b'{"result":1,"note":"' + b"x" * 17000 + b'"}', "data")])
def test_what_is_missing_or_twice_or_too_long(empty, element, name):
    answer = empty.acme.post(ORGANIC + "/task_post", b"[" + element + b"]")
    assert field_error(answer["tasks"][0], name), answer
    assert empty.acme.counts()["total"] == 0


@pytest.mark.parametrize("element", [b"1", b"null", b'"x"', b"[]", b"true"])
def test_an_element_that_is_no_object(empty, element):
    answer = empty.acme.post(ORGANIC + "/task_post", b'[' + element + b',{"result":1}]')
    assert [t["status_code"] for t in answer["tasks"]] == [40503, 20100]


@pytest.mark.parametrize("body,code", [
    (b"", 40502), (b"  \n", 40502), (b"[]", 40502), (b"[ ]", 40502), (b"{}", 40503), (b'{"result":1}', 40503), (b"null", 40503),
    (b"7", 40503), (b'"x"', 40503), (b"[", 40503), (b"[{]", 40503), (b"[{}]x", 40503), (b"[1,]", 40503), (b"[NaN]", 40503),
    (b'[{"a":"\xff"}]', 40503), (b'[{"a":"\x01"}]', 40503), (b"\xef\xbb\xbf\xef\xbb\xbf[{}]", 40503), (b"[" * 100000, 40503),
    (gzip.compress(b"[{]", mtime=0), 40503), (gzip.compress(b"[1]", mtime=0)[:-4], 40503), (b"[" + b"1," * 100 + b"1]", 40006)])
def test_a_body_that_is_refused(empty, body, code):
    empty.acme.refused(ORGANIC + "/task_post", body, code)
    assert empty.acme.counts()["total"] == 0


def test_a_hundred_and_no_more(empty):
    answers = empty.acme.set(*[{"result": i, "id": f"t{i}"} for i in range(100)])
    assert [t["id"] for t in answers] == [f"t{i}" for i in range(100)]
    assert all(t["status_code"] == 20100 for t in answers)
    empty.acme.refused(ORGANIC + "/task_post", [{"result": 1}] * 101, 40006)
    assert empty.acme.counts()["total"] == 100


@pytest.mark.parametrize("label,body", [
    ("gzip", gzip.compress(b'[{"id":"a","result":1}]', mtime=0)), ("gzip", b'[{"id":"a","result":1}]'), ("br", b'[{"id":"a","result":1}]'),
    (None, gzip.compress(b'[{"id":"a","result":1}]', mtime=0))])
def test_the_encoding_is_what_the_bytes_are(empty, label, body):
    status, _, text = empty.acme.raw("POST", ORGANIC + "/task_post", body, {"Content-Encoding": label} if label else None)
    assert status == 200 and json.loads(text)["tasks"][0]["status_code"] == 20100, text


@pytest.mark.parametrize("path", ["/v3/serp/task_post", "/v3/serp/a/b/c/d/task_post", "/v3//serp//google//organic//task_post",
                                  "//v3/serp/google/organic/task_post/", "/v3/content_analysis/x.y-z_1/task_post"])
def test_any_path_between(empty, path):
    (answer,) = empty.acme.post(path, [{"result": 1}])["tasks"]
    assert answer["status_code"] == 20100 and answer["path"] == [s for s in path.split("/") if s]


@pytest.mark.parametrize("path", ["/v3/task_post", "/v3/serp/task_post/x", "/v3/serp", "/v3/serp/Task_Post", "/v3/serp/a%zz/task_post",
                                  "/v3/serp/%00/task_post", "/v3" + "/a" * 30 + "/task_post"])
def test_a_path_that_is_none(empty, path):
    status, _, text = empty.acme.raw("POST", path, b'[{"result":1}]')
    assert status == 404
    answer = json.loads(text)
    shapes.check_failure(answer, answer["status_code"])
    assert answer["status_code"] in (40400, 40402)


@pytest.mark.parametrize("path", ["/v3/se%20rp/task_post", "/v3/a%2fb/task_post", "/v3/serp/%0a/task_post", "/v3/" + "x" * 65 + "/task_post"])
def test_words_of_a_path_are_plain(empty, path):
    status, _, text = empty.acme.raw("POST", path, b'[{"result":1}]')
    assert json.loads(text)["status_code"] == 40402, (status, text)
    assert empty.acme.counts()["total"] == 0


def test_the_same_again_is_a_repeat_and_another_is_refused(empty):
    task = {"id": "a", "result": {"n": 1}, "postback_url": empty.hook()}
    assert [t["status_code"] for t in empty.acme.set(task, task)] == [20100, 20100]
    assert len(empty.stack.keys.queue("acme")) == 1, "queued once"
    (other,) = empty.acme.set({**task, "tag": "x"})
    assert field_error(other, "id")
    (theirs,) = empty.beta.set(task)
    assert theirs["status_code"] == 20100, "its ids are its own"
    assert empty.admin.counts()["total"] == 2


def test_an_id_is_taken_whether_its_task_has_webhooks_or_not(service):
    service.conf["redis"]["partitions"] = 7
    service.start(dispatchers=0)
    ids = [f"t{i}" for i in range(20)]
    kept = [{"id": i, "result": 1} for i in ids]
    sent = [{**t, "postback_url": service.hook()} for t in kept]
    assert {t["status_code"] for t in service.acme.set(*kept)} == {20100}
    assert {t["status_code"] for t in service.acme.set(*kept)} == {20100}, "repeats"
    assert all(field_error(t, "id") for t in service.acme.set(*sent))
    assert service.acme.counts()["total"] == 20 and sorted(service.acme.ready_ids()) == sorted(ids)
    assert all(service.acme.task(i)["status_code"] == 20000 for i in ids) and service.acme.counts()["done_fetched"] == 20


def test_many_results_and_what_is_in_them_are_kept_byte_by_byte(api):
    body = b'[{"id":"a", "result" : {"big": 123456789012345678901234567890, "f":1.50, "e":1e999, "u":"\\u00e9\\/", "k":{"a":1,"a":2}} }]'
    assert api.acme.post(ORGANIC + "/task_post", body)["tasks"][0]["status_code"] == 20100
    _, _, text = api.acme.raw("GET", ORGANIC + "/task_get/advanced/a")
    assert b'"result":[{"big": 123456789012345678901234567890, "f":1.50, "e":1e999, "u":"\\u00e9\\/", "k":{"a":1,"a":2}}]' in text


def test_a_large_result(api):
    text = "x" * (3 << 20)
    ident = api.acme.set_one(result={"text": text}, postback_url=api.hook())
    request = api.sink.wait_count(1)[0]
    assert json.loads(gzip.decompress(request.body))["tasks"][0]["result"] == [{"text": text}]
    wait_for(lambda: api.delivery(ident)["state"] == "done")
    assert api.acme.task(ident)["result"] == [{"text": text}]


# --- requests that are sent ---

def test_a_postback_is_the_envelope_of_task_get(api):
    ident = api.acme.set_one(tag="a tag", postback_url=api.hook(), postback_data="regular", keyword="k", result={"a": [1, None]})
    request = api.sink.wait_count(1)[0]
    assert (request.method, request.query) == ("POST", {"id": ident, "tag": "a tag"})
    assert request.header("Content-Encoding") == "gzip" and request.header("Content-Type").startswith("application/json")
    envelope = json.loads(gzip.decompress(request.body))
    shapes.check_envelope(envelope)
    (task,) = envelope["tasks"]
    assert (task["id"], task["status_code"], task["result"], task["result_count"]) == (ident, 20000, [{"a": [1, None]}], 1)
    assert task["path"] == ["v3", "serp", "google", "organic", "task_get", "regular", ident]
    assert task["data"]["keyword"] == "k" and task["data"]["postback_data"] == "regular"
    wait_for(lambda: api.delivery(ident)["state"] == "done")
    got = api.acme.task(ident, "regular")
    assert {**got, "time": 0} == {**task, "time": 0}, "the same as task_get answers"


def test_a_stored_envelope_goes_as_it_is(api):
    stored = b'{"version": "x", "tasks" : [ {"id":"other"} ]}'
    api.acme.post(ORGANIC + "/task_post", b'[{"id":"a","postback_url":"%s","result":%s}]' % (api.hook().encode(), stored))
    assert gzip.decompress(api.sink.wait_count(1)[0].body) == stored
    wait_for(lambda: api.delivery("a")["state"] == "done")
    assert api.acme.raw("GET", ORGANIC + "/task_get/advanced/a")[2] == stored


def test_a_pingback_only_tells(api):
    ident = api.acme.set_one(tag="t&1", pingback_url=api.hook())
    request = api.sink.wait_count(1)[0]
    assert (request.method, request.query, request.body) == ("GET", {"id": ident, "tag": "t&1"}, b"")


def test_both(api):
    ident = api.acme.set_one(pingback_url=api.hook("/ping"), postback_url=api.hook("/post"))
    requests = api.sink.wait_count(2)
    assert sorted((r.method, r.path) for r in requests) == [("GET", "/ping"), ("POST", "/post")]
    assert {r.delivery for r in requests} == {f"@acme/{ident}:pingback@acme", f"@acme/{ident}:postback@acme"}


@pytest.mark.parametrize("egress", [{}, {"allow": ["127.0.0.1/32"]}, {"allow_accounts": ["10.0.0.0/8"]}, {"allow_accounts": ["127.0.0.0/8"]},
                                    {"allow_accounts": ["0.0.0.0/0", "::/0"]}], ids=str)
def test_special_addresses_are_refused(service, egress):
    service.conf["dispatcher"]["egress"] = egress
    service.start()
    ident = service.acme.set_one(postback_url=service.hook())
    wait_for(lambda: service.delivery(ident).get("state") == "dead", message=lambda: service.delivery(ident))
    assert service.delivery(ident)["last_error"] == "blocked_address" and service.sink.requests == []
    assert service.acme.ready_ids() == [ident], "its result can be fetched"


def test_what_senders_write_and_rfc_8259_allows(empty):
    """A byte order mark, half a surrogate pair in the result, a tag of 255 characters that are no ASCII."""
    body = '[{"id":"odd","tag":"%s","result":{"text":"cut \\ud83d"}}]' % ("ж" * 255)
    (task,) = empty.acme.call("POST", ORGANIC + "/task_post", b"\xef\xbb\xbf" + body.encode())["tasks"]
    assert task["status_code"] == 20100 and task["data"]["tag"] == "ж" * 255
    (task,) = empty.acme.set({"tag": "ж" * 256})
    assert task["status_code"] == 40501
