-- lib_words: the index by which operators find the few deliveries of a tag, source or destination among very many. put writes
-- it, search reads it. Needs `call`, `base` and `text`.
--
-- `tags:<minute>` and `words:<minute>` (of sources and destinations) are strings of records of 8 bytes, in the order of
-- `posted`. A record is the word (4 bytes, a hash of the name or tag), then the entry of `posted` that has it (2 bytes:
-- ms in that minute, 2 bytes: its number in that ms). A put call appends one record for each source and destination,
-- and one for each tag. Redis searches such a string about a thousand times as fast as it can look at the events: a
-- million records take 10 ms. Words may collide: the search looks at the events that it finds.
local MINUTE_MS, WORD_BYTES = 60000, 8

-- KIND: s (a source), d (a destination), t (a tag).
local function word_of(kind, name)
  local h, bytes = string.byte(kind), {string.byte(name, 1, 1020)}
  for i = 1, #bytes do h = (h * 31 + bytes[i]) % 4294967296 end
  return struct.pack('>I4', h)
end

local function words_key(kind, minute) return base .. (kind == 't' and 'tags:' or 'words:') .. text(minute) end
