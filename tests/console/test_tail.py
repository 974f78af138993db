"""GET /api/tail: what happens, as it happens; and the command that prints it."""

import json
import re
import socket
import threading

import pytest
from running import Running
from test_command import Hookpace

from harness import config
from harness.exchange import Answer
from harness.wait import wait_for

TAILING = "hookpace:{0}:tailing"


class Stream:
    """A listener: what it was sent, as (event, data), and the comments."""

    def __init__(self, console, query="", method="GET", is_reading=True):
        host, port = console.address.rsplit(":", 1)
        self.socket = socket.socket()
        if not is_reading:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((host, int(port)))
        self.socket.sendall(f"{method} /api/tail{query} HTTP/1.1\r\nHost: x\r\nAuthorization: {console.headers['Authorization']}\r\n\r\n".encode())
        self.events, self.comments, self.head, self.ended = [], [], "", threading.Event()
        if is_reading:
            self.read()

    def read(self):
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            with self.socket.makefile("rb") as file:
                for line in iter(file.readline, b"\r\n"):
                    self.head += line.decode()
                event = None
                for raw in file:
                    line = raw.decode().rstrip("\n")
                    if line.startswith("event: "):
                        event = line[7:]
                    elif line.startswith("data: "):
                        self.events.append((event, json.loads(line[6:])))
                    elif line.startswith(":"):
                        self.comments.append(line)
        except OSError:
            pass
        self.ended.set()

    def ready(self):
        wait_for(lambda: ": ready" in self.comments, 10, "the stream")
        return self

    def of(self, event):
        return [data for name, data in list(self.events) if name == event]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def flow(service):
    """Destination `orders` takes everything, `audit` is dead at once. Source `in` goes to both, `one` to orders."""
    for name in ("orders", "audit"):
        service.conf["destinations"][name] = config.destination(service.sink.url("/" + name), retry={"schedule_s": []})
    service.conf["sources"]["in"] = config.source(["orders", "audit"])
    service.conf["sources"]["one"] = config.source(["orders"])
    service.sink.on("/audit", Answer(status=500))
    service.start()
    service.hookpace = Hookpace(service)
    service.redis = service.stack.redis.client()
    return service


def listeners(flow):
    return flow.redis.pubsub_numsub("hookpace:{0}:tail")[0][1]


def send(flow, ident, source="in", tag="t"):
    assert flow.receiver.post("/in/" + source, {"id": ident, "tag": tag}).status == 200


def test_what_happens_is_told(flow):
    stream = Stream(flow.eye).ready()
    assert "Content-Type: text/event-stream" in stream.head and "Content-Length" not in stream.head
    send(flow, "e1", tag='a "tag"')
    wait_for(lambda: len(stream.events) >= 4, 10, "all of it")
    accepted, = stream.of("accepted")
    assert accepted["id"] == accepted["event"] == "e1" and accepted["source"] == "in" and accepted["tag"] == 'a "tag"'
    assert accepted["destinations"] == ["orders", "audit"] and accepted["destination"] is None and not accepted["duplicate"]
    attempts = {a["destination"]: a for a in stream.of("attempt")}
    assert (attempts["orders"]["id"], attempts["orders"]["state"], attempts["orders"]["status"]) == ("e1:orders", "done", 200)
    assert (attempts["audit"]["error"], attempts["audit"]["state"], attempts["audit"]["source"]) == ("http_500", "dead", "in")
    dead, = stream.of("dead")
    assert (dead["id"], dead["event"], dead["tag"], dead["type"]) == ("e1:audit", "e1", 'a "tag"', "dead")
    assert all(d["at"].endswith("Z") for _, d in stream.events)
    send(flow, "e1", tag='a "tag"')
    wait_for(lambda: len(stream.of("accepted")) == 2, 5, "the repeat")
    assert stream.of("accepted")[1]["duplicate"]


def test_a_client_that_has_the_head_misses_nothing(flow):
    stream = Stream(flow.root)
    wait_for(lambda: stream.comments, 10, "the answer")
    assert stream.comments[0] == ": hookpace"
    send(flow, "e1")
    wait_for(lambda: len(stream.events) >= 4, 10, "all of it")
    assert sorted(event for event, _ in stream.events) == ["accepted", "attempt", "attempt", "dead"]
    second = Stream(flow.root)
    wait_for(lambda: second.comments, 10, "the answer")
    send(flow, "e2")
    wait_for(lambda: len(second.events) >= 4, 10, "all of it")


