#!lua
-- sweep_resend: one step of a job that resends what fits its filter.
-- KEYS: lanes. ARGV: base, job, who asks (one program has the job at a time), lease ms, dead retention ms, dedup ms.
-- Replies 1 if the job goes on, else 0: it is over, or another program has it.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_ended.lua
--@include lib_delivery.lua
--@include lib_resend.lua
--@include lib_act.lua
local is_resend = true
local dead_ms, dedup_ms = tonumber(ARGV[5]), tonumber(ARGV[6])
local fences = call('GET', base .. 'fences') or '0'
local function act_on(id) return resend_one(id, fences, dead_ms) end
--@include lib_sweep.lua
return step(ARGV[2], ARGV[3], tonumber(ARGV[4]))
