"""A test event: signed as the source's provider would, through the real ingest."""

import pytest
from test_command import Hookpace

from harness import config
from harness.certs import Authority
from harness.wait import wait_for

SECRET = "a-secret-of-some-length"
STANDARD = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
SOURCES = {
    "serphouse": {"verify": {"scheme": "serphouse", "secrets": [SECRET]}},
    "semscraper": {"verify": {"scheme": "semscraper", "secrets": [SECRET]}},
    "standard": {"verify": {"scheme": "standard-webhooks", "secrets": [STANDARD]}},
    "github": {"verify": {"scheme": "github", "secrets": [SECRET]}},
    "stripe": {"verify": {"scheme": "stripe", "secrets": [SECRET]}},
    "slack": {"verify": {"scheme": "slack", "secrets": [SECRET]}},
    "shopify": {"verify": {"scheme": "shopify", "secrets": [SECRET]}},
    "custom": {"verify": {"scheme": "hmac", "secrets": [SECRET], "signed": "{id}.{timestamp}.{body}", "id_header": "X-Id",
                          "timestamp_header": "X-Time", "header": "X-Mine"}},
    "token": {"verify": {"scheme": "token", "secrets": [SECRET]}, "id": ["/tasks/0/id"], "tag": ["/tasks/0/data/tag"]},
    "header": {"verify": {"scheme": "token", "secrets": [SECRET], "header": "X-Gitlab-Token"}, "id": ["/id"]},
    "basic": {"verify": {"scheme": "basic", "secrets": ["user:" + SECRET]}},
    "allowed": {"verify": {"scheme": "none", "allow": ["203.0.113.0/24"]}, "id": ["/id"]},
    "form": {"verify": {"scheme": "token", "secrets": [SECRET]}, "payload": "form", "id": ["form:id"], "tag": ["form:tag"]},
}


def configure(service):
    service.conf["destinations"]["orders"] = config.destination(service.sink.url("/orders"))
    for name, source in SOURCES.items():
        service.conf["sources"][name] = {"to": ["orders"], **source}
    return service


@pytest.fixture
def tested(empty):
    empty.conf["sources"], empty.conf["destinations"] = {}, {}
    configure(empty)
    empty.receiver.reload(empty.conf)
    return empty


@pytest.mark.parametrize("source", SOURCES)
def test_every_scheme(tested, source):
    sent = tested.root.post("send-test", {"source": source})
    assert set(sent) == {"status", "answer", "event"} and sent["status"] == 200, sent
    assert sent["answer"]["status"] == "ok" and sent["answer"]["echo"] == sent["event"]
    event = tested.root.get("events/" + sent["event"])
    assert event["source"] == source and [d["destination"] for d in event["deliveries"]] == ["orders"]
    if source in ("serphouse", "token", "form"):
        assert event["tag"] == "hookpace-test"
    if source not in ("custom", "basic"):
        assert event["id"][14] == "7", "the id that is in the event"
    assert tested.receiver.wait_log("test.sent", source=source)["account"] == "root"
    assert SECRET not in str(sent) + str(event) + str(tested.receiver.lines)


def test_a_body_of_ones_own(tested):
    sent = tested.root.post("send-test", {"source": "serphouse", "body": {"id": "mine-1", "tag": "t"}})
    assert sent["event"] == "mine-1" and tested.root.get("events/mine-1")["tag"] == "t"
    sent = tested.root.post("send-test", {"source": "serphouse", "body": '{"id":"mine-2"}'})
    assert sent["event"] == "mine-2"
    sent = tested.root.post("send-test", {"source": "serphouse", "body": "{broken"})
    assert (sent["status"], sent["answer"]["code"], sent["event"]) == (400, "invalid_json", None)
    again = tested.root.post("send-test", {"source": "serphouse", "body": '{"id":"mine-2"}'})
    assert again["answer"]["duplicate"] is True


def test_what_may_be_wrong(tested):
    assert tested.root.post("send-test", {"source": "none"}, 404)["code"] == "not_found"
    for body in ({}, {"source": 5}, {"source": None}, {"source": "serphouse", "headers": {}}):
        assert tested.root.post("send-test", body, 400)["code"] == "bad_request"
    for who in (tested.eye, tested.acme):
        assert who.post("send-test", {"source": "serphouse"}, 403)["code"] == "forbidden"


@pytest.mark.parametrize("kind", ["tls", "proxy"])
def test_whatever_the_listener_speaks(service, kind, tmp_path):
    configure(service)
    if kind == "tls":
        cert, key = Authority(tmp_path / "ca").good()
        service.conf["receiver"]["tls"] = {"cert": str(cert), "key": str(key)}
    else:
        service.conf["receiver"]["proxy_protocol"] = True
    service.start()
    sent = service.root.post("send-test", {"source": "serphouse"})
    assert sent["status"] == 200
    wait_for(lambda: len(service.sink.requests) == 1, 5, "it to arrive")


def test_the_size_of_a_body(tested):
    """The text of the command names the limit that the call has."""
    hookpace = Hookpace(tested)
    fits = b'{"id":"big","text":"' + b"x" * ((1 << 20) - 100) + b'"}'
    for body, code in ((fits[:-2] + b"x" * 100 + b'"}', 1), (b"[" + b'"",' * (1 << 18) + b'""]', 1), (b"x" * (3 << 20), 1)):
        hookpace("send-test", "serphouse", "--body", "-", stdin=body, code=code)
        assert "larger than 1 MiB" in hookpace.error
    assert hookpace("send-test", "serphouse", "--body", "-", stdin=fits[:-200] + b'"}').startswith("sent")
