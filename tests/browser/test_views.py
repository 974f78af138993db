"""Each view: what it shows, that its address brings it back, and that it changes in place."""

import json
from base64 import b64encode

import pytest

from browser import PASSWORDS
from harness import http
from harness.exchange import Answer
from harness.wait import stays, wait_for

VIEWS = {
    "#/now": "Now", "#/deliveries": "Deliveries", "#/deliveries?state=dead&destination=audit": "Deliveries", "#/delivery/e1%3Aaudit": "Timeline", "#/event/e1": "Event",
    "#/dead": "Dead letters", "#/lanes": "Lanes", "#/lanes?state=dead&name=aud": "Lanes", "#/lanes/orders": "Lane orders", "#/sources": "Sources",
    "#/accounts": "Accounts", "#/jobs": "Jobs",
}


@pytest.fixture
def filled(page, service):
    service.post("e1", tag="red")
    service.post("e2", tag="blue")
    page.go("#/deliveries?state=dead")
    wait_for(lambda: page.cell("e2", "State") == "dead" or page.driver.refresh(), 10, "two dead letters")
    return page


@pytest.mark.parametrize("view", VIEWS)
def test_reload_keeps_the_view(filled, view):
    filled.go(view)
    filled.see(VIEWS[view])
    before = filled.hash
    filled.reload()
    filled.see(VIEWS[view], "root (admin)")
    assert filled.hash == before
    assert filled.driver.title.endswith("Hookpace")


def test_an_unknown_view_is_the_first_one(page):
    for view in ("#/nothing", "#/constructor", "#%zz", "#/lanes/%zz", "#/delivery/"):
        page.go(view)
        page.see("root (admin)")
    page.may_log += ("status of 404",)


def test_filters_are_in_the_address(filled):
    filled.go("#/deliveries")
    filled.see("e1", "e2")
    filled.fill_in("Tag", "red")
    filled.fill_in("Destination", "audit")
    filled.click("Filter")
    filled.see_no("e2")
    assert filled.hash == "#/deliveries?destination=audit&tag=red"
    filled.reload()
    filled.see("e1", "http_500")
    assert filled.input("Tag").get_attribute("value") == "red" and "e2" not in filled.text
    filled.click("Clear")
    filled.see("e2")
    filled.driver.back()
    filled.see_no("e2")


def test_a_bad_filter_is_explained(filled):
    filled.go("#/deliveries?since=yesterday")
    filled.see("This did not work", "since")
    filled.may_log += ("status of 400",)


def test_pages_by_cursor(page, service):
    for n in range(30):
        service.post(f"e{n:02}")
    page.go("#/deliveries")
    page.see("e29")
    page.click("Next page")
    page.see("e00")
    page.see_no("e29")
    page.reload()
    page.see("e00")
    page.click("First page")
    page.see("e29")


def test_the_story_of_a_delivery(page, service):
    service.sink.on("/audit", Answer(500, body=b"<h1>broken</h1>"))
    service.post("e1", tag="red", text="hello", list=[], big=12345678901234567890)
    page.go("#/delivery/e1%3Aaudit")
    page.see("Attempt 1", "status 500", "http_500", "UTC)")
    page.click("Answer")
    page.see("<h1>broken</h1>")
    page.click("Show the body")
    assert '{"id": "e1", "tag"' not in page.text
    page.see('"big": 12345678901234567890', '"list": []', "application/json")
    page.click("As it was sent")
    page.see('{"id": "e1", "tag"')
    page.click("e1")
    page.see("Deliveries", "delivered", "dead")


def test_times_have_utc_on_hover(filled):
    filled.go("#/deliveries")
    filled.see("e1")
    titles = filled.driver.execute_script("return [...document.querySelectorAll('time')].map((t) => [t.title, t.dateTime])")
    assert titles and all(title.endswith(" UTC") and moment.endswith("Z") for title, moment in titles)


def test_dead_letters_by_reason(filled):
    filled.go("#/dead")
    filled.wait_cell("audit", "Dead letters", "2")
    assert filled.cell("audit", "Reason") == "http_500"


def test_tasks_of_an_account_by_their_state(page, service):
    login = b64encode(f"acme:{PASSWORDS['acme']}".encode()).decode()
    tasks = [{"id": f"t{n}", "postback_url": "https://app.example/"} for n in range(3)]
    with http.Client(service.receiver.admin) as client:
        client.request("POST", "/v3/serp/google/organic/task_post", {"Authorization": "Basic " + login, "Content-Type": "application/json"}, json.dumps(tasks).encode())
    page.go("#/accounts")
    page.wait_cell("acme", "Pending", "3")
    assert page.cell("eye", "Pending") == "0" and page.cell("acme", "Delay") == "none"


def test_it_changes_in_place(filled, service):
    """A row that stays keeps its element, and what has the focus keeps it."""
    filled.go("#/deliveries")
    filled.see("e1")
    filled.tab_to("e2")
    filled.driver.execute_script("""
        window.kept = document.activeElement;
        window.changed = 0;
        new MutationObserver((list) => { window.changed += list.length; }).observe(document.querySelector('tbody'), {childList: true, subtree: true, characterData: true})""")
    service.post("e3")
    filled.see("e3")
    filled.wait_cell("e3", "State", "delivered")
    assert filled.driver.execute_script("return document.activeElement === window.kept && window.kept.isConnected")
    wait_for(lambda: filled.cell("e3", "State") == "delivered", 5, "the last change")
    filled.driver.execute_script("window.changed = 0")
    stays(lambda: filled.driver.execute_script("return window.changed") == 0, 3.5, "a table without changes")


def test_an_empty_list_says_so(page):
    page.go("#/deliveries?state=dead")
    page.see("Nothing matches this filter")
    page.go("#/dead")
    page.see("There are no dead letters")
    page.go("#/jobs")
    page.see("No job ran in the last day")
    page.go("#/lanes?state=paused")
    page.see("No lane matches this filter")


def names(page):
    return page.driver.execute_script("return [...document.querySelectorAll('tbody th')].map((n) => n.textContent)")


def test_lanes_by_state_and_name(filled, service):
    filled.go("#/lanes")
    filled.click("Pause lane acme")
    filled.go("#/now")
    filled.see("Paused lanes\n1")
    filled.driver.execute_script("[...document.querySelectorAll('dt')].find((n) => n.textContent === 'Paused lanes').nextSibling.firstChild.click()")
    wait_for(lambda: names(filled) == ["acme"], 10, "the paused lane alone")
    assert filled.hash == "#/lanes?state=paused"
    filled.click("Resume lane acme")
    filled.see("No lane matches this filter")
    filled.fill_in("State", "with dead letters")
    wait_for(lambda: names(filled) == ["audit"], 10, "the lane with dead letters")
    filled.go("#/lanes")
    filled.fill_in("Name contains", "ord")
    filled.click("Filter")
    wait_for(lambda: names(filled) == ["orders"], 10, "the lane with that name")
    filled.reload()
    wait_for(lambda: names(filled) == ["orders"], 10, "the same after a reload")
    assert filled.input("Name contains").get_attribute("value") == "ord"
    filled.click("Clear")
    wait_for(lambda: len(names(filled)) > 3, 10, "all lanes")
