"""webhook_settings and webhook_secret: what an account sets for itself, for what is accepted from then on."""

import base64
import hashlib
import hmac
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

import shapes
from harness.downstream import Answer
from harness.wait import wait_for

SETTINGS = "/v3/appendix/webhook_settings"
SECRET = "/v3/appendix/webhook_secret"
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = "ab" * 32
CONFIGURED = {"webhook_delay": 0, "verify_tls": True, "payload": "envelope", "gzip": "always", "sign": None, "set": []}


def settings(client, change=None):
    answer = client.get(SETTINGS) if change is None else client.post(SETTINGS, [change])
    (task,) = answer["tasks"]
    assert task["status_code"] == 20000, answer
    return task["result"][0]


def new_secret(client, **body):
    (task,) = client.post(SECRET, [body])["tasks"]
    assert task["status_code"] == 20000, task
    assert set(task["result"][0]) == {"scheme", "secret_id", "secret"}
    return task["result"][0]


def hex_signature(secret, body):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.fixture
def sealed(service):
    """The service with a secrets_key, an account that signs, and a dispatcher."""
    service.conf["secrets_key"] = KEY
    service.conf["accounts"]["acme"]["sign"] = {"scheme": "semscraper", "secrets": ["the secret of the file"]}
    return service.start()


def sent(service, ident):
    """The request that brought task IDENT."""
    service.sink.wait_events([ident])
    return service.sink.of(ident)[-1]


def test_partial_changes_and_back_to_the_configuration(empty):
    acme = empty.acme
    assert settings(acme) == CONFIGURED
    assert settings(acme, {"verify_tls": False}) == {**CONFIGURED, "verify_tls": False, "set": ["verify_tls"]}
    now = settings(acme, {"webhook_delay": 300, "payload": "result", "gzip": "never"})
    assert now == {"webhook_delay": 300, "verify_tls": False, "payload": "result", "gzip": "never", "sign": None,
                   "set": ["webhook_delay", "verify_tls", "payload", "gzip"]}
    assert settings(acme) == now and acme.delay() == 300
    assert settings(acme, {}) == now
    assert settings(empty.beta) == CONFIGURED and settings(empty.admin) == CONFIGURED
    assert settings(acme, dict.fromkeys(("webhook_delay", "verify_tls", "payload", "gzip", "sign"))) == CONFIGURED


@pytest.mark.parametrize("field, value, rule", [
    ("webhook_delay", 75, "multiple of 100"), ("webhook_delay", "100", "multiple of 100"), ("webhook_delay", -1, "multiple of 100"),
    ("verify_tls", 1, "true or false"), ("verify_tls", "true", "true or false"), ("payload", "both", "'envelope' or 'result'"),
    ("payload", [], "'envelope' or 'result'"), ("gzip", True, "'keep', 'always' or 'never'"), ("gzip", "Never", "'keep', 'always' or 'never'"),
    ("sign", "semscraper", "an object"), ("sign", [], "an object"), ("sign.scheme", {"scheme": "token"}, "a scheme that signs"),
    ("sign.scheme", {"scheme": "none"}, "a scheme that signs"), ("sign.scheme", {}, "names the scheme"),
    ("sign.scheme", {"scheme": "github"}, "webhook_secret"), ("sign.scheme", {"scheme": 3}, "a scheme that signs"),
    ("sign.secrets", {"scheme": "semscraper", "secrets": ["a secret of one's own"]}, "webhook_secret"),
    ("delay", 100, "There are"), ("account", "beta", "There are")])
def test_a_wrong_value_changes_nothing(empty, field, value, rule):
    answer = empty.acme.post(SETTINGS, [{"verify_tls": False, field.split(".")[0]: value, "payload": "result", **({field: value} if field == "payload" else {})}])
    shapes.check_failure(answer, 40501)
    assert f"'{field}'" in answer["status_message"] and rule in answer["status_message"], answer["status_message"]
    assert settings(empty.acme) == CONFIGURED


@pytest.mark.parametrize("path, body", [
    (SETTINGS, {"verify_tls": False}), (SETTINGS, None), (SECRET, {}), ("/v3/appendix/webhook_delay", {"webhook_delay": 300})])
@pytest.mark.parametrize("query", ["account=beta", "%61ccount=beta", "x"])
def test_a_query_is_not_ignored(empty, path, body, query):
    """Who names another account there must not change the own one."""
    shapes.check_failure(empty.acme.get(f"{path}?{query}") if body is None else empty.acme.post(f"{path}?{query}", [body]), 40501)
    assert settings(empty.acme) == settings(empty.beta) == CONFIGURED


@pytest.mark.parametrize("body", [b'[{"verify_tls":false,"verify_tls":true}]', b'[{"gzip":"never","gzip":null}]', b'[{"sign":null,"sign":null}]'])
def test_a_member_stands_once(empty, body):
    shapes.check_failure(empty.acme.post(SETTINGS, body), 40501)
    assert settings(empty.acme) == CONFIGURED


