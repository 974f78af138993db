"""Where ids and tags come from besides JSON: headers, form fields, and what each scheme's provider documents."""

import gzip
import json
import re
import time
from urllib.parse import quote_plus, urlencode

import pytest

from harness import config, sign
from harness.ingest import SECRET, accepted, make, queued, refused, secrets_for

UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def bare(scheme, **more):
    """A source of SCHEME that names neither id nor tag."""
    verify = {"scheme": scheme} | ({} if scheme == "none" else {"secrets": secrets_for(scheme)})
    return {"verify": verify, "to": ["out"], **more}


def open_source(**more):
    return {"verify": {"scheme": "none"}, "to": ["out"], **more}


def record_of(stack, key):
    return stack.redis.client().get("hookpace:{0}:event:" + key)


def tag_of(stack, key):
    found = re.search(r"^t (.*)$", record_of(stack, key).split("\n\n")[0], re.M)
    return found and found.group(1)


# -- headers -------------------------------------------------------------------------------------------------


def test_an_id_and_a_tag_from_headers(stack):
    receiver = make(stack, {"in": open_source(id=["header:X-Event-ID", "/id"], tag=["header:x-team"])})
    accepted(receiver.post("/in/in?id=q", {"id": "b"}, {"x-event-id": "h1", "X-Team": "seo"}), "h1")
    assert tag_of(stack, "h1") == "seo"
    accepted(receiver.post("/in/in?id=q", {"id": "b"}, {"X-Event-Id": ""}), "b")  # an empty header is no id
    accepted(receiver.post("/in/in?id=q", {"n": 1}), "q")
    refused(receiver.post("/in/in", {"id": "b"}, {"X-Event-Id": "a\tb"}), 422, "invalid_id")
    refused(receiver.post("/in/in", {"id": "b"}, {"X-Event-Id": "x" * 256}), 422, "invalid_id")
    accepted(receiver.post("/in/in", {"id": "c"}, {"X-Team": "a\tb"}), "c")
    assert tag_of(stack, "c") is None
    receiver.wait_log("tag.dropped", event="c")
    assert queued(stack) == 4


def test_an_unsigned_header_makes_another_event(stack):
    """As an unsigned message id does; with "repeats": "body" it does not."""
    picks = {"id": ["header:x-event-id"]}
    receiver = make(stack, {"in": bare("serphouse", **picks), "body": bare("serphouse", **picks, repeats="body"),
                            "open": open_source(**picks), "openbody": open_source(**picks, repeats="body")})

    def send(source, ident):
        body = b'{"n":1}'
        return receiver.post("/in/" + source, body, sign.headers("serphouse", SECRET, body) | {"X-Event-Id": ident})

    for source, other_is_repeat in (("in", False), ("body", True), ("open", False), ("openbody", False)):
        accepted(send(source, source + "1"), source + "1")
        accepted(send(source, source + "1"), source + "1", duplicate=True)
        accepted(send(source, source + "2"), source + "2", duplicate=other_is_repeat)


# -- forms ---------------------------------------------------------------------------------------------------


def test_a_form(stack):
    receiver = make(stack, {"in": open_source(payload="form", id=["form:id", "form:payload/id"],
                                              tag=["form:payload/action", "form:tag"])})
    payload = json.dumps({"id": "p1", "action": "opened é", "list": [1, 2]})
    body = urlencode({"token": "x", "payload": payload}).encode()
    accepted(receiver.post("/in/in", body, FORM), "p1")
    assert tag_of(stack, "p1") == "opened é"
    accepted(receiver.post("/in/in", b"id=a+b%2Fc&tag=t%20u", FORM), "a b/c")
    assert tag_of(stack, "a%20b%2Fc") == "t u"
    accepted(receiver.post("/in/in", body, FORM), "p1", duplicate=True)
    # the bytes are relayed as they came, whatever the fields say
    assert record_of(stack, "p1").split("\n\n", 1)[1].endswith(body.decode()) or " p\n" in record_of(stack, "p1")
    odd = b"id=odd&&x=%zz&=&%C3%28&plain"
    accepted(receiver.post("/in/in", odd, {"Content-Type": FORM["Content-Type"] + "; charset=utf-8"}), "odd")
    assert record_of(stack, "odd").split("\n\n", 1)[1].encode() == odd


