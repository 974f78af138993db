"""Chromium through its driver, and what tests do on a page: find by role and name, as a person or a screen reader does."""

import os

from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness import config
from harness.wait import wait_for

PASSWORDS = {"root": "root-pässword", "eye": "eye-password", "acme": "acme-password"}
ROLES = {"root": "admin", "eye": "viewer", "acme": "user"}
PATIENCE_S = 10


class Service:
    """Programs on one Redis, and a sink that takes what is sent."""

    def __init__(self, stack):
        self.stack = stack
        self.sink = stack.downstream()
        accounts = {name: {"password": PASSWORDS[name], "role": role} for name, role in ROLES.items()}
        self.conf = config.base(stack.redis.url, accounts=accounts)
        self.receiver = None

    def start(self, dispatchers=1):
        self.receiver = self.stack.receiver(self.conf)
        self.dispatchers = [self.stack.dispatcher(self.conf) for _ in range(dispatchers)]
        return self

    def fill(self, dispatchers=1):
        """Source `shop` goes to `orders` (works) and `audit` (answers 500)."""
        for name in ("orders", "audit"):
            self.conf["destinations"][name] = config.destination(self.sink.url("/" + name), retry={"schedule_s": []})
        self.conf["sources"]["shop"] = config.source(["orders", "audit"])
        self.sink.on("/audit", 500)
        return self.start(dispatchers)

    def post(self, ident, source="shop", **body):
        answer = self.receiver.post("/in/" + source, {"id": ident, **body})
        assert answer.status == 200, answer


class Browser:
    """One Chromium. Each Page has a profile's worth of its own: a new browser context."""

    def __init__(self, directory):
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--window-size=1280,900", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                     f"--user-data-dir={directory}", *(["--no-sandbox"] if os.getuid() == 0 else [])):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Driver("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(PATIENCE_S * 3)

    def close_tabs(self):
        first, *others = self.driver.window_handles
        for handle in others:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get_log("browser")

    def close(self):
        self.driver.quit()


class Page:
    """A tab with its own session, and the address of the dashboard that it shows."""

    def __init__(self, browser, address):
        self.driver = browser.driver
        self.root = f"http://{address[0]}:{address[1]}" if isinstance(address, tuple) else f"http://{address}"
        self.driver.switch_to.new_window("tab")
        self.handle = self.driver.current_window_handle
        self.may_log = ()  # parts of messages that the test expects on the console

    def close(self):
        self.turn_to()
        logged = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        self.driver.close()
        self.driver.switch_to.window(self.driver.window_handles[0])
        unexpected = [m for m in logged if not any(part in m for part in self.may_log)]
        assert unexpected == [], unexpected

    def turn_to(self):
        self.driver.switch_to.window(self.handle)

    # --- going places ---

    def open(self, view=""):
        self.turn_to()
        self.driver.get("about:blank")
        self.driver.get(f"{self.root}/{view}")

    def log_in(self, name, password=None, view=""):
        self.open(view)
        self.fill_in("Account", name)
        self.fill_in("Password", password or PASSWORDS[name])
        self.may_log += ("/api/me - Failed to load resource: the server responded with a status of 401",)
        self.click("Log in")
        self.see(f"{name} (")

    def go(self, view):
        """To another view of the same page. Waits until it has what it shows, or knows that it cannot have it."""
        self.turn_to()
        self.driver.execute_script("document.querySelector('main').firstElementChild.dataset.old = 1; location.hash = arguments[0]", view)
        script = "const m = document.querySelector('main'); return !m.firstElementChild.dataset.old && m.getAttribute('aria-busy') === 'false'"
        wait_for(lambda: self.driver.execute_script(script), PATIENCE_S, f"the view {view}")

    def reload(self):
        self.driver.refresh()

    @property
    def hash(self):
        return self.driver.execute_script("return decodeURIComponent(location.hash)")

    # --- looking ---

    @property
    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

    def see(self, *texts):
        """Waits until each of TEXTS is on the page."""
        for text in texts:
            wait_for(lambda: text in self.text, PATIENCE_S, lambda: f"{text!r} on the page, which says:\n{self.text[:3000]}")

    def see_no(self, text):
        wait_for(lambda: text not in self.text, PATIENCE_S, f"no {text!r} on the page")

    def cell(self, row, column):
        """The text of the cell in the row that ROW names, below the heading COLUMN."""
        script = """
            for (const table of document.querySelectorAll('table')) {
              const at = [...table.tHead.rows[0].cells].findIndex((c) => c.textContent === arguments[1]);
              const row = [...table.tBodies[0].rows].find((r) => r.querySelector('th').textContent === arguments[0]);
              if (at >= 0 && row) return row.cells[at].innerText;
            }
            return null"""
        return self.driver.execute_script(script, row, column)

    def wait_cell(self, row, column, value):
        wait_for(lambda: self.cell(row, column) == value, PATIENCE_S, lambda: f"{value!r} in {row}, {column}: {self.cell(row, column)!r}")

    # --- acting ---

    def find(self, selector, name):
        """The visible element of SELECTOR whose accessible name is NAME, or None. A cell may be drawn anew meanwhile."""
        for node in self.driver.find_elements(By.CSS_SELECTOR, selector):
            try:
                if node.is_displayed() and node.accessible_name == name:
                    return node
            except StaleElementReferenceException:
                continue
        return None

    def click(self, name):
        def try_it():
            node = self.find("dialog[open] button", name) or self.find("button, a, summary", name)
            try:
                if node:
                    node.click()
            except (StaleElementReferenceException, ElementClickInterceptedException):
                return False
            return node is not None
        wait_for(try_it, PATIENCE_S, f"a button {name!r}")

    def has_button(self, name):
        return self.find("button, a", name) is not None

    def input(self, label):
        return wait_for(lambda: self.find("input, select, textarea", label), PATIENCE_S, f"an input {label!r}")

    def fill_in(self, label, value):
        node = self.input(label)
        if node.tag_name != "select":
            node.clear()
        node.send_keys(value)

    def press(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(self, name, most=80):
        """Presses Tab until the element with the accessible name NAME has the focus."""
        for _ in range(most):
            self.press(Keys.TAB)
            if self.driver.switch_to.active_element.accessible_name == name:
                return
        raise AssertionError(f"Tab does not reach {name!r}")
