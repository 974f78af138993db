"""For everybody: axe-core finds nothing in any view, in light and dark, on a phone; and there may be many lanes."""

import subprocess
from pathlib import Path

import pytest

from harness import config

BUILT = Path(__file__).resolve().parents[2] / "var/axe"
AXE = "axe-core@4.10.2"
VIEWS = ["#/now", "#/deliveries", "#/deliveries?state=dead", "#/delivery/e1%3Aaudit", "#/event/e1", "#/dead", "#/lanes", "#/lanes?state=paused", "#/lanes/orders", "#/sources", "#/accounts", "#/jobs"]


@pytest.fixture(scope="session")
def axe():
    script = BUILT / "node_modules/axe-core/axe.min.js"
    if not script.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(BUILT), AXE], check=True, timeout=120)
    return script.read_text()


def violations(page, axe):
    """What axe-core says of the page. Its code comes through the driver, which the policy of the page does not concern."""
    page.driver.execute_script(axe)
    found = page.driver.execute_async_script("axe.run(document, {resultTypes: ['violations']}).then(arguments[0], (e) => arguments[0]({violations: [{id: String(e), nodes: []}]}))")
    return [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found["violations"]]


def shape(page, width, dark):
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600})
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})


@pytest.mark.parametrize("width, dark", [(1280, False), (1280, True), (360, False), (360, True)])
def test_no_violations(page, service, axe, width, dark):
    service.post("e1", tag="red", text="x" * 300)
    shape(page, width, dark)
    for view in VIEWS:
        page.go(view)
        assert violations(page, axe) == [], view
        assert page.driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), f"{view} is wider than the window"
    page.go("#/dead")
    page.click("Resend all dead letters of audit")
    page.click("Resend all")
    page.see("Finished.")
    assert violations(page, axe) == []
    page.go("#/jobs")
    page.see("finished")
    assert violations(page, axe) == []
    page.go("#/delivery/e1%3Aaudit")
    page.click("Show the body")
    page.see('"tag"')
    page.click("Answer")
    assert violations(page, axe) == []
    page.click("Drop…")
    page.see("Drop this delivery?")
    assert violations(page, axe) == []
    page.click("Cancel")
    page.click("Log out")
    page.see("Password")
    assert violations(page, axe) == []


def test_no_violations_on_the_page_of_a_user(service, chromium, axe):
    from browser import Page
    service.conf["secrets_key"] = "ab" * 32
    page = Page(chromium, service.fill().receiver.admin)
    page.log_in("acme")
    page.see("Your tasks", "No webhook of your tasks has failed")
    assert violations(page, axe) == []
    for width in (1280, 360):
        shape(page, width, width == 360)
        page.go("#/tasks")
        page.go("#/settings")
        page.see("TLS verification", "not signed")
        assert violations(page, axe) == []
        assert page.driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), "wider than the window"
        for name, shown in (("Change: Payload", "What the body of a postback holds"), ("New secret…", "Sign your webhooks?"), ("Send a test webhook…", "Kind")):
            page.click(name)
            page.see(shown)
            assert violations(page, axe) == [], name
            page.click("Cancel")
    page.click("New secret…")
    page.click("Make the secret")
    page.see("Your new signing secret")
    assert violations(page, axe) == []
    page.click("I have it")
    page.close()


def test_axe_is_awake(page, axe):
    page.driver.execute_script("document.querySelector('main').append(document.createElement('img'), document.createElement('button'))")
    assert {name for name, _ in violations(page, axe)} >= {"image-alt", "button-name"}


def test_ten_thousand_lanes(service, chromium):
    from browser import Page
    for n in range(10_000):
        service.conf["destinations"][f"d{n:05}"] = config.destination(service.sink.url("/x"))
    service.conf["sources"]["shop"] = config.source(["d00000"])
    service.start(dispatchers=0)
    page = Page(chromium, service.receiver.admin)
    page.log_in("root", view="#/lanes")
    page.see("d00000", "Next page")
    assert page.driver.execute_script("return document.querySelectorAll('*').length") < 5000
    page.click("Next page")
    page.see("d00198")
    page.see_no("d00000")
    page.fill_in("Name contains", "9999")
    page.click("Filter")
    page.see("d09999")
    assert page.driver.execute_script("return document.querySelectorAll('tbody tr').length") == 1
    page.click("d09999")
    page.see("Lane d09999")
    page.go("#/now")
    page.see("d00000")
    page.close()
