"""What an account sets for itself on its page, with what comes of it in its webhooks."""

import gzip
import hashlib
import hmac
import json
import re
import subprocess
from base64 import b64encode

import pytest
from browser import PASSWORDS, Page
from harness import http
from harness.exchange import Answer
from harness.wait import wait_for

SETTINGS = "/v3/appendix/webhook_settings"


@pytest.fixture
def own(service, chromium):
    """The page of account acme, whose webhooks may go to the sink."""
    service.conf["secrets_key"] = "ab" * 32
    service.conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
    service.fill()
    page = Page(chromium, service.receiver.admin)
    page.log_in("acme", view="#/settings")
    page.see("TLS verification", "certificates are checked")
    yield page
    page.close()


def ask(service, path, body=None, name="acme"):
    login = b64encode(f"{name}:{PASSWORDS[name]}".encode()).decode()
    headers = {"Authorization": "Basic " + login}
    with http.Client(service.receiver.admin) as client:
        answer = client.request("GET" if body is None else "POST", path, headers, b"" if body is None else json.dumps(body).encode()).json()
    assert answer["tasks"][0]["status_code"] < 30000, answer
    return (answer["tasks"][0]["result"] or [None])[0]


def post_task(service, ident, path="/hook"):
    ask(service, "/v3/serp/google/organic/task_post", [{"id": ident, "postback_url": service.sink.url(path), "result": {"n": 1}}])
    wait_for(lambda: any(f'"{ident}"'.encode() in r.body or r.body == b'{"n": 1}' for r in service.sink.requests), 10, "the postback")
    return service.sink.requests[-1]


def choose(page, setting, value):
    page.click("Change: " + setting)
    page.fill_in(setting, value)
    page.click("Save")
    page.see(f"{setting} is saved")


def test_every_setting_and_back(own, service):
    choose(own, "TLS verification", "certificates are not checked")
    choose(own, "Payload", "result: the result alone")
    choose(own, "Compression", "never")
    own.click("Change: Webhook delay")
    own.fill_in("Delay in ms", "75")
    own.click("Save")
    own.see("multiple of 100 up to 1000; null")
    own.fill_in("Delay in ms", "3oo")
    own.click("Save")
    own.see("is not a number")
    own.fill_in("Delay in ms", "300")
    own.click("Save")
    for setting, shown in (("Webhook delay", "300 ms"), ("TLS verification", "certificates are not checked"), ("Payload", "result: the result alone"), ("Compression", "never")):
        own.wait_cell(setting, "Now", shown)
        own.wait_cell(setting, "Set by", "you")
    now = ask(service, SETTINGS)
    assert (now["webhook_delay"], now["verify_tls"], now["payload"], now["gzip"]) == (300, False, "result", "never")
    assert post_task(service, "t1").body == b'{"n": 1}'
    own.reload()
    own.wait_cell("Payload", "Now", "result: the result alone")
    choose(own, "Payload", "as in the configuration")
    own.wait_cell("Payload", "Set by", "the configuration")
    assert ask(service, SETTINGS)["payload"] == "envelope"
    assert ask(service, SETTINGS, name="root")["set"] == [], "nobody else's"


def make_secret(page, scheme):
    page.click("New secret…")
    page.fill_in("Scheme", scheme)
    page.click("Make the secret")
    page.see("Your new signing secret")
    secret = page.input("Secret").get_attribute("value")
    page.click("I have it")
    page.see_no("Your new signing secret")
    return secret


def test_a_secret_is_shown_once_and_signs(own, service):
    first = make_secret(own, "github")
    assert re.fullmatch("[0-9a-f]{64}", first)
    own.see("github, secret " + ask(service, SETTINGS)["sign"]["secret_id"])
    request = post_task(service, "t1")
    assert request.header("x-hub-signature-256") == "sha256=" + hmac.new(first.encode(), request.body, hashlib.sha256).hexdigest()
    second = make_secret(own, "github")
    assert second != first
    own.see("github, secret " + ask(service, SETTINGS)["sign"]["secret_id"])
    request = post_task(service, "t2")
    assert request.header("x-hub-signature-256") == "sha256=" + hmac.new(second.encode(), request.body, hashlib.sha256).hexdigest()
    for _ in range(2):
        page = own.driver.execute_script("return document.documentElement.outerHTML + JSON.stringify({...sessionStorage, ...localStorage})")
        assert first not in page and second not in page
        own.reload()
        own.see("github, secret ")
    choose(own, "Signature", "slack")
    own.see("slack, secret ")
    choose(own, "Signature", "as in the configuration")
    own.wait_cell("Signature", "Now", "not signed")


