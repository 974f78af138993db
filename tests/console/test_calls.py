"""What every call of the operators' API has in common: logins, roles, errors, parameters."""

import pytest
from console_client import Console


def test_status_names_the_version_and_redis(empty):
    status = empty.root.get("status")
    assert status["version"].count(".") == 2
    assert status["redis"]["ready"] is True
    assert status["started_at"].endswith("Z")


def test_a_viewer_looks_and_a_user_does_not(empty):
    assert empty.eye.get("status")["version"]
    assert empty.acme.get("status", 403)["code"] == "forbidden"


@pytest.mark.parametrize("name, password", [("root", "wrong"), ("nobody", "root-password"), ("eye", "root-password")])
def test_a_wrong_login_is_told_so(empty, name, password):
    client = Console(empty.receiver, name, password)
    assert client.get("status", 401)["code"] == "unauthorized"
    assert client.raw("GET", "/api/status").header("www-authenticate").startswith("Basic ")
    assert empty.receiver.wait_log("api.refused", peer="127.0.0.1")["code"] == 401


def test_a_request_without_a_login_is_no_attempt(empty):
    client, before = Console(empty.receiver, "eye"), len(empty.receiver.logged("api.refused"))
    del client.headers["Authorization"]
    assert client.get("me", 401)
    assert len(empty.receiver.logged("api.refused")) == before


def test_a_viewer_has_no_task_api(empty):
    assert empty.eye.raw("GET", "/v3/appendix/user_data").status == 401


@pytest.mark.parametrize("query, message", [
    ("colour=red", "the parameter 'colour' is not known here"),
    ("%73tate=x", "the parameter '%73tate' is not known here"),
    ("=x", "the parameter '' is not known here"),
])
def test_unknown_parameters_are_refused(empty, query, message):
    answer = empty.root.raw("GET", "/api/status?" + query)
    assert answer.status == 400 and answer.json()["error"] == {"code": "bad_request", "message": message}


def test_the_api_listener_has_no_operators_pages(service):
    service.conf["api"] = {"listen": "127.0.0.1:0"}
    service.start(dispatchers=0)
    client = Console(service.receiver, "root")
    assert client.get("status")["version"]
    client.address = service.receiver.address("api")
    assert client.raw("GET", "/api/status").status == 404


@pytest.mark.parametrize("method, target, status, code", [
    ("GET", "/api", 404, "not_found"), ("GET", "/api/", 404, "not_found"), ("GET", "/api/nothing", 404, "not_found"), ("GET", "/api?x", 404, "not_found"),
    ("GET", "/api/status/", 404, "not_found"), ("GET", "/api/jobs/a/b", 404, "not_found"), ("GET", "/api/lanes/" + "a" * 600, 404, "not_found"),
    ("DELETE", "/api/status", 405, "method_not_allowed"), ("GET", "/api/resend", 405, "method_not_allowed"),
    ("GET", "/api/lanes/%00", 400, "bad_request"), ("POST", "/api/lanes/%zz/pause", 400, "bad_request"),
    ("GET", "/api/events/" + "a" * 10000, 414, "uri_too_long"), ("BREW", "/api/status", 405, "method_not_allowed"),
])
def test_every_error_has_the_form_of_the_api(empty, method, target, status, code):
    answer = empty.root.raw(method, target)
    assert answer.status == status and set(answer.json()) == {"error"}
    assert answer.json()["error"]["code"] == code and answer.json()["error"]["message"]
    assert answer.header("content-type") == "application/json" and bool(answer.header("allow")) == (status == 405)


def test_headers_that_are_too_large_have_the_form_too(empty):
    answer = empty.root.raw("GET", "/api/status", headers={"X-Long": "a" * 100000})
    assert answer.status == 431 and answer.json()["error"]["code"] == "headers_too_large"


@pytest.mark.parametrize("target", ["/apis", "/nothing/api/status", "/API/status"])
def test_other_paths_keep_their_form(empty, target):
    assert empty.root.raw("GET", target).json()["code"] == "not_found"
