"""What an event is: ids and tags, repeats, fan-out, the headers that travel with it."""

import json
import re
import time
from urllib.parse import quote

import pytest

from harness import config, http, sign
from harness.ingest import SECRET, accepted, make, queued, refused, scheme_source, secrets_for


# -- ids and tags --------------------------------------------------------------------------------------------


def test_where_ids_come_from(stack):
    receiver = make(stack, {"in": config.source("out") | {"id": ["/task/id", "/id"], "tag": ["/meta/0/tag", "/tag"]},
                            "hooks": scheme_source("standard-webhooks"), "hub": scheme_source("github")})
    accepted(receiver.post("/in/in?id=q", {"task": {"id": "first"}, "id": "second"}), "first")
    accepted(receiver.post("/in/in?id=q", {"task": {"id": None}, "id": 12345678901234567890}), "12345678901234567890")
    accepted(receiver.post("/in/in?x=1&id=a%3Ab", {"n": 1}), "a:b")
    made = accepted(receiver.post("/in/in", {"n": 2}))["echo"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made)
    body = b'{"n": 1}'
    hooks = sign.headers("standard-webhooks", secrets_for("standard-webhooks")[0], body, message_id="msg_77")
    accepted(receiver.post("/in/hooks", body, hooks), "msg_77")
    hub = sign.headers("github", SECRET, body, message_id="72d3162e-cc78-11e3-81ab-4c9367dc0958")
    accepted(receiver.post("/in/hub", body, hub), "72d3162e-cc78-11e3-81ab-4c9367dc0958")


def test_bad_ids(stack):
    receiver = make(stack)
    for value in ("", "x" * 256, "é" * 128, "a\u0000b", "a\nb", {}, [], {"id": 1}):
        refused(receiver.post("/in/in?id=fallback", json.dumps({"id": value}).encode()), 422, "invalid_id")
    refused(receiver.post("/in/in", b'{"id":"a","id":"b"}'), 422, "invalid_id")
    refused(receiver.post("/in/in?id=a%00b", {}), 422, "invalid_id")
    refused(receiver.post("/in/in?id=%ff", {}), 422, "invalid_id")
    refused(receiver.post("/in/in?id=a&id=b", {}), 422, "invalid_id")
    assert queued(stack) == 0
    accepted(receiver.post("/in/in", {"id": "x" * 255}), "x" * 255)
    accepted(receiver.post("/in/in", {"id": "A.z_0:-"}), "A.z_0:-")


ODD_IDS = ["rbtnWrG1DVDGGGFHFyun0A==", "gid://shopify/Order/1", "<a@b.example>", "a b", "é中😀", "a%2Fb", "a/b", "{a}", "$id", '"', "a~2"]


def test_ids_of_any_text(stack):
    receiver = make(stack)
    for ident in ODD_IDS:
        accepted(receiver.post("/in/in", {"id": ident}), ident)
        accepted(receiver.post("/in/in", {"id": ident}), ident, duplicate=True)
        accepted(receiver.post("/in/in", {"id": ident, "n": 2}), ident)
        accepted(receiver.post("/in/in", {"id": ident, "n": 2}), ident, duplicate=True)
    keys = [quote(ident, safe=":").replace("~", "%7E") for ident in ODD_IDS]
    assert stack.keys.queue("out") == [f"{key}{revision}:out" for key in keys for revision in ("", "~2")]


def tag_of(stack, ident):
    found = re.search(r"^t (.*)$", stack.redis.client().get("hookpace:{0}:event:" + ident).split("\n\n")[0], re.M)
    return found and found[1]


def test_tags(stack):
    receiver = make(stack)
    accepted(receiver.post("/in/in?tag=q+1%26", {"id": "a"}), "a")
    assert tag_of(stack, "a") == "q 1&"
    for n, tag in enumerate(("x" * 255, "ж" * 255, "中" * 255, "😀" * 255)):
        for where, answer in (("b", receiver.post("/in/in", {"id": f"b{n}", "tag": tag})),
                              ("q", receiver.post(f"/in/in?tag={quote(tag)}", {"id": f"q{n}"}))):
            accepted(answer)
            assert tag_of(stack, f"{where}{n}") == tag


