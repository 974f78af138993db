"""What senders and downstreams write is shown as text, whatever it holds."""

import json

import pytest

from harness.exchange import Answer
from harness.wait import wait_for

MARK = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
NASTY = ["<b>bold</b>", MARK, "\"><svg onload=window.hit=1>", "javascript:window.hit=1", "a\u202eb\u2066c", "\u200b\ufeffz", "{{7*7}}", "__proto__", "%3Cb%3E", "\U000e0041"]


@pytest.fixture
def hostile(page, service):
    service.sink.on("/audit", Answer(500, headers={"X-Bad": MARK}, body=(MARK + "\u202e\u0007").encode()))
    for n, text in enumerate(NASTY):
        body = json.dumps({"id": f"h{n}", "tag": text, "text": text, MARK: [text]}, ensure_ascii=False).encode()
        with_headers = {"Content-Type": "application/json"}
        assert service.receiver.post("/in/shop", body, with_headers).status == 200
    return page


def harmless(page):
    """No element came from the data, nothing ran, and no invisible or direction-changing character is in a cell."""
    return page.driver.execute_script(r"""
        const main = document.querySelector('main');
        const bad = [...main.querySelectorAll('img, script, svg:not(.spark), b, iframe, object, style')].map((n) => n.outerHTML);
        const marks = main.innerText.match(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g);
        const links = [...main.querySelectorAll('a')].filter((a) => !a.getAttribute('href').startsWith('#/')).map((a) => a.href);
        return [window.hit ?? null, bad, marks, links]""") == [None, [], None, []]


def test_lists(hostile):
    hostile.go("#/deliveries")
    hostile.see("h9", MARK[:40], "a\\u202eb\\u2066c", "\\u200b\\ufeffz", "\\u{e0041}")
    assert harmless(hostile)
    hostile.go("#/dead")
    hostile.see("http_500")
    assert harmless(hostile)


@pytest.mark.parametrize("n", range(len(NASTY)))
def test_one_delivery(hostile, n):
    hostile.go(f"#/delivery/h{n}%3Aaudit")
    hostile.see("Attempt 1", "status 500")
    hostile.click("Answer")
    hostile.see("<script>", "\\u202e")
    hostile.click("Show the body")
    hostile.see('"tag"')
    assert harmless(hostile)


def test_a_tag_goes_into_the_filter_and_back(hostile):
    for n, text in enumerate(NASTY):
        if any(ord(c) < 32 for c in text):
            continue
        hostile.go(f"#/delivery/h{n}%3Aorders")
        hostile.see("Timeline")
        wait_for(lambda: f"h{n}:" in hostile.driver.find_element("css selector", ".lead").text, 5, "the page")
        hostile.driver.execute_script("[...document.querySelectorAll('.facts a')].find((a) => a.hash.includes('tag=')).click()")
        hostile.wait_cell(f"h{n}", "State", "delivered")
        assert hostile.input("Tag").get_attribute("value") == text
        assert harmless(hostile)


def test_addresses_are_hostile_too(page):
    page.may_log += ("status of 404", "status of 400")
    for view in (f"#/delivery/{MARK}", f"#/lanes/{MARK}", f"#/event/{MARK}", f"#/job/{MARK}?act={MARK}", f"#/deliveries?tag={MARK}&lane={MARK}"):
        page.go(view)
        wait_for(lambda: page.driver.execute_script("return document.querySelector('main').getAttribute('aria-busy')") == "false", 5, "an answer")
        assert harmless(page), view


def test_a_body_that_is_no_text_and_one_that_is_long(page, service):
    service.conf["sources"]["raw"] = {"verify": {"scheme": "none"}, "id": ["header:X-Id"], "to": ["orders"], "format": "raw"}
    del service.conf["sources"]["raw"]["format"]
    service.receiver.reload(service.conf)
    body = json.dumps({"text": "x" * 400_000}).encode()
    assert service.receiver.post("/in/raw", body, {"Content-Type": "application/json", "X-Id": "long"}).status == 200
    page.go("#/event/long")
    page.see("Event")
    page.click("Show the body")
    page.see("cut after 256 KiB")