def test_the_answer_begins_though_redis_is_away(flow):
    flow.stack.redis.kill9()
    stream = Stream(flow.root)
    wait_for(lambda: stream.comments, 10, "the answer")
    assert "200" in stream.head and stream.comments == [": hookpace"]


def test_a_client_leaves_before_the_answer_begins(flow):
    for _ in range(3):
        Stream(flow.root, is_reading=False).close()
    wait_for(lambda: listeners(flow) == 0, 10, "their end")
    waits = Stream(flow.root)
    assert flow.receiver.term().wait() == 0 and waits.ended.wait(5)


@pytest.mark.parametrize("query, fits", [
    ("?source=one", {"o1", "o1:orders"}), ("?destination=audit", {"e1", "e1:audit"}), ("?tag=mine", {"e1", "e1:orders", "e1:audit"}),
    ("?source=in&destination=orders", {"e1", "e1:orders"}), ("?source=acme", set())])
def test_filters(flow, query, fits):
    all_of_it, some = Stream(flow.root), Stream(flow.root, query)
    all_of_it.ready(), some.ready()
    send(flow, "e1", tag="mine")
    send(flow, "o1", "one", tag="other")
    wait_for(lambda: len(all_of_it.events) >= 6, 10, "all of it")
    wait_for(lambda: {d["id"] for _, d in list(some.events)} >= fits, 5, "what fits")
    assert {d["id"] for _, d in some.events} == fits


@pytest.mark.parametrize("partitions", [3])
def test_many_partitions_and_dispatchers(service, partitions):
    service.conf["redis"]["partitions"] = partitions
    for i in range(6):
        service.conf["destinations"][f"d{i}"] = config.destination(service.sink.url(f"/d{i}"))
    service.conf["sources"]["in"] = config.source([f"d{i}" for i in range(6)])
    service.start(dispatchers=2)
    stream = Stream(service.root).ready()
    for n in range(10):
        send(service, f"x{n}")
    wait_for(lambda: len(stream.of("attempt")) == 60 and len(stream.of("accepted")) == 10, 10, "all of it")
    assert {d["id"] for d in stream.of("attempt")} == {f"x{n}:d{i}" for n in range(10) for i in range(6)}


def test_nothing_is_published_while_nobody_listens(flow):
    listening = flow.redis.pubsub()
    listening.subscribe("hookpace:{0}:tail")
    send(flow, "e1")
    wait_for(lambda: len(flow.sink.all()) == 2, 5, "the delivery")
    stream = Stream(flow.root).ready()
    assert flow.redis.pttl(TAILING) > 0
    stream.close()
    wait_for(lambda: not flow.redis.exists(TAILING), 10, "the end of the key")
    assert listeners(flow) == 1, "only this test listens"
    said = [m for m in iter(lambda: listening.get_message(timeout=0.1), None) if m["type"] == "message"]
    assert said == []


def test_a_slow_reader_loses_events_and_is_told(flow):
    """One that reads nothing for a while gets what fits, and then how many it missed. The receiver keeps no more than that."""
    slow, quick = Stream(flow.root, is_reading=False), Stream(flow.root).ready()
    line = json.dumps({"type": "accepted", "id": "e", "event": "e", "source": "in", "destination": None, "tag": "x" * 3000, "at": "t"})
    for n in range(20):
        flow.redis.publish("hookpace:{0}:tail", "\n".join([line] * 100))
    wait_for(lambda: len(quick.of("accepted")) + sum(d["dropped"] for d in quick.of("dropped")) == 2000, 20, "the quick one")
    slow.read()
    wait_for(lambda: len(slow.of("accepted")) + sum(d["dropped"] for d in slow.of("dropped")) == 2000, 10, "the truth")
    assert len(slow.of("accepted")) < 1900


def test_a_reader_that_stands_is_cut(flow):
    slow = Stream(flow.root, is_reading=False)
    assert slow.socket.recv(1, socket.MSG_PEEK), "the answer begins"
    line = json.dumps({"type": "accepted", "id": "e", "source": "in", "tag": "x" * 3000})
    for _ in range(20):
        flow.redis.publish("hookpace:{0}:tail", "\n".join([line] * 100))
    wait_for(lambda: listeners(flow) == 0, 30, "the end")
    slow.close()


def test_a_second_event_of_an_id_is_told_by_its_own_id(flow):
    stream = Stream(flow.root).ready()
    send(flow, "e1", tag="first")
    send(flow, "e1", tag="second")
    wait_for(lambda: len(stream.of("attempt")) == 4, 10, "all of it")
    assert [(d["event"], d["tag"]) for d in stream.of("accepted")] == [("e1", "first"), ("e1~2", "second")]
    assert {(d["event"], d["tag"]) for d in stream.of("attempt")} == {("e1", "first"), ("e1~2", "second")}
    assert flow.receiver.wait_log("event.accepted", tag="second", event="e1~2")["id"] == "e1"
    assert "event" not in flow.receiver.wait_log("event.accepted", tag="first")


