"""Who gets in, how long, and what each role sees."""

import json
from base64 import b64encode

from browser import PASSWORDS, Page
from harness import http
from harness.exchange import Answer
from harness.wait import wait_for


def test_a_wrong_password_and_then_the_right_one(page):
    page.click("Log out")
    page.see("Log in")
    page.fill_in("Account", "root")
    page.fill_in("Password", "wrong")
    page.click("Log in")
    page.see("log in with the name and password of an account")
    assert page.driver.execute_script("return sessionStorage.length") == 0
    page.fill_in("Account", "root")
    page.fill_in("Password", PASSWORDS["root"])
    page.click("Log in")
    page.see("root (admin)")


def test_log_out_forgets_the_login(page):
    page.click("Log out")
    page.see("Log in")
    assert page.driver.execute_script("return sessionStorage.length + localStorage.length + document.cookie.length") == 0
    page.reload()
    page.see("Log in")
    assert "root" not in page.text


def test_the_session_ends_when_the_password_changes(page, service):
    page.go("#/deliveries?state=dead")
    page.see("Deliveries")
    service.conf["accounts"]["root"]["password"] = "another-password"
    page.may_log += ("status of 401",)
    service.receiver.reload(service.conf)
    page.see("Your session ended")
    page.fill_in("Account", "root")
    page.fill_in("Password", "another-password")
    page.click("Log in")
    page.see("root (admin)", "Deliveries")
    assert page.hash == "#/deliveries?state=dead"


def test_the_session_ends_while_a_window_is_open(page, service):
    """The window goes, whether the page or the window finds out."""
    page.go("#/lanes/orders")
    page.click("Purge lane orders")
    page.see("Purge lane orders?")
    service.conf["accounts"]["root"]["password"] = "another-password"
    page.may_log += ("status of 401",)
    service.receiver.reload(service.conf)
    page.see("Your session ended")
    assert not page.driver.execute_script("return document.querySelector('dialog')")
    page.fill_in("Account", "root")
    page.fill_in("Password", "another-password")
    page.click("Log in")
    page.see("Lane orders")
    page.click("Purge lane orders")
    page.see("Purge lane orders?")
    page.driver.back()
    wait_for(lambda: not page.driver.execute_script("return document.querySelector('dialog')"), 10, "no window on another view")


def test_a_viewer_sees_everything_and_has_no_buttons(service, chromium):
    service.fill().post("e1")
    page = Page(chromium, service.receiver.admin)
    page.log_in("eye", view="#/deliveries")
    page.see("audit", "dead")
    assert not page.has_button("Resend all that match…")
    page.go("#/delivery/e1%3Aaudit")
    page.see("Timeline", "Attempt 1")
    assert not page.has_button("Resend") and not page.has_button("Drop…")
    page.go("#/dead")
    page.see("http_500")
    assert not page.has_button("Resend all dead letters of audit")
    page.close()


def test_a_user_sees_its_own_tasks_and_nothing_else(service, chromium):
    service.conf["dispatcher"]["egress"] = {"allow_accounts": ["127.0.0.1/32"]}
    service.fill().post("other")
    service.sink.on("/hook", Answer(500, body=b"<b>no</b>"))
    post_task(service, "acme", "t1", service.sink.url("/hook"))
    page = Page(chromium, service.receiver.admin)
    page.log_in("acme", view="#/deliveries")
    page.see("acme (user)", "Your tasks", "http_500", "<b>no</b>")
    assert not page.has_button("Lanes") and "other" not in page.text
    service.sink.on("/hook", 200)
    page.click("Resend the webhooks of task t1")
    page.see("The webhooks of task t1 are queued again", "Done and fetched\n1")
    page.close()


def post_task(service, name, ident, url):
    login = b64encode(f"{name}:{PASSWORDS[name]}".encode()).decode()
    with http.Client(service.receiver.admin) as client:
        body = json.dumps([{"id": ident, "postback_url": url, "result": 1}]).encode()
        answer = client.request("POST", "/v3/serp/google/organic/task_post", {"Authorization": "Basic " + login, "Content-Type": "application/json"}, body)
    assert answer.json()["tasks"][0]["status_code"] == 20100, answer.json()


def test_each_tab_has_its_own_login(page, chromium, service):
    """Two operators at once, of whom one logs out."""
    other = Page(chromium, service.receiver.admin)
    other.log_in("eye")
    page.turn_to()
    page.see("root (admin)")
    other.turn_to()
    other.click("Log out")
    other.see("Log in")
    page.turn_to()
    page.reload()
    page.see("root (admin)")
    other.close()


def test_pages_of_other_sites_cannot_act(service):
    """The browser sends no login by itself, and what a foreign page sends is refused even with one."""
    service.fill(dispatchers=0)
    login = "Basic " + b64encode(f"root:{PASSWORDS['root']}".encode()).decode()
    host = service.receiver.admin
    host = host if isinstance(host, str) else f"{host[0]}:{host[1]}"

    def pause(**headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with http.Client(service.receiver.admin) as client:
            return client.request("POST", "/api/lanes/orders/pause", {"Authorization": login, **names}, b"{}").status
    assert pause() == 200 and pause(Origin=f"http://{host}") == 200
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                    {"Referer": "http://evil.example/"}, {"Origin": f"http://{host}.evil.example"}):
        assert pause(**headers) in (401, 403), headers
