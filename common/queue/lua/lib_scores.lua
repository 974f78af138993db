-- lib_scores: a walk through a sorted set, the highest score first, in steps. Needs `call`.
local SCORES_CHUNK = 50

-- Visits the members of KEY with a score of LOWEST at least. A position is a score, and how many members of that score were
-- passed; '' is the beginning. VISIT gets a member, the position behind it and its score; it returns false to end the step before
-- this member. Returns the position behind the last visited one; '' if all were visited.
local function each_by_score(key, position, lowest, visit)
  local score, passed = string.match(position, '^([%d.]+)/(%d+)$')
  score, passed = score or '+inf', tonumber(passed or 0)
  repeat
    local members = call('ZREVRANGEBYSCORE', key, score, lowest, 'WITHSCORES', 'LIMIT', passed, SCORES_CHUNK)
    for i = 1, #members, 2 do
      local next_passed = members[i + 1] == score and passed + 1 or 1
      local behind = members[i + 1] .. '/' .. next_passed
      if not visit(members[i], behind, members[i + 1]) then return position end
      score, passed, position = members[i + 1], next_passed, behind
    end
  until #members < 2 * SCORES_CHUNK
  return ''
end