def test_without_a_key_the_window_says_so(own, service):
    del service.conf["secrets_key"]
    service.receiver.reload(service.conf)
    own.click("New secret…")
    own.click("Make the secret")
    own.see("has no 'secrets_key'")
    own.click("Cancel")


def test_a_test_webhook_and_its_failure(own, service):
    service.sink.on("/bad", Answer(500, body=b"<script>alert(1)</script>"))
    own.click("Send a test webhook…")
    own.fill_in("URL", "not a url")
    own.click("Send")
    own.see("'postback_url'")
    own.fill_in("URL", service.sink.url("/good") + "?id=$id&tag=$tag")
    own.click("Send")
    own.see("was sent to your lane", "No attempt has failed")
    wait_for(lambda: [r for r in service.sink.requests if r.path.split("?")[0] == "/good" and b"test webhook of Hookpace" in gzip.decompress(r.body)], 10, "the postback")
    own.click("Send a test webhook…")
    own.fill_in("URL", service.sink.url("/bad"))
    own.fill_in("Kind", "pingback")
    own.click("Send")
    own.see("The pingback of task", "1 failed: http_500", "<script>alert(1)</script>")
    own.click("Your tasks")
    own.see("Failed webhooks", "http_500", "Done and fetched\n1")


def test_own_tasks_by_status(own, service):
    service.sink.on("/bad", 410)
    ask(service, "/v3/serp/google/organic/task_post", [{"id": "other's", "result": 1, "postback_url": service.sink.url("/hook")}], name="root")
    own.go("#/tasks")
    own.see("There are no tasks yet", "No webhook of your tasks has failed")
    line = own.driver.execute_script("return document.querySelector('.empty pre').textContent").replace("LOGIN:PASSWORD", f"acme:{PASSWORDS['acme']}")
    answer = subprocess.run(["bash", "-c", line + " -s"], capture_output=True, check=True, timeout=20).stdout
    own.wait_cell(json.loads(answer)["tasks"][0]["id"], "Tag", "first")
    ask(service, "/v3/serp/google/organic/task_post", [{"id": "open", "tag": "<b>", "postback_url": service.sink.url("/hook")}])
    ask(service, "/v3/serp/google/organic/task_post", [{"id": "good", "result": 1, "postback_url": service.sink.url("/hook")}, {"id": "bad", "result": 1, "postback_url": service.sink.url("/bad")}])
    for task, status in (("open", "pending"), ("good", "done"), ("bad", "failed")):
        own.wait_cell(task, "Status", status)
    own.wait_cell("open", "Tag", "<b>")
    assert "other's" not in own.text
    own.click("pending")
    own.see_no("good")
    own.wait_cell("open", "Status", "pending")
    ask(service, "/v3/tasks/take", [{"limit": 1}])
    own.see("None of your newest 200 tasks is pending")
    own.click("processing")
    own.wait_cell("open", "Status", "processing")
    own.reload()
    own.wait_cell("open", "Status", "processing")
    own.go("#/tasks?status=failed")
    own.wait_cell("bad", "Status", "failed")


def test_who_has_a_settings_page(service, chromium):
    service.fill()
    for name, has in (("root", True), ("eye", False), ("acme", True)):
        page = Page(chromium, service.receiver.admin)
        page.log_in(name)
        wait_for(lambda: page.has_button("Log out"), 10, "the head")
        assert page.has_button("Settings") == has, name
        page.go("#/settings")
        assert ("TLS verification" in page.text) == has
        page.close()
