"""Both programs read their configuration again: what changes, what is refused, and nothing is lost."""

import hashlib
import signal
import time

import pytest

from harness import config, http
from harness.pair import both, settle
from harness.wait import wait_for


def test_sighup_adds_and_removes(stack):
    sink, other = stack.downstream(), stack.downstream()
    conf, receiver, (dispatcher,) = both(stack, sink)
    assert receiver.post("/in/new", b'{"id":"x"}').status == 404
    conf["sources"]["new"] = config.source("second")
    conf["destinations"]["second"] = config.destination(other.url())
    receiver.reload(conf)
    dispatcher.reload(conf)
    receiver.send("x", "/in/new")
    other.wait_events({"x"})
    del conf["sources"]["in"]
    receiver.reload(conf)
    assert receiver.post("/in/in", b'{"id":"y"}').status == 404
    conf["destinations"]["second"]["postback_url"] = sink.url()
    dispatcher.reload(conf)
    receiver.send("z", "/in/new")
    sink.wait_events({"z"})


@pytest.mark.parametrize("broken", ["not json", "unknown key", "bad delay", "file gone"])
def test_sighup_with_a_bad_file_changes_nothing(stack, broken):
    sink = stack.downstream()
    conf, receiver, (dispatcher,) = both(stack, sink)
    for program in (receiver, dispatcher):
        if broken == "not json":
            program.config_path.write_text("{")
        elif broken == "unknown key":
            program.write_config({**conf, "sauces": {}})
        elif broken == "bad delay":
            program.write_config({**conf, "delay_ms": 75})
        else:
            program.config_path.unlink()
        program.reload(None, accepted=False)
        program.wait_line(lambda line: line.get("level") == "error", what="an error")
        assert program.running
    receiver.send("still")
    sink.wait_events({"still"})


@pytest.mark.slow
def test_many_reloads_under_load(stack):
    sink = stack.downstream()
    conf, receiver, (dispatcher,) = both(stack, sink)
    sender = http.Sender(receiver.ingest, http.numbered(), threads=3, pause=0.005).start()
    wait_for(lambda: len(sender.ids()) > 50, 10, "load")
    for program in (receiver, dispatcher):
        program.reload(conf)
    rss = [receiver.rss_kb(), dispatcher.rss_kb()]
    for n in range(200):
        for program in (receiver, dispatcher):
            program.hup({"conf": n} if n % 5 == 4 else conf)
        time.sleep(0.01)  # signals of one kind that pend together are one
    for program in (receiver, dispatcher):
        program.reload(conf)
    sender.stop()
    assert set(sender.statuses) == {200}, sender.statuses
    settle(stack, sink, sender.ids())
    grown = [receiver.rss_kb() - rss[0], dispatcher.rss_kb() - rss[1]]
    assert max(grown) < 8000, f"KiB grown in 200 reloads: {grown}"


@pytest.mark.parametrize("change", [{"partitions": 8}, {"prefix": "other"}])
def test_a_reload_cannot_change_the_keys_of_the_queue(stack, change):
    """Other keys at run time would be keys that nothing claims from: refused, and all goes on as it was."""
    sink = stack.downstream()
    conf, receiver, (dispatcher,) = both(stack, sink)
    other = {**conf, "redis": {**conf["redis"], **change}}
    for program in (receiver, dispatcher):
        program.hup(other)
        program.wait_log("config.rejected")
    http.Sender(receiver.ingest, http.numbered(), threads=1, count=20).start().join()
    sink.wait_count(20)


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_a_reload_says_what_it_read(stack, tmp_path, part):
    """The digest of the file, and whether anything at all has changed: also a secret in a file."""
    secret = tmp_path / "secret"
    secret.write_text("a-secret-of-a-file-1")
    conf = config.base(stack.redis.url)
    conf["sources"]["in"] = config.source([], "serphouse", [f"file:{secret}"])
    program = getattr(stack, part)(conf)
    ready = program.wait_log("ready")["config"]

    def reloaded():
        since = len(program.logged("config.reloaded"))
        program.signal(signal.SIGHUP)
        wait_for(lambda: len(program.logged("config.reloaded")) > since, 5)
        return program.logged("config.reloaded")[-1]

    first = reloaded()
    assert first["digest"] == ready == hashlib.sha256(program.config_path.read_bytes()).hexdigest()[:16]
    assert first["unchanged"] is True
    secret.write_text("a-secret-of-a-file-2")
    second = reloaded()
    assert second["digest"] == ready and "unchanged" not in second
    assert reloaded()["unchanged"] is True
    program.write_config(conf | {"delay_ms": 100})
    third = reloaded()
    assert third["digest"] != ready and "unchanged" not in third