def test_nonsense_on_the_channel_is_left_out(flow):
    stream = Stream(flow.root).ready()
    for text in ("x", "{", "[]", '{"type":1}', '{"type":"other"}', '{"type":"dead\r"}', "\n\n", '{"type":"dead","a":"\r"}', "\x00"):
        flow.redis.publish("hookpace:{0}:tail", text)
    send(flow, "e1")
    wait_for(lambda: len(stream.events) >= 4, 10, "all of it")
    assert {d["event"] for _, d in stream.events} == {"e1"}


def test_who_may_listen(flow):
    assert flow.acme.get("tail", status=403) and flow.root.get("tail", status=400, x="1")
    assert flow.root.get("tail", status=404, source="none")["code"] == flow.root.get("tail", status=404, destination="none")["code"] == "not_found"
    for query in ("?source=acme", "?destination=postback@acme"): # of the tasks of an account
        Stream(flow.root, query).ready().close()
    wait_for(lambda: listeners(flow) == 0, 10, "their end")
    assert flow.root.raw("POST", "/api/tail").status == 405
    head = Stream(flow.root, method="HEAD")
    assert head.ended.wait(5) and "text/event-stream" in head.head and not head.events
    streams = [Stream(flow.root) for _ in range(64)]
    wait_for(lambda: all(s.comments for s in streams), 10, "all of them")
    assert flow.root.get("tail", status=503)["code"] == "too_many_listeners"
    for s in streams:
        s.close()
    wait_for(lambda: listeners(flow) == 0, 10, "their end")
    # An account that is no longer there listens no longer.
    eye, root = Stream(flow.eye).ready(), Stream(flow.root).ready()
    conf = json.loads(json.dumps(flow.conf))
    del conf["accounts"]["eye"]
    flow.receiver.reload(conf)
    assert eye.ended.wait(5) and not root.ended.is_set()


def test_a_stop_ends_the_stream(flow):
    stream = Stream(flow.root).ready()
    assert flow.receiver.term().wait() == 0
    assert stream.ended.wait(5)


def test_redis_may_go_away(flow):
    stream = Stream(flow.root).ready()
    flow.redis.client_kill_filter(_type="pubsub")
    wait_for(lambda: stream.comments.count(": ready") == 2, 10, "the subscription again")
    assert [c for c in stream.comments if len(c) > 1] == [": hookpace", ": ready", ": lost", ": ready"]
    send(flow, "e1")
    wait_for(lambda: len(stream.events) >= 4, 10, "all of it")


class Tail(Running):
    def __init__(self, flow, *args):
        super().__init__(flow, "tail", *args)


def test_the_command(flow):
    people, programs = Tail(flow), Tail(flow, "--json", "--destination", "audit")
    people.listening(), programs.listening()
    send(flow, "e1", tag="\u202ex")
    wait_for(lambda: len(people.out) == 4 and len(programs.out) == 3, 10, "all of it")
    assert [json.loads(line)["type"] for line in programs.out] == ["accepted", "attempt", "dead"]
    assert any("e1:audit" in line and "http_500" in line for line in people.out)
    assert not any("\u202e" in line for line in people.out)
    assert people.interrupt() == 0 and programs.interrupt() == 0


def test_the_command_goes_on_after_a_restart(flow):
    tail = Tail(flow).listening()
    address, conf = flow.receiver.admin, json.loads(flow.receiver.config_path.read_text())
    assert flow.receiver.term().wait() == 0
    wait_for(lambda: any("trying again" in line for line in tail.err), 10, "the message")
    conf["admin"]["listen"] = address
    flow.receiver = flow.stack.receiver(conf)
    tail.listening(2)
    send(flow, "e2")
    wait_for(lambda: any("e2:orders" in line for line in tail.out), 10, "what happens then")
    assert tail.interrupt() == 0
    assert sum("trying again" in line for line in tail.err) == 1
    since, until = re.search(r"list --since (\S+) --until (\S+)", "\n".join(tail.err)).groups()
    assert since < until and flow.hookpace("list", "--since", since, "--until", until) == "nothing fits\n"


def test_the_command_fails_at_once_if_it_may_not(flow):
    Hookpace(flow, "acme")("tail", code=1)
    flow.hookpace("tail", code=1, HOOKPACE_URL="http://127.0.0.1:1")
