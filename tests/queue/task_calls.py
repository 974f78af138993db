"""Tasks as the programs put, end and ask for them."""

from scripts import kept, plan, top


def in_parts(queue, name, ids, *head):
    """The replies of a script that answers for as many ids as it reaches."""
    replies = []
    while len(replies) < len(ids):
        part = queue.run(name, *head, *ids[len(replies):])
        assert part, "at least one"
        replies += part
    return replies


def task(queue, *ids, account="", own="", get=0, names=()):
    replies = in_parts(queue, "task", ids, account, own, get, queue.done_ms, len(names), *names)
    return [dict(zip(("state", "fetched", "hooks", "received", "done_at", "key", "record"), r)) for r in replies]


def state(queue, id, **how):
    (t,) = task(queue, id, **how)
    return t["state"]


COUNTS = ("announced", "fetching", "fetched", "sending", "ready", "failed", "open", "processing")


def counts(queue, account=""):
    names, sums, cursor = COUNTS, [0] * len(COUNTS), ""
    while True:
        fetches = () if account or cursor else ("fetch@src", "fetch@other")
        cursor, *step = queue.run("counts", account, queue.done_ms, queue.dead_ms, queue.pending_ms, cursor, *fetches)
        sums = [a + b for a, b in zip(sums, step)]
        if cursor == "":
            return dict(zip(names, sums))


def only(**n):
    """The counts when there is nothing else."""
    return {**dict.fromkeys(COUNTS, 0), **n}


def walk(queue, name, head, tail, skip, most, *more):
    """The (text, ms) of a list, step by step."""
    found, cursor = [], ""
    while len(found) < most:
        cursor, skipped, *step = queue.run(name, *head, cursor, *tail, skip, most - len(found), *more)
        found += zip(step[0::2], (int(ms) for ms in step[1::2]))
        skip -= skipped
        if cursor == "":
            break
    return found[:most]


def ready(queue, account="", path="", most=1000):
    found = []
    for kind, keep_ms in (("ready", queue.done_ms), ("failed", queue.dead_ms)):
        found += walk(queue, "ready", (account, kind), (path, keep_ms), 0, most)
    return [id for id, _ in sorted(found, key=lambda f: f[1])][:most]


def posted(queue, account="", start=0, end=1 << 50, skip=0, most=1000, newest=0):
    return [id for id, _ in walk(queue, "posted", (account,), (start, end), skip, most, newest)]


def record(queue, body="{}", kind="webhook", source="src", path="", to=(), flag="-", digest="00ff00ff00ff00ff", named=""):
    has_body = flag not in "nw"
    lines = f"hp1 {queue.now} {digest} {kind} {source} {len(body) if has_body else 0} {flag}\n"
    lines += f"i {named}\n" if named else ""
    lines += f"p {path}\n" if path else ""
    lines += f"o {' '.join(to)}\n" if to else ""
    return lines + "\n" + (body if has_body else "")


def put_args(queue, id, deliveries, kind="webhook", then=(), source="src", message="", fetched_by="", named="", stage="whole", **rec):
    """Arguments of put for one event, with a record as the programs write it. deliveries: (destination, lane, delay[, ..]). SOURCE:
    also the account of a task. NAMED: the id, where the record names it."""
    written = record(queue, to=[d[0] for d in deliveries], kind=kind, source=source, named=named, **rec)
    its_plan = plan(*deliveries, *then, kind=kind, owner=source, fetched_by=fetched_by, is_named=bool(named), message=message,
                    stage=stage, pending_ms=queue.pending_ms)
    return [id, queue.now, written, its_plan, *([message] if message else [])]


def put(queue, id, *deliveries, kind="webhook", **how):
    (reply,) = queue.put(put_args(queue, id, deliveries, kind, **how))
    return reply[0]


def put_task(queue, id, *which, account="acme", path="serp/google/organic", delay=top(0), **rec):
    to = [(f"{w}@{account}", account, delay) for w in which]
    return put(queue, id, *to, kind="task", source=account, path=path, **rec)


def take(queue, account="", most=10, lease_ms=600000):
    """The keys of the tasks that are handed out, oldest first."""
    reply = queue.run("take", account, most, lease_ms, queue.pending_ms)
    assert [v[0] for v in reply[1::2]] == ["processing"] * (len(reply) // 2)
    assert reply[::2] == sorted(reply[::2], key=int)
    return [v[5] for v in reply[1::2]]


def complete(queue, id, *which, account="acme", path="serp/google/organic", delay=top(0), **rec):
    to = [(f"{w}@{account}", account, delay) for w in which]
    return put(queue, id, *to, kind="task", source=account, path=path, stage="result", **rec)


def end_all(queue, verdicts, **how):
    """Claims what there is and settles it: verdicts by destination."""
    claims = queue.claim(want=100)
    for c in claims:
        queue.settle(c, verdicts[c.id.rsplit(":", 1)[1]], **how)
    return len(claims)


def resend(queue, *ids, account=""):
    return [r[0] for r in resend_views(queue, account, *ids)]


def resend_views(queue, account, *ids):
    """Of each task the first view: as it was before."""
    views, passed, done = [], 0, 0
    while done < len(ids):
        part = queue.run("resend", account, "", queue.dead_ms, passed, *ids[done:])
        assert part and all(len(v) == 7 for v in part[:-1])
        views += part[1:] if passed else part
        before, passed = passed, (part[-1][7:] or [0])[0]
        assert not passed or len(part) > 1 or passed > before, "it goes on"
        done += len(part) - (passed > 0)
    return views


def announce(queue, id, source="src", **how):
    fetch = f"fetch@{source}"
    return put(queue, id, (fetch, fetch, 0), kind="announcement", source=source, flag="n", named=id,
               then=[("d", "d", top(100), "", "s1"), ("b", "b", 50)], **how)


def bring(queue, task, *deliveries, source="src", **how):
    """Puts what the fetch of this announced task brought."""
    return put(queue, task, *(deliveries or [("d", "d", kept(0))]), source=source, fetched_by=f"fetch@{source}", **how)
