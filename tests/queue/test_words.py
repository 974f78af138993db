"""The index of searches: words:<minute>."""

import struct

from scripts import script_text


def word_of(kind, name):
    h, bytes_ = ord(kind), name.encode()
    for byte in bytes_ + bytes(-len(bytes_) % 4):
        h = (h * 31 + byte) % 2**32
    return struct.pack(">I", h)


def words(queue, name="words"):
    keys = sorted(queue.r.keys(queue.key(name + ":*")))
    text = b"".join(queue.r.execute_command("GET", key, NEVER_DECODE=True) for key in keys)
    return [(text[i:i + 4], struct.unpack(">HH", text[i + 4:i + 8])) for i in range(0, len(text), 8)]


def put_tagged(queue, ident, tag, to="d", source="src"):
    event = queue.event(ident, (to, to, 0), source=source, body=ident)
    head, rest = event[2].split("\n", 1)
    event[2] = f"{head}\nt {tag}\no {to}\n{rest}"
    return event


def search(queue, walk, tag="", source="", destination="", most=100, since=0, until=4102444800000):
    """Ids in the order of the search; steps until it is over."""
    script, found, cursor = queue.r.register_script(script_text("search")), [], ""
    for _ in range(2000):
        reply = script(keys=[queue.key("lanes")], args=[queue.base, walk, cursor, most, since, until, "", destination, source, "", tag, 0])
        found += reply[3::3]
        cursor = reply[0]
        if not cursor:
            return found
    raise AssertionError("the search does not end")


def test_a_call_appends_each_source_and_destination_once_and_every_tag(queue):
    queue.put(put_tagged(queue, "a", "one"), put_tagged(queue, "b", "two"), queue.event("c", ("d", "d", 0), body="c\nt not-a-tag\n"))
    found = [word for word, _ in words(queue)]
    assert found == [word_of("s", "src"), word_of("d", "d")]
    assert [word for word, _ in words(queue, "tags")] == [word_of("t", "one"), word_of("t", "two")]
    (entry,) = queue.r.xrange(queue.key("posted"))
    ms, number = map(int, entry[0].split("-"))
    assert {at for _, at in words(queue) + words(queue, "tags")} == {(ms % 60000, number)}
    (key,) = queue.r.keys(queue.key("tags:*"))
    assert key.endswith(f":{ms // 60000}") and queue.done_ms < queue.r.pttl(key) <= queue.done_ms + 60000


def test_a_repeat_adds_nothing(queue):
    queue.put(put_tagged(queue, "a", "one"))
    before = words(queue)
    queue.put(put_tagged(queue, "a", "one"))
    assert words(queue) == before


def test_the_index_finds_what_the_walk_through_all_finds(queue):
    for n in range(120):
        queue.put(*[put_tagged(queue, f"e{n}-{i}", f"tag{(n + i) % 7}", to=f"d{n % 3}", source=f"s{n % 5}") for i in range(4)])
    for tag in ("tag3", "nothing"):
        assert search(queue, "words:t" + tag, tag=tag) == search(queue, "posted", tag=tag)
    assert search(queue, "words:ss4", source="s4") == search(queue, "posted", source="s4") and search(queue, "words:ss4", source="s4")
    assert search(queue, "words:dd1", destination="d1") == search(queue, "posted", destination="d1")
    for most in (1, 2, 7):
        assert search(queue, "words:ttag3", tag="tag3", most=most) == search(queue, "posted", tag="tag3")


def test_a_word_that_another_has_too_is_not_taken_for_it(queue):
    """The words of these two tags are equal: 31 * 65 + 98 == 31 * 66 + 67."""
    assert word_of("t", "Ab") == word_of("t", "BC")
    queue.put(put_tagged(queue, "x", "Ab"), put_tagged(queue, "y", "BC"))
    assert search(queue, "words:tAb", tag="Ab") == ["x:d"]


def test_the_search_ends_in_a_long_minute_and_over_empty_ones(queue):
    """Records of many other words lie above the one that fits, more than one step looks at."""
    queue.put(put_tagged(queue, "old", "wanted"))
    (key,) = queue.r.keys(queue.key("tags:*"))
    (entry,) = queue.r.xrange(queue.key("posted"))
    ms = int(entry[0].split("-")[0])
    queue.r.append(key, b"".join(struct.pack(">IHH", 1, ms % 60000, 1 + n) * 16 for n in range(60_000)))
    assert search(queue, "words:twanted", tag="wanted") == ["old:d"]
    assert search(queue, "words:twanted", tag="wanted", since=ms + 120000) == []
    queue.r.xadd(queue.key("posted"), {"ids": "later"}, id=f"{ms + 86400000}-0")
    assert search(queue, "words:twanted", tag="wanted") == ["old:d"]
