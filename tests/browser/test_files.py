"""The dashboard's files as HTTP sees them: no login, a strict policy, and nothing that would break it."""

import re
from pathlib import Path

import pytest

from harness import http

ASSETS = Path(__file__).resolve().parents[2] / "receiver/console/assets"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
          "frame-ancestors 'none'; form-action 'none'")
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
FILES = {("/" if path.name == "index.html" else f"/assets/{path.name}"): path for path in sorted(ASSETS.iterdir())}


def ask(service, method, target, headers=None):
    with http.Client(service.receiver.admin) as client:
        return client.request(method, target, headers or {}, b"")


@pytest.fixture
def running(service):
    return service.start(dispatchers=0)


def test_every_file_is_served(running):
    for target, path in FILES.items():
        answer = ask(running, "GET", target)
        assert answer.status == 200 and answer.body == path.read_bytes(), target
        assert answer.header("content-type") == TYPES[path.suffix]
        assert answer.header("content-security-policy") == POLICY
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("referrer-policy") == "no-referrer"
        assert answer.header("x-frame-options") == "DENY"
        head = ask(running, "HEAD", target)
        assert head.status == 200 and head.header("content-length") == str(len(answer.body)) and head.body == b""


def test_a_file_that_the_browser_has_is_not_sent_again(running):
    first = ask(running, "GET", "/")
    tag = first.header("etag")
    assert first.header("cache-control") == "no-cache" and re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for wanted in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = ask(running, "GET", "/", {"If-None-Match": wanted})
        assert again.status == 304 and again.body == b"" and again.header("etag") == tag
        assert again.header("content-security-policy") == POLICY
    for wanted in ('"x"', tag.strip('"'), tag[:-2] + '"', ""):
        assert ask(running, "GET", "/", {"If-None-Match": wanted}).status == 200
    assert len({ask(running, "GET", target).header("etag") for target in FILES}) == len(FILES)


@pytest.mark.parametrize("target", ["/assets/", "/assets", "/assets/none.js", "/assets/..%2fapp.js", "/assets/%2e%2e", "/assets/app.js/", "/assets/a%00", "/index.html"])
def test_other_names(running, target):
    assert ask(running, "GET", target).status in (400, 404)


def test_only_reading(running):
    for target in ("/", "/assets/app.js"):
        answer = ask(running, "POST", target)
        assert answer.status == 405 and answer.header("allow") == "GET, HEAD"


def test_the_files_keep_to_the_policy():
    """No code or style in the page, no other host, and no way for text to become HTML."""
    page = (ASSETS / "index.html").read_text()
    assert not re.search(r"<style|style=|\son\w+=|javascript:|//[a-z]", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    for path in ASSETS.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|new Function|srcdoc|setHTML", text), path
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
    assert "url(" not in (ASSETS / "style.css").read_text() and "@import" not in (ASSETS / "style.css").read_text()


def first_screen():
    """The files that a browser loads before it shows anything: those of the page, and what its script imports at once."""
    wanted, loaded = re.findall(r'(?:src|href)="/?assets/([^"]+)"', (ASSETS / "index.html").read_text()), {"index.html"}
    while wanted:
        name = wanted.pop()
        if name not in loaded:
            loaded.add(name)
            wanted += re.findall(r"^import .* from '\./([^']+)'", (ASSETS / name).read_text(), re.M)
    return loaded


def test_all_of_it_is_small():
    assert first_screen() >= {"app.js", "now.js", "dom.js", "style.css"}
    assert sum((ASSETS / name).stat().st_size for name in first_screen()) < 80_000
    assert sum(path.stat().st_size for path in FILES.values()) < 150_000