def test_what_a_form_does_not_tell(stack):
    receiver = make(stack, {"in": open_source(payload="form", id=["form:id", "form:payload/id"], tag=["form:tag"])})
    for body in (b"id=%zz", b"id=%", b"id=a&id=a", b"id=%FF", b"id=a%0Ab", b"id=" + b"x" * 256, b"payload=%7B",
                 b"payload={\"id\":1}&payload={\"id\":1}", b"payload={\"id\":{}}"):
        refused(receiver.post("/in/in", body, FORM), 422, "invalid_id")
    for body in (b"", b"id=", b"payload={}", b"payload=", b"ID=7"):
        assert re.fullmatch(UUID7, accepted(receiver.post("/in/in", body, FORM))["echo"]), body
    for number, tag in enumerate((b"tag=%zz", b"tag=a&tag=b", b"tag=%FF", b"tag=a%0Ab", b"tag=" + b"x" * 256)):
        accepted(receiver.post("/in/in", b"id=t%d&" % number + tag, FORM), f"t{number}")
        assert tag_of(stack, f"t{number}") is None


def test_forms_that_are_large_or_compressed(stack):
    receiver = make(stack, {"in": open_source(payload="form", id=["form:payload/id"])})
    payload = json.dumps({"fill": ["é" * 50] * 4000, "id": "large"})
    body = f"a={'x' * 300000}&payload={quote_plus(payload)}".encode()
    accepted(receiver.post("/in/in", body, FORM), "large")
    packed = gzip.compress(body.replace(b"large", b"small"))
    accepted(receiver.post("/in/in", packed, FORM | {"Content-Encoding": "gzip"}), "small")


def test_a_signed_form(stack):
    """Slack's commands and GitHub's form type: the signature is over the form as it came."""
    receiver = make(stack, {"slack": bare("slack", payload="form", id=["form:trigger_id"]),
                            "hub": bare("github", payload="form", tag=["form:payload/action"])})
    body = urlencode({"command": "/deploy", "text": "a b", "trigger_id": "13345224609.738474920"}).encode()
    headers = sign.headers("slack", SECRET, body)
    accepted(receiver.post("/in/slack", body, headers | FORM), "13345224609.738474920")
    accepted(receiver.post("/in/slack", body, headers | FORM), "13345224609.738474920", duplicate=True)
    refused(receiver.post("/in/slack", body + b"&x=1", headers | FORM), 401, "invalid_signature")
    body = urlencode({"payload": json.dumps({"action": "opened"})}).encode()
    accepted(receiver.post("/in/hub", body, sign.headers("github", SECRET, body, "d1") | FORM), "d1")
    assert tag_of(stack, "d1") == "opened"


# -- what providers document ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["serphouse", "semscraper", "stripe", "slack"])
def test_a_provider_names_its_events_in_the_body(stack, scheme):
    receiver = make(stack, {"in": bare(scheme)})
    body = b'{"id":"evt_1","event_id":"Ev_1","tag":"t1"}'
    want = "Ev_1" if scheme == "slack" else "evt_1"
    accepted(receiver.post("/in/in?id=q", body, sign.headers(scheme, SECRET, body)), want)
    later = sign.headers(scheme, SECRET, body, at=time.time() - 5)
    accepted(receiver.post("/in/in?id=q", body, later), want, duplicate=True)
    assert tag_of(stack, want) == ("t1" if scheme == "serphouse" else None)
    body = b'{"n":1}'
    accepted(receiver.post("/in/in?id=q", body, sign.headers(scheme, SECRET, body)), "q")


@pytest.mark.parametrize("scheme", ["github", "shopify", "standard-webhooks", "svix"])
def test_a_provider_names_its_events_in_a_header(stack, scheme):
    receiver = make(stack, {"in": bare("standard-webhooks" if scheme == "svix" else scheme)})
    secret = secrets_for(scheme)[0]
    body = b'{"id":"in the body"}'
    accepted(receiver.post("/in/in?id=q", body, sign.headers(scheme, secret, body, "m1")), "m1")
    accepted(receiver.post("/in/in?id=q", body, sign.headers(scheme, secret, body, "m1")), "m1", duplicate=True)
    accepted(receiver.post("/in/in?id=q", body, sign.headers(scheme, secret, body, "m2")), "m2")


def test_an_own_list_replaces_what_the_provider_documents(stack):
    receiver = make(stack, {"own": bare("stripe", id=["/data/id"]), "none": bare("stripe", id=[]),
                            "any": bare("stripe", payload="any"), "hub": bare("github", id=["/n"])})
    body = b'{"id":"evt_1","data":{"id":"ch_1"},"n":7}'
    stripe = sign.headers("stripe", SECRET, body)
    accepted(receiver.post("/in/own", body, stripe), "ch_1")
    assert re.fullmatch(UUID7, accepted(receiver.post("/in/none", body, stripe))["echo"])
    assert re.fullmatch(UUID7, accepted(receiver.post("/in/any", body, stripe))["echo"])
    accepted(receiver.post("/in/hub", body, sign.headers("github", SECRET, body, "d1")), "7")
