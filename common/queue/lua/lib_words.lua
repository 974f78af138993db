-- lib_words: the index by which operators find the few deliveries of a tag, source or destination among very many. put writes
-- it, search reads it. Needs `call`, `base` and `text`.
--
-- `tags:<minute>` and `words:<minute>` (of sources and destinations) are strings of records of 8 bytes, in the order of
-- `posted`. A record is the word (4 bytes, a hash of the name or tag), then the entry of `posted` that has it (2 bytes:
-- ms in that minute, 2 bytes: its number in that ms). A put call appends one record for each source and destination,
-- and one for each tag. Redis searches such a string about a thousand times as fast as it can look at the events: a
-- million records take 10 ms. Words may collide: the search looks at the events that it finds.
local MINUTE_MS, WORD_BYTES = 60000, 8

-- KIND: s (a source), d (a destination), t (a tag). The hash is h * 31 + byte, for four bytes at a time; behind the name are zeros. No
-- number is above 2^53, so Lua's arithmetic is exact.
local function word_of(kind, name)
  local h = string.byte(kind)
  for i = 1, math.min(#name, 1020), 4 do
    local a, b, c, d = string.byte(name, i, i + 3)
    h = (h * 923521 + a * 29791 + (b or 0) * 961 + (c or 0) * 31 + (d or 0)) % 4294967296
  end
  return struct.pack('>I4', h)
end

local function words_key(kind, minute) return base .. (kind == 't' and 'tags:' or 'words:') .. text(minute) end