def test_a_bad_tag_is_dropped_and_its_event_is_kept(stack):
    receiver = make(stack)
    bad = [{"tag": tag} for tag in ("a\nb", "x" * 256, "ж" * 256, "😀" * 256, "x" * 5000, {}, [1])]
    bodies = [json.dumps({"id": f"a{n}"} | body).encode() for n, body in enumerate(bad)] + [b'{"id":"a7","tag":"b","tag":"c"}']
    for n, body in enumerate(bodies):
        accepted(receiver.post("/in/in", body), f"a{n}")
        assert tag_of(stack, f"a{n}") is None
    accepted(receiver.post("/in/in?tag=%ff", {"id": "q"}), "q")
    assert tag_of(stack, "q") is None
    assert receiver.wait_log("tag.dropped")["source"] == "in"


def test_pingbacks(stack):
    receiver = make(stack, {"in": config.source("out"), "signed": scheme_source("serphouse")})
    accepted(http.get(receiver.ingest, "/in/in?id=a&tag=t"), "a")
    accepted(http.get(receiver.ingest, "/in/in?id=a&tag=t"), "a", duplicate=True)
    assert stack.redis.client().get("hookpace:{0}:event:a").split("\n")[0].endswith(" in 0 n")  # it has no body
    refused(http.get(receiver.ingest, "/in/in"), 422, "invalid_id")
    refused(http.get(receiver.ingest, "/in/in?tag=t"), 422, "invalid_id")
    refused(http.get(receiver.ingest, "/in/signed?id=a"), 401, "missing_signature")
    accepted(http.get(receiver.ingest, "/in/signed?id=s", sign.headers("serphouse", SECRET, b"")), "s")
    with http.Client(receiver.ingest) as client:
        refused(client.request("GET", "/in/in?id=b", {}, b"{}"), 400, "bad_request")
    assert queued(stack) == 2

# -- repeats and fan-out -------------------------------------------------------------------------------------


def test_a_repeat_is_answered_and_not_queued(stack):
    receiver = make(stack)
    first = accepted(receiver.post("/in/in", {"id": "a", "n": 1}), "a")
    again = accepted(receiver.post("/in/in", {"id": "a", "n": 1}), "a", duplicate=True)
    assert again["received_at"] == first["received_at"]
    accepted(receiver.post("/in/in", {"id": "a", "n": 2}), "a")  # the same id with another body is news
    assert queued(stack) == 2


def test_a_signed_message_id_decides(stack):
    receiver = make(stack, {"in": scheme_source("standard-webhooks")})
    secret = secrets_for("standard-webhooks")[0]

    def send(ident, message_id, at=None):
        body = json.dumps({"id": ident}).encode()
        return receiver.post("/in/in", body, sign.headers("standard-webhooks", secret, body, message_id, at))

    accepted(send("a", "msg_1"), "a")
    accepted(send("a", "msg_1", time.time() - 5), "a", duplicate=True)  # signed afresh by the sender's retry
    accepted(send("a", "msg_2"), "a")
    assert queued(stack) == 2


def send_github(receiver, source, body, delivery):
    body = json.dumps(body).encode()
    return receiver.post("/in/" + source, body, sign.headers("github", SECRET, body, delivery))


def test_an_unsigned_message_id_decides_too(stack):
    """Two messages are two events, also with the same id and the same bytes."""
    receiver = make(stack, {"in": scheme_source("github", id=["/id"])})
    accepted(send_github(receiver, "in", {"id": "a", "n": 1}, "d1"), "a")
    accepted(send_github(receiver, "in", {"id": "a", "n": 1}, "d1"), "a", duplicate=True)
    accepted(send_github(receiver, "in", {"id": "a", "n": 1}, "d2"), "a")
    accepted(send_github(receiver, "in", {"id": "a", "n": 1}, "d2"), "a", duplicate=True)
    accepted(send_github(receiver, "in", {"id": "a", "n": 2}, "d1"), "a")  # another body under the old message id
    assert stack.keys.queue("out") == ["a:out", "a~2:out", "a~3:out"]


def test_repeats_by_body(stack):
    receiver = make(stack, {"named": scheme_source("github", id=["/id"], repeats="body"),
                            "unnamed": scheme_source("github", repeats="body")})
    for source in ("named", "unnamed"):
        first = accepted(send_github(receiver, source, {"id": source}, "d1"))
        again = accepted(send_github(receiver, source, {"id": source}, "d2"), duplicate=True)
        assert again["received_at"] == first["received_at"]
        accepted(send_github(receiver, source, {"id": source, "n": 2}, "d1"))
    assert queued(stack) == 4


