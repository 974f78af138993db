-- lib_weight: how much a look through a long list costs Redis. Needs `call`. An entry of 100 bytes takes 20 ns, one of 800 bytes 140 ns,
-- because Redis keeps 8 KiB of a list together.
local WEIGHT_BYTES, SHORT_LIST = 100, 1000

-- How many times as much as entries of up to WEIGHT_BYTES those of LIST cost: by the lengths of ID and of the entries at its ends.
local function weight_of(list, id)
  if call('LLEN', list) <= SHORT_LIST then return 1 end
  local longest = math.max(#id, #(call('LINDEX', list, 0) or ''), #(call('LINDEX', list, -1) or ''))
  return math.max(1, longest / WEIGHT_BYTES)
end
