"""The first screen: figures of the last hour, lanes, programs and Redis, and the hint of an empty queue, which is really followed."""

import os
import pty
import select
import time

from browser import PASSWORDS, Page
from harness.wait import wait_for


def figure(page, name):
    """The texts of the chart NAME: its large figure and the lines below it."""
    script = """
        const node = [...document.querySelectorAll('figure')].find((f) => f.querySelector('b').textContent === arguments[0]);
        return node && [node.querySelector('strong').textContent, ...[...node.querySelectorAll('span')].map((s) => s.textContent)]"""
    return page.driver.execute_script(script, name)


def test_charts_end_with_the_last_whole_minute(page, service):
    """The minute that runs is not over, so the large figure and the curve are of the one before it."""
    r = service.stack.redis.client()
    minute = int(r.time()[0]) // 60
    for ago in (1, 2, 3, 4, 5, 6):  # also if a minute ends while the test runs
        r.hset(f"hookpace:{{0}}:history:{minute - ago}", mapping={"accepted": 7, "refused": 2})
    r.hset(f"hookpace:{{0}}:history:{minute - 20}", mapping={"accepted": 31})
    page.reload()
    page.see("The large figures are of the last whole minute")
    wait_for(lambda: figure(page, "Accepted") == ["7", "this minute so far 0", "peak 31, refused 2"], 10, lambda: f"the chart, which says {figure(page, 'Accepted')}")
    service.post("e1")
    wait_for(lambda: figure(page, "Accepted")[1] != "this minute so far 0" or figure(page, "Accepted")[0] == "1", 10, "the new event")
    assert figure(page, "Duration of an attempt, 99 %")[2] == "peak –, median –"


def test_a_minute_is_told_below_the_pointer(page, service):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    r = service.stack.redis.client()
    minute = int(r.time()[0]) // 60
    for ago in range(1, 64):
        r.hset(f"hookpace:{{0}}:history:{minute - ago}", mapping={"accepted": 5, "refused": 3})
    page.reload()
    wait_for(lambda: (figure(page, "Accepted") or [""])[0] == "5", 10, "the chart")
    ActionChains(page.driver).move_to_element(page.driver.find_element(By.CSS_SELECTOR, "figure svg")).perform()
    wait_for(lambda: figure(page, "Accepted")[1].endswith(": 5, refused 3"), 5, lambda: f"the minute below the pointer: {figure(page, 'Accepted')}")


def test_a_lane_with_its_last_hour(page, service):
    for n in range(6):
        service.post(f"e{n}")
    page.wait_cell("audit", "Dead", "6")
    page.wait_cell("audit", "Success", "0 %")
    page.wait_cell("orders", "Success", "100 %")
    page.wait_cell("orders", "Sends/s", "0.1")
    page.wait_cell("orders", "State", "runs")
    assert page.cell("eye", "Success") == "–" and page.cell("eye", "Sends/s") == "0"
    r = service.stack.redis.client()
    span = int(r.time()[0]) // 120
    r.hset(f"hookpace:{{0}}:trends:{span - 4}", mapping={"orders done": 90, "orders failed": 10})
    page.reload()
    page.see("Now", "orders")
    label = "return [...document.querySelectorAll('td [role=img]')].map((n) => n.getAttribute('aria-label')).join()"
    wait_for(lambda: ("100 attempts, 10 failed" in page.driver.execute_script(label)) or ("106 attempts, 10 failed" in page.driver.execute_script(label)),
             10, lambda: "the curve: " + page.driver.execute_script(label))


def test_programs_and_redis(page, service):
    page.see("Programs", "Redis", "appendfsync is everysec", "Mode standalone, 1 partition, appendonly yes")
    page.wait_cell("receiver", "Version", page.cell("dispatcher", "Version"))
    address = service.stack.redis.url.removeprefix("redis://").split("/")[0]
    page.wait_cell(address, "State", "answers")
    assert page.cell("receiver", "Name").endswith(f":{service.receiver.pid}")
    service.conf["destinations"]["orders"]["timeout_ms"] = 4321
    service.receiver.reload(service.conf)
    page.see("differs from this receiver")
    service.dispatchers[0].kill9()
    page.see("No dispatcher is running")


def run_in_a_terminal(line, answer):
    """What LINE prints on a terminal on which somebody types ANSWER when it asks for a password."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", line])
    seen, told, deadline = "", False, time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 4096).decode(errors="replace")
            except OSError:  # the other end is closed
                break
        if not told and "password" in seen:
            os.write(terminal, answer.encode() + b"\n")
            told = True
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    return seen


def test_the_line_of_an_empty_queue_works(page, service):
    """Somebody copies the line from the page into a shell, and then sees the event on the page."""
    from selenium.webdriver.common.by import By
    page.go("#/deliveries")
    page.see("Nothing was accepted yet", "Send a first event", "curl asks for your password")
    line = page.driver.find_element(By.CSS_SELECTOR, ".empty pre").text
    assert line.startswith("curl ")
    assert '"event"' in run_in_a_terminal(line, PASSWORDS["root"])
    page.see_no("Nothing was accepted yet")
    wait_for(lambda: any(r.path == "/orders" for r in service.sink.requests), 10, "the delivery")


def test_the_hint_of_an_account_that_may_not_send(service, chromium):
    page = Page(chromium, service.fill().receiver.admin)
    page.log_in("eye", view="#/deliveries")
    page.see("An account of role admin can send a test event")
    assert "curl" not in page.text
    page.close()


def test_the_hint_without_a_source(service, chromium):
    page = Page(chromium, service.start().receiver.admin)
    page.log_in("root", view="#/deliveries")
    page.see("The configuration has no source yet")
    page.close()


def test_the_first_screen_is_small_and_quick(page):
    """Under 200 KB with all that it asks for, and under 300 ms: the quickest of some loads, because other tests run meanwhile."""
    def load():
        page.reload()
        page.see("Programs", "root (admin)", "dispatcher")
        return page.driver.execute_script("""
            const all = performance.getEntriesByType('resource');
            const shown = performance.getEntriesByName('shown')[0];
            const size = all.reduce((n, r) => n + r.decodedBodySize, performance.getEntriesByType('navigation')[0].decodedBodySize);
            return [size, shown.startTime]""")
    page.driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    loads = []
    wait_for(lambda: loads.append(load()) or (min(ms for _, ms in loads) < 300), 60, lambda: f"a quick load: {loads}")
    assert max(size for size, _ in loads) < 200_000, loads