def test_nothing_repeats_where_the_source_says_so(stack):
    receiver = make(stack, {"in": scheme_source("github", id=["/id"], repeats="none")})
    for _ in range(3):
        accepted(send_github(receiver, "in", {"id": "a"}, "d1"), "a")
    assert stack.keys.queue("out") == ["a:out", "a~2:out", "a~3:out"]


@pytest.mark.parametrize("headers", [("webhook-id",), ("svix-id",), ("X-Shopify-Webhook-Id",), ("shopify-event-id",),
                                     ("X-GitHub-Delivery",), ("X-WC-Webhook-Delivery-ID",), ("ce-id", "ce-source")])
@pytest.mark.parametrize("scheme", ["none", "token", "hmac"])
def test_message_ids_of_all_senders(stack, scheme, headers):
    verify = {"scheme": scheme} if scheme == "none" else {"scheme": scheme, "secrets": [SECRET]}
    receiver = make(stack, {"in": {"to": ["out"], "id": ["/id"], "verify": verify}})

    def send(*values):
        body = b'{"id":"door","state":"open"}'
        signature = {"X-Signature": sign.hex_mac(SECRET, body), "Authorization": "Bearer " + SECRET}
        return receiver.post("/in/in", body, signature | dict(zip(headers, values)))

    accepted(send("m1", "/here"), "door")
    accepted(send("m2", "/here"), "door")
    accepted(send("m1", "/here"), "door", duplicate=True)
    if len(headers) > 1:
        accepted(send("m1", "/there"), "door")
    assert queued(stack) == 1 + len(headers)


@pytest.mark.parametrize("scheme", ["stripe", "slack", "serphouse", "semscraper", "hmac"])
def test_a_signed_request_is_known_again_without_any_id(stack, scheme):
    """Also if its signature header is written in another way."""
    receiver = make(stack, {"in": scheme_source(scheme)})
    body = b'{"n":1}'
    now = int(time.time())
    scheme = "semscraper" if scheme == "hmac" else scheme  # the same header
    headers = sign.headers(scheme, SECRET, body, at=now)
    accepted(receiver.post("/in/in", body, headers))
    accepted(receiver.post("/in/in", body, headers), duplicate=True)
    if scheme == "stripe":
        accepted(receiver.post("/in/in", body, {k: v + ",v0=00" for k, v in headers.items()}), duplicate=True)
        accepted(receiver.post("/in/in", body, headers | {"webhook-id": "new"}), duplicate=True)
    if scheme in ("stripe", "slack"):  # another moment was signed
        accepted(receiver.post("/in/in", body, sign.headers(scheme, SECRET, body, at=now - 1)))
    accepted(receiver.post("/in/in", b'{"n":2}', sign.headers(scheme, SECRET, b'{"n":2}', at=now)))
    assert queued(stack) == (3 if scheme in ("stripe", "slack") else 2)


def test_nothing_is_a_repeat_without_id_and_signature(stack):
    receiver = make(stack, {"in": {"to": ["out"], "verify": {"scheme": "token", "secrets": [SECRET]}}})
    for _ in range(2):
        accepted(receiver.post("/in/in?token=" + SECRET, b'{"n":1}'))
    assert queued(stack) == 2


def test_the_same_id_from_two_sources(stack):
    receiver = make(stack, {"one": config.source("out"), "two": config.source("out")})
    accepted(receiver.post("/in/one", {"id": "a"}), "a")
    accepted(receiver.post("/in/two", {"id": "a"}), "a")
    assert queued(stack) == 2


def test_fan_out_and_keeping(stack):
    receiver = make(stack, {"both": config.source(["out", "more"]), "kept": config.source([])})
    accepted(receiver.post("/in/both", {"id": "a"}), "a")
    assert stack.keys.queue("out") == ["a:out"]
    assert stack.keys.queue("more") == ["a:more"]
    accepted(receiver.post("/in/kept", {"id": "b"}), "b")
    accepted(receiver.post("/in/kept", {"id": "b"}), "b", duplicate=True)
    assert stack.keys.has_event("b")
    assert queued(stack) == 2


