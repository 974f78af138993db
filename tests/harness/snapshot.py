"""Everything in Redis as it is at one moment, and what is wrong with it."""

import json
from collections import Counter

# One script, so that no other one can move anything in between. Fine for the few thousand keys of a test.
LOOK = """
local base, found = ARGV[1], {deliveries = {}, events = {}, queues = {}, delays = {}, dead = {}, pending = {}, immortal = {}, orphans = {}}
local function table_of(flat)
  local t = {}
  for i = 1, #flat, 2 do t[flat[i]] = flat[i + 1] end
  return t
end
for _, key in ipairs(redis.call('KEYS', base .. '*')) do
  local name = string.sub(key, #base + 1)
  local kind, rest = string.match(name, '^([a-z]+):(.*)$')
  local ttl = redis.call('PTTL', key)
  if kind == 'delivery' then
    found.deliveries[rest] = table_of(redis.call('HGETALL', key))
    found.deliveries[rest].ttl = ttl
  elseif kind == 'event' then found.events[rest] = ttl
  elseif kind == 'queue' then found.queues[rest] = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'delays' then found.delays[rest] = table_of(redis.call('HGETALL', key))
  elseif kind == 'dead' then found.dead[rest] = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'pending' then found.pending[rest] = table_of(redis.call('HGETALL', key))
  elseif (kind == 'dedup' or kind == 'revisions') and ttl < 0 then table.insert(found.immortal, name)
  elseif kind == 'attempts' then
    local state = redis.call('HGET', base .. 'delivery:' .. rest, 'state')
    if not state then table.insert(found.orphans, name)
    elseif ttl < 0 and (state == 'done' or state == 'dead' or state == 'dropped') then table.insert(found.immortal, name) end
  end
end
for _, name in ipairs({'inflight', 'retry', 'lanes'}) do
  found[name] = redis.call('ZRANGE', base .. name, 0, -1)
end
found.busy = table_of(redis.call('HGETALL', base .. 'busy'))
return cjson.encode(found)
"""

OVER = ("done", "dead", "dropped")
UNLISTED = ("done", "dropped")


class Snapshot:
    """All partitions, each at one moment. `deliveries`, `places`, `inflight` as in Partition."""

    def __init__(self, client, *bases):
        self.partitions = [Partition(client, base) for base in bases]
        self.deliveries, self.places, self.inflight = {}, {}, []
        for p in self.partitions:
            self.deliveries.update(p.deliveries)
            self.places.update(p.places)
            self.inflight += p.inflight

    def unfinished(self) -> list:
        return [i for i, where in self.places.items() if where != ["dead"]]

    def problems(self, drained=False) -> list:
        """What breaks the rules of docs/internals/queue.md, as texts. DRAINED: nothing may be left on the way either."""
        return [text for p in self.partitions for text in p.problems(drained)]


class Partition:
    """deliveries: id -> fields (and `ttl`); places: id -> list of where it is listed."""

    def __init__(self, client, base):
        for name, value in json.loads(client.eval(LOOK, 0, base)).items():
            setattr(self, name, value or {})  # an empty table is {} in any case
        self.places = {}
        for where, ids in [*(("queued", q) for q in self.queues.values()), ("inflight", self.inflight),
                           ("retry", self.retry), *(("dead", d) for d in self.dead.values())]:
            for ident in ids:
                self.places.setdefault(ident, []).append(where)

    def problems(self, drained) -> list:
        found = [*self._deliveries(), *self._lanes(), *self._counters()]
        found += [f"{name} never expires" for name in self.immortal] + [f"{name} belongs to nothing" for name in self.orphans]
        if drained:
            found += [f"{i} is still {where}" for i, where in self.places.items() if where != ["dead"]]
            found += [f"pending:{i} is left over" for i in self.pending]
        return found

    def _deliveries(self):
        living = set()
        for ident, fields in self.deliveries.items():
            state, where = fields.get("state"), self.places.get(ident, [])
            if where != ([] if state in UNLISTED and "in_queue" not in fields else ["queued"] if state == "dropped" else [state]):
                yield f"{ident} is {state} and listed in {where}"
            if (state in OVER and "in_queue" not in fields) != (fields["ttl"] >= 0):
                yield f"{ident} is {state} and its time to live is {fields['ttl']} ms"
            event = ident.rsplit(":", 1)[0]
            if state not in OVER:
                living.add(event)
            if state not in UNLISTED and event not in self.events:
                yield f"{ident} is {state} and its event is gone"
        for ident in set(self.places) - set(self.deliveries):
            yield f"{ident} is listed in {self.places[ident]} and has no record"
        for event, ttl in self.events.items():
            if (ttl < 0) != (event in living):
                yield f"event {event} has a time to live of {ttl} ms, deliveries on their way: {event in living}"

    def _lanes(self):
        if set(self.lanes) != set(self.queues):
            yield f"lanes in sight {sorted(self.lanes)}, lanes with work {sorted(self.queues)}"
        for lane in set(self.queues) | set(self.delays):
            counted = Counter(self.deliveries.get(i, {}).get("delay_ms") for i in self.queues.get(lane, []))
            noted = {k: int(v) for k, v in self.delays.get(lane, {}).items()}
            if noted != dict(counted):
                yield f"lane {lane} counts {noted} of each delay and holds {dict(counted)}"

    def _counters(self):
        flying = Counter(i.rsplit(":", 1)[1] for i in self.inflight)
        noted = {k: int(v) for k, v in self.busy.items()}
        if noted != dict(flying):
            yield f"busy says {noted}, in flight are {dict(flying)}"
        for event, fields in self.pending.items():
            going = sum(1 for i, d in self.deliveries.items()
                        if i.rsplit(":", 1)[0] == event and d.get("state") not in OVER)
            if int(fields.get("n", 0)) != going:
                yield f"pending:{event} says {fields.get('n')}, on their way are {going}"