def test_what_is_accepted_from_then_on(sealed):
    acme = sealed.acme
    before = acme.set_one(postback_url=sealed.hook(), result={"n": 1}, id="before")
    pending, = acme.set({"id": "later", "postback_url": sealed.hook()})
    assert pending["status_code"] == 20100
    assert b'"tasks"' in sent(sealed, before).body
    settings(acme, {"payload": "result", "gzip": "never"})
    after = acme.set_one(postback_url=sealed.hook(), result={"n": 2}, id="after")
    assert sent(sealed, after).body == b'{"n": 2}'
    acme.post("/v3/tasks/complete", [{"id": "later", "result": {"n": 3}}])
    assert b'"tasks"' in sent(sealed, "later").body, "stamped when it was set, not when it was complete"
    acme.post("/v3/appendix/webhook_resend", [{"id": before}])
    wait_for(lambda: len(sealed.sink.of(before)) == 2)
    assert b'"tasks"' in sent(sealed, before).body
    acme.set({"id": "open", "postback_url": sealed.hook()})
    settings(acme, {"payload": None})
    acme.post("/v3/tasks/complete", [{"id": "open", "result": {"n": 4}}])
    assert sent(sealed, "open").body == b'{"n": 4}'
    acme.post("/v3/appendix/webhook_resend", [{"id": after}])
    wait_for(lambda: len(sealed.sink.of(after)) == 2)
    assert sent(sealed, after).body == b'{"n": 2}'


def test_a_secret_signs_what_is_accepted_after_it(sealed):
    acme = sealed.acme
    sealed.sink.on("/fails", Answer(status=500))
    assert settings(acme)["sign"] == {"scheme": "semscraper", "secret_id": settings(acme)["sign"]["secret_id"], "made_at": None}
    secrets = [{"secret": "the secret of the file"}]
    ids = [acme.set_one(postback_url=sealed.hook("/fails"), id="0")]
    for n in (1, 2, 3):
        secrets.append(new_secret(acme))
        now = settings(acme)
        assert (now["sign"]["scheme"], now["sign"]["secret_id"]) == ("semscraper", secrets[n]["secret_id"])
        assert re.fullmatch("[0-9a-f]{64}", secrets[n]["secret"]) and now["set"] == ["sign"] and now["gzip"] == "never"
        ids.append(acme.set_one(postback_url=sealed.hook("/fails"), id=str(n)))
    for times in (1, 2):
        for ident, secret in zip(ids, secrets, strict=True):
            wait_for(lambda ident=ident, times=times: len(sealed.sink.of(ident)) >= times)
            request = sealed.sink.of(ident)[-1]
            assert request.header("x-signature") == hex_signature(secret["secret"], request.body), ident
        acme.post("/v3/appendix/webhook_resend", [{"id": i} for i in ids])
    assert settings(acme, {"sign": None})["sign"]["made_at"] is None
    last = acme.set_one(postback_url=sealed.hook(), id="last")
    request = sent(sealed, last)
    assert request.header("x-signature") == hex_signature("the secret of the file", request.body)


@pytest.mark.parametrize("scheme, form", [("standard-webhooks", "whsec_[A-Za-z0-9+/]{43}="), ("stripe", "whsec_[A-Za-z0-9+/]{43}="),
                                          ("github", "[0-9a-f]{64}"), ("serphouse", "[0-9a-f]{64}"), ("semscraper", "[0-9a-f]{64}"),
                                          ("slack", "[0-9a-f]{64}"), ("shopify", "[0-9a-f]{64}"), ("hmac", "[0-9a-f]{64}")])
def test_the_secret_has_the_form_of_its_scheme(sealed, scheme, form):
    made = new_secret(sealed.beta, scheme=scheme)
    assert made["scheme"] == scheme and re.fullmatch(form, made["secret"])
    ident = sealed.beta.set_one(postback_url=sealed.hook(), result={"n": 1})
    request = sent(sealed, ident)
    key, body = made["secret"].encode(), request.body
    if scheme == "standard-webhooks":
        key, body = base64.b64decode(key[6:]), f'{request.header("webhook-id")}.{request.header("webhook-timestamp")}.'.encode() + body
    elif scheme == "stripe":
        body = request.header("stripe-signature").split(",")[0][2:].encode() + b"." + body
    elif scheme == "slack":
        body = f'v0:{request.header("x-slack-request-timestamp")}:'.encode() + body
    digest = hmac.new(key, body, hashlib.sha256)
    header = {"standard-webhooks": "webhook-signature", "stripe": "stripe-signature", "github": "x-hub-signature-256", "serphouse": "x-serphouse-signature",
              "slack": "x-slack-signature", "shopify": "x-shopify-hmac-sha256"}.get(scheme, "x-signature")
    signature = request.header(header)
    assert digest.hexdigest() in signature or base64.b64encode(digest.digest()).decode() in signature


def test_another_scheme_for_the_same_secret(sealed):
    made = new_secret(sealed.acme)
    now = settings(sealed.acme, {"sign": {"scheme": "github"}})["sign"]
    assert now["secret_id"] == made["secret_id"]
    assert settings(sealed.acme, {"sign": now})["sign"] == now, "an answer may be sent back"
    request = sent(sealed, sealed.acme.set_one(postback_url=sealed.hook()))
    assert request.header("x-hub-signature-256") == "sha256=" + hex_signature(made["secret"], request.body)


