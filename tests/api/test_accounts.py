"""Who may call: Basic auth, roles, guesses."""

import base64
import json

import pytest

import shapes
from api_client import ORGANIC, PASSWORDS, Api, basic
from harness.http import raw

CALLS = [("GET", "/v3/appendix/user_data"), ("GET", "/v3/tasks/count"), ("POST", ORGANIC + "/task_post"),
         ("GET", ORGANIC + "/task_get/advanced/x"), ("GET", "/v3/appendix/webhook_delay"),
         ("POST", "/v3/appendix/webhook_resend"), ("GET", "/v3"), ("GET", "/v3/"), ("GET", "//v3/nothing"), ("PUT", "/v3/x/y"),
         ("GET", "/v3/%2e%2e/healthz")]


def unauthorized(answer):
    status, headers, text = answer
    assert status == 401
    assert headers["WWW-Authenticate"].startswith('Basic realm="')
    shapes.check_failure(json.loads(text), 40100)


@pytest.mark.parametrize("method,path", CALLS)
def test_nothing_without_a_login(quiet, method, path):
    quiet.acme.auth = None
    unauthorized(quiet.acme.raw(method, path, b"[]" if method == "POST" else None))


@pytest.mark.parametrize("header", [
    "", "Basic", "Basic ", "Basic !!!", "Basic " + base64.b64encode(b"acme").decode(), basic("acme", "acme-passwor"),
    basic("acme", "acme-password "), basic("acme", ""), basic("", "acme-password"), basic("ACME", "acme-password"),
    basic("acme", "beta-password"), basic("nobody", "acme-password"), "Bearer acme-password",
    basic("acme", "acme-password").replace("Basic", "Digest"), "Basic " + "A" * 9000])
def test_wrong_logins(quiet, header):
    client = Api(quiet.receiver, "x", "y")
    client.auth = header
    status, _, text = answer = client.raw("GET", "/v3/appendix/user_data")
    if len(header) > 9000:
        assert status in (401, 431)
    else:
        unauthorized(answer)
    assert b"acme-password" not in text


@pytest.mark.parametrize("name", PASSWORDS)
def test_right_logins(empty, name):
    (user,) = empty.api(name).result("/v3/appendix/user_data", shapes.USER)
    assert user["login"] == name and user["role"] == ("admin" if name == "admin" else "user")


def test_two_logins_are_none(quiet):
    login = f"Authorization: {quiet.acme.auth}\r\n"
    text = raw(quiet.receiver.admin, f"GET /v3/tasks/count HTTP/1.1\r\nHost: x\r\n{login}{login}Connection: close\r\n\r\n".encode())
    assert text.startswith(b"HTTP/1.1 401") or text.startswith(b"HTTP/1.1 400")


def test_a_password_beyond_ascii_comes_in_two_spellings(service):
    service.conf["accounts"]["acme"]["password"] = "pässwörd-ÿ"
    service.start(dispatchers=0)
    for encoding in ("utf-8", "latin-1"):
        service.acme.auth = "Basic " + base64.b64encode("acme:pässwörd-ÿ".encode(encoding)).decode()
        assert service.acme.counts()["total"] == 0


def test_guesses_are_limited(quiet):
    wrong = Api(quiet.receiver, "acme", "wrong-password")
    codes = [json.loads(wrong.raw("GET", "/v3/tasks/count")[2])["status_code"] for _ in range(60)]
    assert codes[0] == 40100 and codes[-1] == 40202, "further guesses are not looked at"
    status, headers, text = quiet.acme.raw("GET", "/v3/tasks/count")
    assert status == 401 and int(headers["Retry-After"]) >= 1
    shapes.check_failure(json.loads(text), 40202)


def test_a_tenants_mistakes_lock_out_nobody_else(quiet):
    wrong = Api(quiet.receiver, "acme", "wrong-password")
    for _ in range(60):
        assert wrong.raw("GET", "/v3/tasks/count")[0] == 401
    assert quiet.acme.raw("GET", "/v3/tasks/count")[0] == 401
    for _ in range(3):
        assert quiet.beta.counts()["total"] == 0
        assert quiet.admin.counts()["total"] == 0


def test_guessing_many_accounts_is_limited_and_locks_out_nobody(quiet):
    for name in range(400):
        assert Api(quiet.receiver, f"name-{name}", "password").raw("GET", "/v3/tasks/count")[0] == 401
    waits = []
    for name in ("another", "a-third", "a-fourth"):
        assert Api(quiet.receiver, name, "password").raw("GET", "/v3/tasks/count")[0] == 401
        status, headers, text = Api(quiet.receiver, name, "password").raw("GET", "/v3/tasks/count")
        assert (status, json.loads(text)["status_code"]) == (401, 40202), "one mistake a name, while so many are made"
        waits.append(int(headers["Retry-After"]))
    # every 0.1 s the address may guess once more as if nothing were: that name waits for one second only
    assert min(waits) >= 1 and 1 < max(waits) <= 10, waits
    for api in (quiet.acme, quiet.beta, quiet.admin):
        assert api.counts()["total"] == 0


def test_right_logins_are_not_counted(empty):
    for _ in range(60):
        empty.acme.counts()


def test_a_new_password_by_reload(quiet):
    quiet.conf["accounts"]["acme"]["password"] = "another-password"
    quiet.receiver.reload(quiet.conf)
    unauthorized(quiet.acme.raw("GET", "/v3/tasks/count"))
    assert Api(quiet.receiver, "acme", "another-password").counts()["total"] == 0


def test_users_see_their_own_admins_everything(empty):
    mine = empty.acme.set_one()
    hers = empty.beta.set_one()
    assert empty.acme.ready_ids() == [mine] and empty.beta.ready_ids() == [hers]
    assert sorted(empty.admin.ready_ids()) == [f"@acme/{mine}", f"@beta/{hers}"]
    assert [i["id"] for i in empty.acme.id_list()] == [mine]
    assert len(empty.admin.id_list()) == 2
    assert empty.acme.counts()["total"] == 1 and empty.admin.counts()["total"] == 2
    assert empty.acme.task(hers)["status_code"] == 40401
    assert empty.beta.ready_ids() == [hers], "asked for by another it is not fetched"
    assert [t["status_code"] for t in empty.acme.resend(hers)] == [40401]
    assert empty.admin.task(hers)["status_code"] == 40401, "admins name the account"
    assert empty.admin.task(f"@beta/{hers}")["status_code"] == 20000
    assert empty.beta.ready_ids() == []


def test_health_and_metrics_need_no_login(quiet):
    quiet.acme.auth = None
    for path in ("/healthz", "/readyz", "/metrics"):
        assert quiet.acme.raw("GET", path)[0] == 200