def test_partitions(stack):
    conf = make(stack, start=False)
    conf["redis"]["partitions"] = 4
    conf["sources"]["in"]["to"] = ["out", "more"]
    receiver = stack.receiver(conf)
    keys = stack.redis.keys(partitions=4)
    assert keys.partition("out") != keys.partition("more")
    accepted(receiver.post("/in/in", {"id": "a"}), "a")
    accepted(receiver.post("/in/in", {"id": "a"}), "a", duplicate=True)
    assert keys.queue("out") == ["a:out"] and keys.queue("more") == ["a:more"]
    body = json.dumps({"id": "big", "p": "x" * 300_000}).encode()
    accepted(receiver.post("/in/in", body), "big")
    client = stack.redis.client(decode_responses=False)
    for lane in ("out", "more"):
        assert client.get(keys.base(keys.partition(lane)) + "event:big").endswith(body)

# -- companion headers ---------------------------------------------------------------------------------------


def kept_headers(stack, ident):
    record = stack.redis.client().get("hookpace:{0}:event:" + ident)
    head = record.split("\n\n", 1)[0]
    return [line[2:] for line in head.split("\n") if line.startswith("h ")]


def test_companion_headers(stack):
    receiver = make(stack, {"in": scheme_source("github"), "none": config.source("out", keep_headers=[]),
                            "some": config.source("out", keep_headers=["Link", "x-a*"])})
    sent = {"X-A": "1", "ce-type": "caf\xe9", "X-Forwarded-For": "1.2.3.4", "X-Real-IP": "1.2.3.4", "Link": "<x>",
            "Accept": "*/*", "Cookie": "c", "Authorization": "Bearer x", "User-Agent": "u"}
    body = b'{"id":"gh"}'
    receiver.post("/in/in", body, {**sent, **sign.headers("github", SECRET, body, "d-1")})
    assert kept_headers(stack, "gh") == ["X-A: 1", "ce-type: caf\udce9", "X-GitHub-Event: push", "X-GitHub-Delivery: d-1"]
    receiver.post("/in/none", b'{"id":"no"}', sent)
    assert kept_headers(stack, "no") == []
    receiver.post("/in/some", b'{"id":"so"}', sent)
    assert kept_headers(stack, "so") == ["X-A: 1", "Link: <x>"]


def test_headers_that_carry_credentials_stay_here(stack):
    receiver = make(stack, {"in": config.source("out"), "all": config.source("out", keep_headers=["*"])})
    sent = {"X-Gitlab-Token": "s", "X-Api-Key": "s", "X_Api_Key": "s", "X-Hook-Secret": "s", "X-HTTP-Method-Override": "DELETE",
            "X-Original-URL": "/admin", "X-Forwarded_For": "1.2.3.4", "X-Gitlab-Event": "push"}
    for ident in ("in", "all"):
        receiver.post("/in/" + ident, {"id": ident}, sent)
        assert [h for h in kept_headers(stack, ident) if h.startswith("X")] == ["X-Gitlab-Event: push"]


def test_newer_families_travel(stack):
    receiver = make(stack, {"in": scheme_source("shopify", id=[]), "kept": scheme_source("shopify", keep_signature=True)})
    body = b'{"id":1}'
    sent = {"shopify-hmac-sha256": sign.b64_mac(SECRET, body), "shopify-topic": "Product", "shopify-event-id": "e1",
            "traceparent": "00-1-2-01", "baggage": "a=b"}
    accepted(receiver.post("/in/in", body, sent), "e1")
    assert kept_headers(stack, "e1") == ["shopify-topic: Product", "shopify-event-id: e1", "traceparent: 00-1-2-01", "baggage: a=b"]
    accepted(receiver.post("/in/kept", body, sent), "1")
    assert "shopify-hmac-sha256: " + sent["shopify-hmac-sha256"] in kept_headers(stack, "1")


def test_companion_headers_have_a_limit(stack):
    receiver = make(stack)
    receiver.post("/in/in", {"id": "a"}, {f"X-N{n}": "v" * 1000 for n in range(6)})
    lines = kept_headers(stack, "a")
    assert len(lines) == 4
    assert sum(len(line) + 2 for line in lines) <= 4096
