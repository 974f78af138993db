"""Bodies that are legal JSON and yet nothing that a client should send."""

import gzip
import json

import pytest

import shapes
from api_client import ORGANIC

RESEND = "/v3/appendix/webhook_resend"
ODD_IDS = ["", " ", "a b", "a\x00", "a\n", "é", "a~", "a~f", "a~2", "a~2~3", "a~-1", "a~99999999999999999999", "a:postback@acme",
           "*", "{p0}", "x" * 129, "x" * 16_000, "undefined"]


@pytest.mark.parametrize("path,code", [("/v3/appendix/webhook_delay", 20000), ("/v3/serp/errors", 20000), ("/v3/serp/id_list", 20000)])
def test_what_is_echoed_has_16_kib(quiet, path, code):
    value = [{"webhook_delay": 100, "note": "x" * 16_000}]
    (task,) = quiet.acme.post(path, value)["tasks"]
    assert task["status_code"] == code
    assert task["data"]["note"] == value[0]["note"]
    (task,) = quiet.acme.post(path, [{"webhook_delay": 100, "note": "x" * 300_000}])["tasks"]
    assert task["status_code"] == code
    assert set(task["data"]) == {"api", "function"}


def test_a_delay_that_stands_twice(quiet):
    for body in (b'[{"webhook_delay":100,"webhook_delay":null}]', b'[{"webhook_delay":null,"webhook_delay":100}]',
                 b'[{"webhook_delay":100,"webhook_delay":100}]', b'[{"webhook_delay":null,"webhook_delay":null}]'):
        quiet.acme.refused("/v3/appendix/webhook_delay", body, 40501)


def test_ids_that_no_task_has(quiet):
    quiet.acme.set_one(id="a", postback_url=quiet.hook())
    answers = quiet.acme.resend(*ODD_IDS)
    assert [(t["id"], t["status_code"]) for t in answers] == [(i, 40401) for i in ODD_IDS]
    assert all(t["result"] is None for t in answers)
    large, last = quiet.acme.resend("x" * 20_000, "a")
    assert (large["status_code"], large["id"] == "x" * 20_000, set(large["data"])) == (40503, False, {"api", "function"})
    assert last["status_code"] == 20100


@pytest.mark.parametrize("element", [b"1", b"null", b"[]", b"{}", b'{"id":null}', b'{"id":7}', b'{"id":["a"]}', b'{"id":"a","id":"a"}'])
def test_an_element_without_an_id_does_not_keep_others_back(quiet, element):
    quiet.acme.set_one(id="a", postback_url=quiet.hook())
    answers = quiet.acme.post(RESEND, b'[' + element + b',{"id":"a"}]')["tasks"]
    assert [t["status_code"] for t in answers] == [40503, 20100]


def test_fields_with_names_of_methods_are_kept_in_data(quiet):
    odd = {"hasOwnProperty": 1, "__proto__": {"x": [1, None]}, "constructor": "c", "": "", "a\"b": "é\u2028", "api": "x", "function": "y"}
    ident = quiet.acme.set_one(**odd)
    (task,) = quiet.acme.get(f"{ORGANIC}/task_get/advanced/{ident}")["tasks"]
    assert task["data"] == {**odd, "api": "serp", "function": "task_post", "se": "google", "se_type": "organic"}


@pytest.mark.parametrize("body", [gzip.compress(b'[{"result":1}]', mtime=0)[:-4], gzip.compress(b"[", mtime=0) + b"x", b"\x1f\x8b", b"\x1f\x8b" + b"\0" * 100,
                                  gzip.compress(gzip.compress(b'[{"result":1}]', mtime=0), mtime=0)])
def test_broken_gzip_is_invalid_data(quiet, body):
    quiet.acme.refused(ORGANIC + "/task_post", body, 40503)
    assert quiet.acme.counts()["total"] == 0


def test_a_bomb_is_refused(service):
    service.conf["receiver"]["max_inflated_bytes"] = 1 << 20
    service.start(dispatchers=0)
    bomb = gzip.compress(b'[{"result":"' + b"x" * (30 << 20) + b'"}]')
    service.acme.refused(ORGANIC + "/task_post", bomb, 40503)
    service.acme.set_one()