def test_a_secret_of_the_caller_is_refused(sealed):
    """An answer 20000 would say that it signs from now on."""
    made = new_secret(sealed.acme, scheme="github")
    for member in ("secret", "secrets", "x" * 100):
        answer = sealed.acme.post(SETTINGS, [{"sign": {"scheme": "stripe", member: "a secret of mine"}}])
        assert answer["status_code"] == 40501 and f"'sign.{member[:40]}'" in answer["status_message"], answer
        assert "webhook_secret" in answer["status_message"] and "a secret of mine" not in json.dumps(answer)
    sign = settings(sealed.acme)["sign"]
    assert (sign["scheme"], sign["secret_id"]) == ("github", made["secret_id"])
    assert settings(sealed.acme, {"sign": sign})["sign"] == sign, "what an answer has may be posted again"


def test_a_scheme_never_stays_without_a_secret(sealed):
    """Two calls at once: one takes the secret away, one changes its scheme."""
    acme, outcomes = sealed.acme, set()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(40):
            new_secret(acme)
            gone = pool.submit(acme.post, SETTINGS, [{"sign": None}])
            other = pool.submit(acme.post, SETTINGS, [{"sign": {"scheme": "github"}}])
            assert gone.result()["tasks"][0]["status_code"] == 20000
            outcomes.add((other.result()["tasks"] or [other.result()])[0]["status_code"])
            assert settings(acme)["sign"]["scheme"] == "semscraper", "back to the configuration"
            with sealed.stack.redis.client() as redis:
                assert not redis.exists("hookpace:{0}:settings:acme")
    assert outcomes <= {20000, 40501}


@pytest.mark.parametrize("body", [b"", b" \n", b"[]"])
def test_a_secret_needs_no_body(sealed, body):
    (task,) = sealed.acme.post(SECRET, body)["tasks"]
    assert task["status_code"] == 20000 and task["data"] == {"api": "appendix", "function": "webhook_secret"}
    assert task["result"][0]["scheme"] == "semscraper"


def test_without_the_key_it_is_refused(empty):
    answer = empty.acme.post(SECRET, [{}])
    shapes.check_failure(answer, 40501)
    assert "secrets_key" in answer["status_message"]
    assert settings(empty.acme) == CONFIGURED


@pytest.mark.parametrize("key", [None, OTHER_KEY])
def test_a_wrong_key_never_sends_unsigned(sealed, key):
    new_secret(sealed.acme)
    (dispatcher,) = sealed.dispatchers
    sealed.conf["secrets_key"] = key
    dispatcher.reload(sealed.conf)
    ident = sealed.acme.set_one(postback_url=sealed.hook())
    wait_for(lambda: sealed.delivery(ident).get("last_error") == "secret_unreadable")
    assert sealed.delivery(ident)["state"] == "retry" and not sealed.sink.of(ident)
    line = dispatcher.wait_log("secret.unreadable")
    assert line["account"] == "acme" and "secrets_key" in line["reason"]
    sealed.conf["secrets_key"] = KEY
    dispatcher.reload(sealed.conf)
    sealed.acme.post("/v3/appendix/webhook_resend", [{"id": ident}])
    assert sent(sealed, ident).header("x-signature")


def test_a_sealed_secret_is_of_no_use_elsewhere(sealed):
    """Who can write to Redis cannot have another account's secret sign for his."""
    new_secret(sealed.acme)
    new_secret(sealed.beta)
    with sealed.stack.redis.client() as redis:
        redis.hset("hookpace:{0}:settings:beta", mapping=redis.hgetall("hookpace:{0}:settings:acme"))
    ident = sealed.beta.set_one(postback_url=sealed.hook())
    wait_for(lambda: sealed.delivery(ident, account="beta").get("last_error") == "secret_unreadable")
    assert not sealed.sink.of(ident)


def test_the_secret_is_nowhere_else(sealed):
    made = new_secret(sealed.acme)
    ident = sealed.acme.set_one(postback_url=sealed.hook())
    sent(sealed, ident)
    places = [str(sealed.acme.get(SETTINGS)), str(sealed.acme.get("/v3/appendix/user_data")), str(sealed.acme.task(ident))]
    with sealed.stack.redis.client() as redis:
        for key in redis.keys():
            kind = redis.type(key)
            kind = kind.decode() if isinstance(kind, bytes) else kind
            if kind in ("string", "hash"):
                places.append(str(redis.get(key) if kind == "string" else redis.hgetall(key)))
        assert any("sealed" in p for p in places)
    places += [str(text) for _, text in sealed.stack.logs()]
    assert not any(made["secret"] in place or KEY in place for place in places)


def test_one_account_touches_no_other(sealed):
    made = new_secret(sealed.acme)
    settings(sealed.acme, {"verify_tls": False})
    assert settings(sealed.beta) == CONFIGURED
    request = sent(sealed, sealed.beta.set_one(postback_url=sealed.hook()))
    assert not request.header("x-signature")
    assert made["secret"] not in str(sealed.admin.get(SETTINGS))