def test_pages_of_nothing(quiet):
    quiet.acme.set_one()
    assert quiet.acme.id_list(limit=0) == []
    assert quiet.acme.id_list(offset=1) == []
    assert quiet.acme.id_list(datetime_from="2030-01-01 00:00:00 +00:00", datetime_to="2020-01-01 00:00:00 +00:00") == []
    assert quiet.acme.errors(limit=0) == []


def test_a_body_that_is_too_large(service):
    service.conf["receiver"]["max_body_bytes"] = 4096
    service.start(dispatchers=0)
    assert service.acme.set({"result": "x" * 3000})[0]["status_code"] == 20100
    large = json.dumps([{"result": "x" * 5000}]).encode()
    for body in (large, iter([large])):         # with its length, and chunked
        status, _, text = service.acme.raw("POST", ORGANIC + "/task_post", body)
        assert status == 200
        shapes.check_failure(json.loads(text), 40503)
    exactly = b'[{"result":"' + b"x" * (4096 - 15) + b'"}]'
    for body in (exactly, iter([exactly])):
        assert json.loads(service.acme.raw("POST", ORGANIC + "/task_post", body)[2])["tasks"][0]["status_code"] == 20100
    assert len(exactly) == 4096
    assert service.acme.counts()["total"] == 3


def test_deep_and_wide_results(quiet):
    for value in ("[" * 30 + "]" * 30, json.dumps({str(i): i for i in range(20000)}), "1e400", "-0.0", "12345678901234567890123"):
        (task,) = quiet.acme.post(ORGANIC + "/task_post", b'[{"result":' + value.encode() + b"}]")["tasks"]
        assert task["status_code"] == 20100, value[:50]
        status, _, text = quiet.acme.raw("GET", f"{ORGANIC}/task_get/{task['id']}")
        assert status == 200 and b'"result":[' + value.encode() + b"]}]}" in text
    shapes.check_failure(quiet.acme.post(ORGANIC + "/task_post", b'[{"result":' + b"[" * 5000 + b"]" * 5000 + b"}]"), 40503)


def test_the_arrays_of_php_and_of_the_published_python_example(quiet):
    """post_data[len(post_data)] = dict(..), sent by the published client with a Content-Encoding that is not true."""
    tasks = {str(i): {"id": f"t{i}", "postback_url": quiet.hook(), "result": i} for i in range(12)}
    post = json.dumps(tasks).encode()
    status, _, text = quiet.acme.raw("POST", ORGANIC + "/task_post", post, {"Content-Encoding": "gzip"})
    assert status == 200 and [t["id"] for t in json.loads(text)["tasks"]] == [f"t{i}" for i in range(12)]
    answers = quiet.acme.post(RESEND, {str(i): {"id": f"t{i}"} for i in range(3)})["tasks"]
    assert [(t["id"], t["status_code"]) for t in answers] == [(f"t{i}", 20100) for i in range(3)]
    assert len(quiet.acme.post("/v3/serp/id_list", {"0": {"limit": 5}})["tasks"][0]["result"]) == 5
    for body in (b"{}", b'{"id":"t0"}', b'{"1":{"id":"t0"}}', b'{"0":{"id":"t0"},"0":{"id":"t1"}}'):
        quiet.acme.refused(RESEND, body, 40503)
    quiet.acme.refused(RESEND, {str(i): {"id": "t0"} for i in range(101)}, 40006)


def test_null_is_missing(quiet):
    """The published Python client posts every field that it knows, most of them null."""
    nothing = dict.fromkeys(["id", "tag", "postback_url", "pingback_url", "postback_data", "depth"])
    ident = quiet.acme.set_one(**nothing)
    assert quiet.acme.task(ident)["data"] == {**nothing, "api": "serp", "function": "task_post", "se": "google", "se_type": "organic"}
    assert [e["id"] for e in quiet.acme.id_list(**dict.fromkeys(["datetime_from", "datetime_to", "limit", "offset", "sort", "include_metadata"]))] == [ident]
    assert quiet.acme.errors(**dict.fromkeys(["datetime_from", "datetime_to", "limit", "offset", "filtered_function"])) == []
    assert quiet.acme.set_delay(300, destination=None, account=None) == 300
