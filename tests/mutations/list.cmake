# Mistakes that the tests must find, one a build (-DHOOKPACE_MUTATION=<name>); scripts/mutations builds and judges them.
#
#   mutation(NAME "what is wrong" TESTS test... EDIT file [[what stands there, once]] [[what stands there instead]])
#
# An edit that no longer fits its file fails the build: bring it up to date with the file.

# --- nothing acknowledged is lost ---

mutation(ack_early "the receiver answers 200 before Redis answered"
  TESTS tests/faults/test_promises.py::test_redis_stopped_and_killed_in_mid_request
  EDIT receiver/ingest/ingest.c
  [[    line_enter(w);
    body_clear(]]
  [[    http_set_ctx(w->http, NULL);
    struct put_answer early = {.result = PUT_QUEUED, .received_at = view->now};
    respond_accepted(w->http, event.id, &early, &w->in->received_at, &w->in->scratch);
    w->http = NULL;
    line_enter(w);
    body_clear(]])

mutation(pop_without_inflight "claim pops without a record in inflight"
  TESTS tests/queue/test_claim.py::test_what_kills_its_dispatcher_each_time_ends_dead
        tests/faults/test_promises.py::test_dispatcher_killed_with_work_in_hand
  EDIT common/queue/lua/claim.lua
  [[write_claims()
  write_leases()]]
  [[write_claims()]])

mutation(staged_expires "a large record expires as if no script had stored it"
  TESTS tests/queue/test_put.py::test_a_staged_record_is_stored_as_any_other
  EDIT common/queue/lua/lib_accept.lua
  [[text(keep_ms)) else call('PERSIST', staged) end]]
  [[text(keep_ms)) end]])

mutation(staged_expires_after "a large record is stored before its expiry is changed"
  TESTS tests/queue/test_put_cut.py::test_a_repeat_completes_what_was_cut
  EDIT common/queue/lua/lib_accept.lua
  [[  if keep_ms then call('PEXPIRE', staged, text(keep_ms)) else call('PERSIST', staged) end
  local reply = redis.pcall(command, staged, key)]]
  [[  local reply = redis.pcall(command, staged, key)
  if reply == 1 and keep_ms then call('PEXPIRE', key, text(keep_ms)) elseif reply == 1 then call('PERSIST', key) end]])

mutation(cut_has_nothing "a repeat adds no deliveries where the call before got no further than the record"
  TESTS tests/queue/test_put_cut.py::test_what_was_cut_behind_its_record_is_listed_and_counted
  EDIT common/queue/lua/lib_accept.lua
  [[if #missing > 0 and here == 0 and not counted_open then]]
  [[if false then]])

mutation(cut_fetch_stays "the fetch of an announcement that was cut has no task"
  TESTS tests/queue/test_put_cut.py::test_an_announcement_that_was_cut_is_fetched
  EDIT common/queue/lua/lib_accept.lua
  [[if plan.kind == 'announcement' then add_fetch(plan, hash, announced_task(event)) end]]
  [[]])

mutation(cut_result_is_lost "a fetched result that was cut counts as brought by somebody else"
  TESTS tests/queue/test_put_cut.py::test_a_result_that_was_fetched_and_cut_goes_out
  EDIT common/queue/lua/lib_accept.lua
  [[  complete(plan, event, received, record, id)
end]]
  [[  if not plan.fetch then complete(plan, event, received, record, id) end
end]])

mutation(cut_pending_stays "a pending task that is in no list stays in none"
  TESTS tests/queue/test_put_cut.py::test_a_pending_task_that_was_cut_is_taken
  EDIT common/queue/lua/lib_accept.lua
  [[not (before and is_unlisted(id, account))]]
  [[true]])

mutation(staged_is_there "a large record that Redis refused counts as stored"
  TESTS tests/queue/test_put.py::test_a_record_that_redis_has_not_staged_is_not_accepted
  EDIT common/queue/lua/lib_accept.lua
  [[if staged and call('EXISTS', staged) == 0 then]]
  [[if false then]])

mutation(staged_stays "what was staged for a repeat stays for a minute"
  TESTS tests/queue/test_put.py::test_repeats_of_staged_records
  EDIT common/queue/lua/lib_accept.lua
  [[if staged then call('UNLINK', staged) end]]
  [[]])

mutation(gone_while_read "a record that is deleted while it is read holds its lane for a minute"
  TESTS tests/e2e/test_lost.py::test_an_event_that_goes_while_it_is_read
  EDIT common/queue/take/take_load.c
  [[load_end(l, ERR_UNAVAIL);]]
  [[load_end(l, ERR_INVALID);]])

mutation(large_through_lua "a large body goes through the script"
  TESTS tests/e2e/test_ingest_bodies.py::test_no_large_body_goes_through_a_script
  EDIT common/queue/put/queue_put.c
  [[bool is_large = e->body.len >= PUT_LARGE, is_whole]]
  [[bool is_large = false, is_whole]])

mutation(lease_never_ends "expired leases are not put back"
  TESTS tests/queue/test_claim.py::test_an_expired_lease_puts_it_back
  EDIT common/queue/lua/claim.lua
  [[call('ZRANGEBYSCORE', base .. 'inflight', '-inf', now_ms,]]
  [[call('ZRANGEBYSCORE', base .. 'inflight', '-inf', 0,]])

mutation(trends_grow "the counts of lanes grow with the number of lanes"
  TESTS tests/console/test_counts.py::test_trends_stay_small_however_many_lanes_there_are
  EDIT common/queue/lua/tally.lua
  [[call('HLEN', key) < TREND_FIELDS]]
  [[true]]
  EDIT common/queue/beat.c
  [[if (i < TRENDS_MOST)]]
  [[if (i < count)]])

mutation(dead_counts_the_living "a delivery that was queued again still counts as a dead letter"
  TESTS tests/queue/test_dead.py::test_what_is_not_dead_any_more_is_left_out
  EDIT common/queue/lua/dead.lua
  [[if v[1] ~= 'dead' then return true end]]
  [[if not v[1] then return true end]])

mutation(steps_count_twice "a step of the count of dead letters begins again with the last one of the step before"
  TESTS tests/queue/test_dead.py::test_steps_count_each_once
  EDIT common/queue/lua/lib_scores.lua
  [[passed + 1 or 1]]
  [[passed or 0]])

mutation(answers_in_part "of a span with very many answers only the first part is counted"
  TESTS tests/queue/test_steps.py::test_the_answers_of_an_hour_in_steps
  EDIT common/queue/lua/counted.lua
  [[    if place == '0' then number]]
  [[    if true then number]])

mutation(long_ids_weigh_nothing "a look through a list of long ids is as long as one of short ids"
  TESTS tests/queue/test_steps.py::test_a_drop_looks_at_fewer_long_ids
  EDIT common/queue/lua/lib_weight.lua
  [[  return math.max(1, longest / WEIGHT_BYTES)]]
  [[  return 1]])

mutation(job_looks_once_for_lanes "a drop that begins again does not look for lanes with work"
  TESTS tests/queue/test_steps.py::test_a_drop_that_begins_again_finds_lanes_again
  EDIT common/queue/lua/lib_sweep.lua
  [[= 1, '0', job.passes + 1, 0]]
  [[= 1, job.scan, job.passes + 1, 0]])

mutation(search_misses_words "a search takes every second record of the index for another's"
  TESTS tests/queue/test_words.py::test_the_index_finds_what_the_walk_through_all_finds
  EDIT common/queue/lua/search.lua
  [[if at % WORD_BYTES == 1 then list]]
  [[if at % (2 * WORD_BYTES) == 1 then list]])

mutation(announced_without_words "the index leaves out the destinations of a result that is only announced"
  TESTS tests/console/test_deliveries.py::test_a_fetched_result_is_found_by_its_destinations
  EDIT common/queue/lua/put.lua
  [[for i = 2, plan.kind == 'announcement' and #plan or 0 do]]
  [[for i = 2, 0 do]])

mutation(dedup_off "a repeat is queued again"
  TESTS tests/queue/test_put.py::test_same_id_and_body_is_a_repeat
        tests/e2e/test_ingest_identity.py::test_a_repeat_is_answered_and_not_queued
  EDIT common/queue/lua/lib_accept.lua
  [[if known == same and]]
  [[if false and]]
  EDIT common/queue/lua/lib_accept.lua
  [[    if before then return nil, before, event end
  end
  local task = store_revision]]
  [[  end
  local task = store_revision]])

mutation(twice_in_a_call "an event that comes twice in one call is queued twice"
  TESTS tests/queue/test_put.py::test_repeat_inside_one_batch
  EDIT common/queue/lua/put.lua
  [[if not plan.is_ordinary or run_ids[id] then end_run(i, at) end]]
  [[if not plan.is_ordinary then end_run(i, at) end]])

mutation(taken_id_overwritten "an event whose id is taken among new ones takes the other's place"
  TESTS tests/queue/test_put.py::test_a_repeat_among_new_events
        tests/queue/test_put.py::test_same_id_with_another_body_is_another_event
  EDIT common/queue/lua/put.lua
  [[call('MSETNX', unpack(records)) == 1]]
  [[call('MSET', unpack(records)) ~= nil]])

mutation(no_wake "put does not tell who waits"
  TESTS tests/queue/test_put.py::test_wake_is_published_when_a_lane_gets_its_first_work
  EDIT common/queue/lua/put.lua
  [[  due[#due + 1] = name
  woken = name]]
  [[  due[#due + 1] = name]])

mutation(full_cannot_drain "settle respects maxmemory, so that a full Redis cannot be emptied"
  TESTS tests/queue/test_put.py::test_refused_when_memory_is_full_and_drains_all_the_same
  EDIT common/queue/lua/settle.lua
  [[#!lua flags=allow-oom]]
  [[#!lua]])

mutation(done_stays "what is done never expires"
  TESTS tests/queue/test_settle.py::test_done_expires_with_its_event_and_attempts
  EDIT common/queue/lua/settle.lua
  [[  call('PEXPIREAT', key, delivery_until)
]]
  [[]]
  EDIT common/queue/lua/lib_delivery.lua
  [[call('PEXPIRE', d.key, text(keep_ms + afterglow(keep_ms)))]]
  [[]])

# --- tasks whose results come later ---

mutation(taken_twice "a task that was handed out is handed out again"
  TESTS tests/queue/test_pending.py::test_a_lease_is_one_workers
        tests/api/test_work.py::test_no_task_is_taken_twice
  EDIT common/queue/lua/take.lua
  [[for of, events in pairs(left) do call('ZREM', open_key(of), unpack(events)) end]]
  [[]])

mutation(take_in_one_part "a worker gets no more tasks than one call hands out"
  TESTS tests/api/test_work.py::test_many_at_once_in_the_same_order
  EDIT common/queue/tasks/tasks_take.c
  [[if (n / 2 == asked && c->wanted[partition] > 0)]]
  [[if (n / 2 > asked)]])

mutation(work_lost_with_its_worker "a task whose lease has ended stays with its worker"
  TESTS tests/queue/test_pending.py::test_the_next_worker_gets_what_another_has_left
  EDIT common/queue/lua/take.lua
  [['-inf', now_text, 'LIMIT', 0, math.min(most, ENDED_MAX))]]
  [['-inf', 0, 'LIMIT', 0, math.min(most, ENDED_MAX))]])

mutation(second_result_counts "a second result takes the place of the first, and its webhooks go out again"
  TESTS tests/queue/test_pending.py::test_only_the_first_result_counts
  EDIT common/queue/lua/lib_accept.lua
  [[if not is_open(old) then]]
  [[if false then]])

mutation(result_of_another_task "the result of an expired task completes the task that has its id now"
  TESTS tests/queue/test_pending.py::test_a_result_of_another_task_with_the_id
  EDIT common/queue/lua/lib_accept.lua
  [[if set ~= received or digest ~= same then return 1 end]]
  [[]])

mutation(delay_of_the_completion "a task's webhooks have the delay of the moment when its result comes"
  TESTS tests/queue/test_random_tasks.py::test_the_api_says_what_happened
        tests/api/test_work.py::test_delay_and_secret_are_those_of_task_post
  EDIT common/queue/lua/lib_accept.lua
  [[local lines = close_task(plan.account, id)]]
  [[local lines = close_task(plan.account, id) and nil]])

mutation(oldest_last "take hands out the newest tasks first"
  TESTS tests/api/test_work.py::test_the_oldest_first_and_a_limit
  EDIT common/queue/lua/lib_open.lua
  [[local at = text(now + OPEN_RANK)]]
  [[local at = text(now - OPEN_RANK)]])

mutation(quota_forgets "tasks of an account are never counted off its quotas"
  TESTS tests/queue/test_random_tasks.py::test_the_api_says_what_happened
        tests/api/test_quotas.py::test_what_has_expired_makes_room
  EDIT common/queue/lua/lib_accept.lua
  [[-(tonumber(v[1]) or 0))]]
  [[0)]]
  EDIT common/queue/lua/lib_tasks.lua
  [[e.n + n, e.bytes + bytes, u.held - n]]
  [[e.n + 1, e.bytes + bytes, u.held - n]])

mutation(quota_off "an account may keep more tasks than its quota"
  TESTS tests/api/test_quotas.py::test_above_the_most_tasks
  EDIT common/queue/lua/lib_accept.lua
  [[u.tasks + n > plan.max_tasks]]
  [[u.tasks + n > 100 * plan.max_tasks]])

# --- pacing ---

mutation(pace_at_claim "the lane's clock is set at the claim alone; windows and reports are ignored"
  TESTS tests/queue/test_claim.py::test_paced_lane_gives_one_and_waits_for_the_report
        tests/faults/test_promises.py::test_pace_over_three_dispatchers_with_slow_connections
  EDIT common/queue/lua/claim.lua
  [[  lane.open = lane.open + 1
  if now + l.window * 1000 > lane['until'] or lane.open == 1 then
    lane['until'] = now + l.window * 1000
    lane.window = l.window
  end
]]
  [[  lane.sent = now
]]
  EDIT common/queue/lua/claim.lua
  [[if d.delay_ms > 0 then lane.holder = fence end]]
  [[]]
  EDIT common/queue/lua/sent.lua
  [[if at > lane.sent then lane.sent = at end]]
  [[]])

mutation(late_report_counts "reports of claims whose lease ran out still count"
  TESTS tests/queue/test_claim.py::test_a_report_that_comes_after_the_lease_opens_the_lane_for_nobody
  EDIT common/queue/lua/sent.lua
  [[ and claim[3] == 'inflight' then]]
  [[ then]])

mutation(each_result_alone "each result makes a call of its own while Redis is busy"
  TESTS tests/e2e/test_results.py::test_a_few_results_wait_for_the_call_that_is_on_its_way
  EDIT common/queue/take/take_results.c
  [[    return p->settling && !has_many(&p->results);]]
  [[    return false;]])

mutation(claim_says_no_time "a claim says that it took no time, so that early claims wait for longer than they must"
  TESTS tests/queue/test_claim.py::test_a_claim_that_comes_early_says_from_when_it_waits
  EDIT common/queue/lua/claim.lua
  [[  if not is_paced then return 0 end]]
  [[  if true then return 0 end]])

mutation(window_ignored "a request leaves although its send window is over"
  TESTS tests/e2e/test_pacing.py::test_a_claim_whose_reply_comes_late_is_not_sent
  EDIT dispatcher/engine/deliver.c
  [[    if (now >= d->send_until || queue_take_was_taken]]
  [[    if (queue_take_was_taken]])

mutation(silent_resend "libcurl may send a request again on its own"
  TESTS tests/e2e/test_delivery_faults.py::test_a_kept_connection_that_dies_is_not_resent_on
  EDIT dispatcher/transport/http_transport.c
  [[    if (call->passes++)]]
  [[    if (call->passes++ > 1000)]])

mutation(transfer_to_head "what must wait keeps its place instead of going to the tail"
  TESTS tests/queue/test_claim.py::test_next_one_that_must_wait_goes_to_the_tail_once_per_send
  EDIT common/queue/lua/claim.lua
  [[call('LMOVE', lane.queue, lane.queue, 'LEFT', 'RIGHT')]]
  [[call('LMOVE', lane.queue, lane.queue, 'LEFT', 'LEFT')]])

# --- one owner, and what was captured ---

mutation(no_fence "settle does not compare the fence"
  TESTS tests/queue/test_claim.py::test_an_expired_lease_puts_it_back
        "tests/faults/test_promises.py::test_dispatcher_stopped_past_its_lease[500]"
  EDIT common/queue/lua/settle.lua
  [[if v[1] == 'inflight' and v[2] == fence then]]
  [[if v[1] == 'inflight' then]])

mutation(release_spends_attempt "an attempt that was not made is counted"
  TESTS tests/queue/test_settle.py::test_release_goes_back_to_the_head_with_its_attempt
  EDIT common/queue/lua/settle.lua
  [[function VERDICT.release(d, lane, wait_ms)
    delivery_set(d, 'attempts', text(tonumber(d.attempts) - 1))]]
  [[function VERDICT.release(d, lane, wait_ms)]])

mutation(current_secret "signed with the newest secret instead of the one at acceptance"
  TESTS tests/e2e/test_delivery.py::test_the_secret_is_the_one_at_acceptance
  EDIT dispatcher/engine/request.c
  [[size_t secret = scheme_find_secret(rules->sign, in->secret_id);]]
  [[size_t secret = 0;]])

mutation(last_url_again "a request goes to the URL of the request before it"
  TESTS tests/e2e/test_delivery.py::test_each_delivery_goes_to_its_own_url
  EDIT dispatcher/transport/curl_request.c
  [[    if (r->url && strcmp(r->url_text, text) == 0)]]
  [[    if (r->url)]])

mutation(silent_claim_keeps_room "a claim that a silent shard does not answer takes the room of all others"
  TESTS tests/cluster/test_silent_shard.py::test_its_claims_take_no_room_from_others
  EDIT common/queue/take/queue_take.c
  [[    return p->claiming && now - p->claim_at < LATE_US;]]
  [[    return p->claiming && now >= p->claim_at;]])

mutation(late_claim_exceeds "a claim that is answered late brings more than the dispatcher has places"
  TESTS tests/cluster/test_silent_shard.py::test_what_it_grants_late_does_not_exceed_the_places
  EDIT dispatcher/engine/deliver.c
  [[    if (e->flights.count > e->targets->conf->dispatcher.concurrency) {]]
  [[    if (e->flights.count > 2 * e->targets->conf->dispatcher.concurrency) {]])

mutation(left_server_believed "a server that has left the cluster says that nobody has slots, and is believed"
  TESTS tests/cluster/test_add_shard.py::test_a_shard_less_loses_nothing
  EDIT common/redis/cluster/cluster_guide.c
  [[    } else if (map.range_count == 0) {]]
  [[    } else if (map.range_count == SIZE_MAX) {]])

mutation(task_asked_everywhere "an admin's call about one task needs all partitions"
  TESTS tests/console/test_missing.py::test_an_admin_reaches_a_task_by_its_id_and_hears_what_lists_lack
  EDIT common/queue/tasks/queue_tasks.c
  [[    struct slice account = count ? keys_task_account(keys[0]) : scope.account;]]
  [[    struct slice account = scope.account;]])

mutation(prefetch_survives_reload "what one configuration found quick is claimed ahead under the next"
  TESTS "tests/e2e/test_prefetch.py::test_a_destination_that_was_quick_turns_slow[reload]"
  EDIT common/queue/take/queue_take.c
  [[        map_clear(&q->parts[i].ahead);
        if]]
  [[        if]])

mutation(account_read_as_none "an account called like the mark for none is lost"
  TESTS tests/e2e/test_names.py::test_every_legal_name_is_only_a_name
  EDIT common/queue/take/settle_args.c
  [[buf_add_slice(b, word.len ? word : SLICE_LIT("*"));]]
  [[buf_add_slice(b, word.len ? word : SLICE_LIT("-"));]]
  EDIT common/queue/lua/settle.lua
  [[account = account ~= '*' and account or nil]]
  [[account = account ~= '-' and account or nil]])

mutation(retold_ends_resend "a result of before a resend ends it"
  TESTS tests/queue/test_resend.py::test_a_result_told_again_does_not_end_a_resend
  EDIT common/queue/lua/settle.lua
  [[if tonumber(fence) <= tonumber(]]
  [[if -1 == tonumber(]])

mutation(retry_after_ignored "Retry-After is ignored"
  TESTS "tests/e2e/test_delivery.py::test_retry_after_is_honoured[seconds-500]"
  EDIT dispatcher/engine/settlement.c
  [[wait_after(f, o, r->retry_after_ms)]]
  [[wait_after(f, o, -1)]])

# --- what a receiver verifies ---

mutation(signed_gzip "a body that is signed leaves as it came"
  TESTS "tests/e2e/test_gzip.py::test_relayed[gzip-small]"
        "tests/e2e/test_gzip.py::test_of_an_account[result-small]"
  EDIT common/config/config_build.c
  [[    return sign ? GZIP_NEVER : if_unsigned;]]
  [[    return sign ? if_unsigned : if_unsigned;]])

mutation(inflate_all "all bodies are inflated at once"
  TESTS tests/e2e/test_gzip.py::test_inflated_bodies_share_the_dispatchers_memory
  EDIT dispatcher/engine/shares.c
  [[    s->bytes_max = bytes_max;]]
  [[    s->bytes_max = bytes_max * 1000;]])

mutation(account_defaults "an account's settings are those of a destination that says nothing"
  TESTS tests/e2e/test_accounts.py::test_timeout
        "tests/e2e/test_accounts.py::test_tls[self-signed-unverified]"
  EDIT common/config/config_build.c
  [[    a->settings = build_delivery(b, path, &from->delivery, GZIP_ALWAYS);]]
  [[    a->settings = default_settings(b);]])

mutation(payload_ignored "an account's postback is always an envelope"
  TESTS tests/e2e/test_accounts.py::test_payload_result_is_the_posted_bytes
  EDIT dispatcher/engine/targets.c
  [[        t->rules.payload = dest->account->payload;]]
  [[        t->rules.payload = PAYLOAD_ENVELOPE;]])

mutation(empty_signed "a pingback is signed over nothing"
  TESTS "tests/e2e/test_accounts.py::test_a_custom_scheme_signs_a_pingback_if_it_signs_more_than_the_body[body-pingback]"
  EDIT dispatcher/engine/request.c
  [[scheme_signs_only_body(rules->sign));]]
  [[!rules->sign);]])

# --- what comes from outside ---

mutation(prefix_compare "signatures are compared by their first bytes"
  TESTS tests/e2e/test_ingest_schemes.py::test_every_bit_of_a_signature_counts
  EDIT common/crypto/crypto.c
  [[CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0]]
  [[strncmp(a.ptr, b.ptr, 16) == 0]])

mutation(compare_to_nul "signatures are compared as strings, up to the first zero byte"
  TESTS tests/e2e/test_ingest_schemes.py::test_every_bit_of_a_signature_counts
  EDIT common/crypto/crypto.c
  [[CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0]]
  [[strncmp(a.ptr, b.ptr, a.len) == 0]])

mutation(old_timestamps "timestamps are not judged"
  TESTS "tests/e2e/test_ingest_schemes.py::test_old_timestamps[stripe]"
  EDIT common/webhook/scheme_verify.c
  [[(age > tolerance || age < -tolerance)]]
  [[age > tolerance && age < -tolerance]])

mutation(no_inflate_limit "gzip may inflate to any size"
  TESTS tests/e2e/test_ingest_bodies.py::test_limits
  EDIT common/gzip/gzip.c
  [[if (n > g->max_out - g->out)]]
  [[if (n > SIZE_MAX - g->out)]])

mutation(no_egress_check "addresses are not judged before connecting"
  TESTS "tests/e2e/test_delivery_faults.py::test_denied_addresses_are_not_connected_to[127.0.0.1]"
  EDIT dispatcher/engine/targets.c
  [[return egress_allows(&s->egress, a, false);]]
  [[return a != NULL;]])

mutation(redirect_is_success "a redirect counts as delivered"
  TESTS "tests/e2e/test_delivery.py::test_anything_else_is_retried[302]"
  EDIT dispatcher/engine/outcome.c
  [[status <= 299]]
  [[status <= 399]])

mutation(second_signature "of two signature headers the last one counts"
  TESTS "tests/e2e/test_ingest_schemes.py::test_a_second_signature_header_is_refused[github]"
  EDIT common/webhook/scheme_verify.c
  [[if (count > 1)]]
  [[if (count > 2)]])

mutation(no_allow_list "any address may send"
  TESTS tests/e2e/test_ingest_schemes.py::test_allow_narrows_a_scheme
  EDIT receiver/ingest/ingest.c
  [[!cidr_any(s->allow, s->allow_count, http_peer(w->http))]]
  [[cidr_any(s->allow, s->allow_count, http_peer(w->http)) == 2]])

mutation(anothers_task "an account sees the tasks of others"
  TESTS tests/queue/test_tasks.py::test_an_account_sees_its_own
  EDIT common/queue/lua/lib_view.lua
  [[if account ~= '' and of ~= account then return nil end]]
  [[]])

mutation(set_delay_ignored "a delay that was set while running is ignored"
  TESTS tests/queue/test_tasks.py::test_a_delay_that_was_set_wins_by_its_rule
  EDIT common/queue/lua/put.lua
  [[if not settings then return delay end]]
  [[do return delay end]])

mutation(last_attempt_again "the last attempt of the schedule is followed by another"
  TESTS tests/e2e/test_delivery.py::test_attempts_end_with_the_schedule
  EDIT dispatcher/engine/outcome.c
  [[    if (o.verdict == SETTLE_RETRY)
        o.verdict = failed;]]
  [[    if (o.verdict == SETTLE_RETRY && a->status == 0)
        o.verdict = failed;]])

# --- tasks of the API, and results that are pulled ---

mutation(pingback_hides_a_result "a task is not listed while its pingback is on its way"
  TESTS tests/queue/test_tasks.py::test_it_is_complete_while_a_pingback_waits
  EDIT common/queue/lua/lib_accept.lua
  [[if plan.has_postback or not has_body and plan.fan > 0 then]]
  [[if plan.fan > 0 then]])

mutation(got_task_fails "a task that was fetched fails when its pingback dies"
  TESTS tests/queue/test_tasks.py::test_it_is_complete_while_a_pingback_waits
  EDIT common/queue/lua/task.lua
  [[call('HSET', d.key, 'apart', 'got', 'fan', '1')]]
  [[]])

mutation(dead_pingback_lists "a dead pingback lists what a postback is bringing"
  TESTS tests/queue/test_tasks.py::test_a_dead_pingback_does_not_list_what_a_postback_is_bringing
  EDIT common/queue/lua/lib_delivery.lua
  [[if brings then end_sending]]
  [[if brings or dead then end_sending]])

mutation(retry_not_hurried "a resend leaves what waits for a retry"
  TESTS tests/api/test_resend.py::test_what_waits_for_a_retry_goes_now
  EDIT common/queue/lua/resend.lua
  [[return d.state == 'dead' or d.state == 'dropped' or d.state == 'retry' or]]
  [[return d.state == 'dead' or d.state == 'dropped' or]])

mutation(dead_stay_spent "what is dead and sent again has one attempt"
  TESTS tests/api/test_resend.py::test_the_dead_have_the_whole_schedule_again
  EDIT dispatcher/engine/retry.c
  [[return attempt % (s->count + 1) != 0;]]
  [[return attempt <= s->count;]])

mutation(one_name_space "accounts and sources share their ids"
  TESTS "tests/api/test_ids.py::test_each_has_its_own[1]"
  EDIT common/queue/keys.c
  [[    buf_add_slice(out, account);
    buf_add_char(out, '/');]]
  [[    (void)account;
    buf_add_char(out, '/');]])

mutation(api_urls_anywhere "URLs of the API may reach private addresses"
  TESTS tests/e2e/test_tasks.py::test_special_addresses_are_refused_at_once
  EDIT dispatcher/engine/targets.c
  [[if (!t->rules.is_account || s->conf->dispatcher.proxy)]]
  [[if (t->rules.is_account || s->conf->dispatcher.proxy)]])

mutation(lookups_shared "a host that does not resolve fails what goes to others"
  TESTS tests/e2e/test_tasks.py::test_one_host_that_does_not_resolve_does_not_fail_another
  EDIT dispatcher/engine/targets.c
  [[.many_hosts = dest->account != NULL]]
  [[.many_hosts = false]])

mutation(fetched_secret_of_now "what was fetched has the secret of now, not of the announcement"
  TESTS tests/e2e/test_fetch.py::test_to_several_destinations_with_delay_and_secret_of_the_announcement
  EDIT dispatcher/pull/fetch.c
  [[, .secret_id = line}]]
  [[}]])

mutation(not_ready_is_a_result "an answer that there is no result yet is relayed"
  TESTS tests/e2e/test_fetch.py::test_not_ready_is_retried_until_it_is
  EDIT dispatcher/pull/fetch_judge.c
  [[if (code == FETCH_CODE_HANDED || code == FETCH_CODE_QUEUED)]]
  [[if (code == FETCH_CODE_HANDED || code == FETCH_CODE_QUEUED)
        code = FETCH_CODE_OK;
    if (false)]])

mutation(reconcile_unlocked "every dispatcher reconciles"
  TESTS tests/e2e/test_reconcile.py::test_one_of_several_dispatchers_asks
  EDIT dispatcher/pull/reconcile.c
  [[shard_command(shard, argv, 6, watch_on_lock, w)]]
  [[shard_command(shard, (argv[3] = argv[4], argv[4] = argv[5], argv), 5, watch_on_lock, w)]])

# --- what means harm ---

mutation(bomb_in_one_go "a bomb is inflated in one turn of the loop"
  TESTS tests/attack/test_load.py::test_only_few_bombs_are_inflated_at_a_time
  EDIT receiver/ingest/body_reader.c
  [[&rest, BODY_SLICE, take_plain]]
  [[&rest, SIZE_MAX, take_plain]])

mutation(packed_anew "a signed body that is packed anew is another event"
  TESTS tests/attack/test_bad_bodies.py::test_a_body_packed_anew_is_accepted_as_the_same
  EDIT receiver/ingest/body_reader.c
  [[    sha256_add(b->digest, bytes);
    verify_body(b->verify, bytes);]]
  [[    verify_body(b->verify, bytes);]]
  EDIT receiver/ingest/body_reader.c
  [[    if (b->source->signed_over_wire)
        take_signed(b, piece);]]
  [[    sha256_add(b->digest, piece);
    if (b->source->signed_over_wire)
        take_signed(b, piece);]])

mutation(translated_address "an IPv4 address that egress closes is reached in the spelling of a NAT64"
  TESTS tests/attack/test_egress.py::test_an_ipv4_address_in_the_spelling_of_a_translator
  EDIT dispatcher/transport/egress.c
  [[size_t n = addr_embedded(a, inner);]]
  [[size_t n = addr_embedded(a, inner) * 0;]])

mutation(decoded_once "a dot segment that is encoded twice passes"
  TESTS tests/attack/test_egress.py::test_tags_stay_where_they_were_put
  EDIT common/webhook/dot_segments.c
  [[for (size_t before = len + 1; len < before;) {]]
  [[for (size_t before = len + 1, once = 1; once && len < before; once = 0) {]])

mutation(identities_mixed "destinations with different client certificates share connections"
  TESTS tests/e2e/test_failure_words.py::test_a_connection_is_not_used_with_another_identity
  EDIT dispatcher/transport/http_transport.c
  [[is_same_text(p->identity.cert, o->client_cert) &&]]
  [[(p->ca_file || is_same_text(p->identity.cert, o->client_cert)) &&]]
  EDIT dispatcher/transport/http_transport.c
  [[is_same_text(p->identity.key, o->client_key);]]
  [[(p->ca_file || is_same_text(p->identity.key, o->client_key));]])

mutation(revoked_accepted "revocation lists are not looked at"
  TESTS "tests/e2e/test_failure_words.py::test_revocation[it-tls_revoked]"
  EDIT dispatcher/transport/http_transport.c
  [[SET(CURLOPT_CRLFILE, p->crl_file);]]
  [[SET(CURLOPT_CRLFILE, NULL);]])

mutation(closed_names_told "an account learns which names lead to closed addresses"
  TESTS tests/e2e/test_failure_words.py::test_names_of_the_inside_look_like_names_that_do_not_exist
  EDIT common/queue/tasks/tasks_lists.c
  [[if (is_account && word.len)]]
  [[if (!is_account && word.len)]])

mutation(configured_paths_told "paths of configured URLs are stored with failed attempts"
  TESTS tests/e2e/test_failure_words.py::test_paths_of_configured_urls_are_shown_nowhere
  EDIT dispatcher/engine/settlement.c
  [[f->target->rules.is_account ? url : url_origin(url);]]
  [[f->target->rules.is_account ? url : slice_cut(&url, '?');]])

mutation(own_machine_reached "URLs of the API reach public addresses of the dispatcher's own machine"
  TESTS tests/attack/test_api.py::test_names_of_tasks_that_turn
  EDIT dispatcher/transport/egress.c
  [[if (is_own(e, a))]]
  [[if (is_own(e, a) && addr_is_special(a))]])

mutation(foreign_pages "pages of other sites use the login that a browser remembers"
  TESTS tests/attack/test_api.py::test_a_browser_is_not_made_to_use_its_login
  EDIT common/ops/ops.c
  [[if (is_foreign(c->http)) {]]
  [[if (is_foreign(c->http) && !c) {]])

mutation(hogs_stay "one address keeps all others out"
  TESTS tests/http/test_http_limits.py::test_one_address_does_not_keep_others_out
  EDIT common/net/http_server.c
  [[struct conn *c = hog < PEERS_SLOTS ? find_displaced(s, hog) : NULL;]]
  [[struct conn *c = hog < 0 * PEERS_SLOTS ? find_displaced(s, hog) : NULL;]])

mutation(deaf_stay "connections whose answer nobody reads keep all others out"
  TESTS tests/http/test_http_limits.py::test_connections_whose_answer_is_not_read_make_room
  EDIT common/net/http_server.c
  [[return conn_stands(c) ? LOSS_NOTHING : LOSS_ANSWER;]]
  [[return LOSS_NO_CHOICE;]])

mutation(answers_take_no_room "answers do not count against the budget"
  TESTS tests/http/test_http_limits.py::test_answers_count_against_the_budget_until_they_are_written
  EDIT common/net/http_request.c
  [[    bool has_room = http_charge(r, (int64_t)n);]]
  [[    bool has_room = http_charge(r, (int64_t)n) || true;]])

mutation(turn_reads_on "a connection that waits for its turn reads on"
  TESTS tests/http/test_http_limits.py::test_what_waits_for_its_turn_is_not_read_on
  EDIT common/net/http_conn.c
  [[if (owes_answer(c) || list_is_linked(&c->turn))]]
  [[if (owes_answer(c))]])

mutation(forwarded_by_anybody "everybody may name a client's address"
  TESTS tests/e2e/test_proxies.py::test_others_cannot_name_an_address
  EDIT common/net/http_conn.c
  [[cidr_any(s->limits.trusted.list, s->limits.trusted.count, &c->peer)]]
  [[(s->limits.trusted.count || 1)]]
  EDIT common/net/forwarded.c
  [[while (is_trusted(trusted, &client) && next_entry(e, &entry)) {]]
  [[while ((is_trusted(trusted, &client) || client.family) && next_entry(e, &entry)) {]])

mutation(first_is_the_client "a client names its own address before the proxy's entry"
  TESTS tests/e2e/test_proxies.py::test_the_last_untrusted_address_counts
  EDIT common/net/forwarded.c
  [[while (is_trusted(trusted, &client) && next_entry(e, &entry)) {]]
  [[while (next_entry(e, &entry)) {]])

mutation(no_grace "SIGTERM ends the service at once"
  TESTS tests/e2e/test_listeners.py::test_new_requests_are_answered_in_the_time_of_grace
  EDIT receiver/receiver.c
  [[loop_timer_arm(r->grace, grace_ms * 1000);]]
  [[loop_timer_arm(r->grace, 0 * grace_ms);]])

mutation(dumped "a crash leaves the memory behind"
  TESTS tests/attack/test_secrets.py::test_a_crash_leaves_no_memory_behind
  EDIT common/program/program.c
  [[    process_hide_memory(); /* before a secret is read */]]
  [[]])

mutation(query_logged "refusals are logged with the query"
  TESTS tests/attack/test_secrets.py::test_no_refusal_is_logged_with_what_was_sent
  EDIT receiver/ingest/trail.c
  [[struct slice path = slice_head(http_path(r), SHOWN_MAX);]]
  [[struct slice path = slice_make(http_path(r).ptr, http_path(r).len + 1 + http_query(r).len);]])

mutation(event_id_of_header_is_trusted "an id in an unsigned header is as good as one in the body"
  TESTS tests/e2e/test_ingest_picks.py::test_an_unsigned_header_makes_another_event
  EDIT receiver/ingest/judge.c
  [[kind == PICK_HEADER ? ID_OF_HEADER : ID_NAMED]]
  [[kind == PICK_HEADER ? ID_NAMED : ID_NAMED]])

mutation(form_takes_the_last "a field that is there twice is read all the same"
  TESTS tests/e2e/test_ingest_picks.py::test_what_a_form_does_not_tell
  EDIT common/json/form_scan.c
  [[            f->state = JSON_PICK_TWICE;
            return;]]
  [[            return;]])

# --- the receiver's listeners ---

mutation(login_by_address "wrong logins of one account lock out the others behind its address"
  TESTS tests/api/test_accounts.py::test_a_tenants_mistakes_lock_out_nobody_else
  EDIT common/ops/login.c
  [[pair = meter_hash(&g->key, peer, &name);]]
  [[pair = meter_hash(&g->key, peer, &(struct slice){.len = name.len - name.len});]])

mutation(head_queues "a HEAD of a source goes the way of a pingback"
  TESTS tests/e2e/test_ingest_bodies.py::test_head_is_a_get_that_queues_nothing
  EDIT receiver/ingest/ingest.c
  [[    if (w->is_probe) {]]
  [[    if (w->is_probe && w->http == NULL) {]])

mutation(api_with_pages "the API's listener has the operators' pages too"
  TESTS tests/e2e/test_listeners.py::test_the_api_has_a_listener_without_operators_pages
  EDIT receiver/admin.c
  [[    if (rc == OK)
        api_add_routes(a->api, a->api_ops);]]
  [[    if (rc == OK)
        api_add_routes(a->api, a->api_ops), probes_add(a->probes, a->api_ops);]])

mutation(stop_cuts_calls "a stop cuts off the calls of the operators' listener"
  TESTS tests/e2e/test_listeners.py::test_a_stop_answers_the_calls_that_have_begun
  EDIT receiver/receiver.c
  [[        admin_drain(r->admin, end_loop, r);]]
  [[        end_loop(r);]])

# --- what is lost ---

mutation(lost_event_is_claimed "a delivery without its event is handed out"
  TESTS tests/queue/test_lost.py::test_a_lost_event_makes_a_dead_letter_and_the_others_go
  EDIT common/queue/lua/claim.lua
  [[if record == '' then return]]
  [[if false then return]])

mutation(unknown_parks_the_lane "a destination that nobody knows holds its lane"
  TESTS tests/queue/test_lost.py::test_an_unknown_destination_waits_beside_its_lane
  EDIT common/queue/lua/claim.lua
  [[if till > now_ms and lane.order == 'fifo' then]]
  [[if till > now_ms then]])

mutation(unknown_for_ever "what nobody knows never becomes a dead letter"
  TESTS tests/queue/test_lost.py::test_an_unknown_destination_ends_dead_and_can_be_resent
  EDIT common/queue/lua/claim.lua
  [[return since + (lane.order]]
  [[return now_ms + (lane.order]])

mutation(lost_lane_stays_lost "a lane that vanished from `lanes` is not found again"
  TESTS tests/queue/test_lost.py::test_a_lane_that_is_not_looked_at_is_found_again
  EDIT common/queue/lua/limits.lua
  [[if not score or not at or]]
  [[if false and]])

mutation(taken_out_unnoticed "nobody notices that ids were taken out of a list"
  TESTS tests/queue/test_lost.py::test_what_was_taken_out_of_a_list_is_noticed
  EDIT common/queue/lua/limits.lua
  [[if counted <= length then]]
  [[if true then]])

mutation(emptied_unnoticed "a claim does not say that its list was emptied"
  TESTS tests/queue/test_lost.py::test_a_claim_notices_that_its_list_was_emptied
  EDIT common/queue/lua/claim.lua
  [[if lane_shortest(lane) then note]]
  [[if false then note]])

mutation(fences_begin_at_one "fences begin anew when their key is lost"
  TESTS "tests/queue/test_lost.py::test_fences_go_on_above_those_that_were_given_out"
  EDIT common/queue/lua/claim.lua
  [[if last_fence == want then]]
  [[if false then]])

mutation(part_is_a_repeat "a repeat does not complete what was stored in part"
  TESTS tests/queue/test_lost.py::test_a_repeat_completes_what_was_stored_in_part
  EDIT common/queue/lua/lib_accept.lua
  [[for i = 1, math.min(left, #missing) do]]
  [[for i = 1, 0 do]])

mutation(expired_is_missing "a repeat sends again what was delivered and has expired"
  TESTS tests/queue/test_lost.py::test_a_repeat_does_not_send_again_what_was_delivered_and_has_expired
  EDIT common/queue/lua/lib_accept.lua
  [[for i = 1, math.min(left, #missing) do]]
  [[for i = 1, #missing do]])

mutation(resend_of_nothing "a resend trusts that a queued delivery is in its list"
  TESTS tests/queue/test_lost.py::test_a_resend_queues_what_was_purged
  EDIT common/queue/lua/lib_resend.lua
  [[if d.state == 'queued' then return not]]
  [[if d.state == 'queued' then return false and not]])

mutation(rights_unasked "a user without rights is taken for one that has them"
  TESTS "tests/redis/test_rights.py::test_a_missing_right_is_named[-hset-+hset]"
  EDIT common/queue/lua/rights.lua
  [[if not may(command, ...) then]]
  [[if false then]])

# --- origins ---

mutation(circuit_of_the_lane "an open circuit holds the whole lane"
  TESTS tests/queue/test_origins.py::test_live_origins_of_an_account_go_on
        tests/queue/test_origins.py::test_another_destination_on_the_lane_goes_on
  EDIT common/queue/lua/claim.lua
  [[  if lane.order == 'fifo' or not t.limits.is_screened then]]
  [[  if true then]])

mutation(circuit_spends "deliveries of an open circuit are attempted"
  TESTS tests/queue/test_origins.py::test_the_probes_failure_doubles_the_pause_and_an_answer_brings_all_back
  EDIT common/queue/lua/claim.lua
  [[if now_ms < e.till then return e.till end]]
  [[]])

mutation(no_share "one origin takes all of an account's concurrency"
  TESTS tests/queue/test_origins.py::test_an_origin_takes_at_most_half_of_an_accounts_concurrency
  EDIT common/queue/lua/claim.lua
  [[share_of(t, d.origin).n >= l.share]]
  [[false]])

mutation(share_lost "a dead dispatcher keeps its origin's share"
  TESTS tests/queue/test_origins.py::test_the_share_of_dead_dispatchers_comes_back
  EDIT common/queue/lua/lib_delivery.lua
  [[  if d.origin then free_share(d.destination, d.origin, 1) end]]
  [[]])

mutation(closed_and_left "what waited for a circuit stays away when it closes"
  TESTS tests/queue/test_origins.py::test_the_probes_failure_doubles_the_pause_and_an_answer_brings_all_back
  EDIT common/queue/lua/lib_circuit.lua
  [[was_open and BACK_MAX or e.answers > 0 and 2 or 1]]
  [[1]])

mutation(effort_unbounded "claim takes from lanes of several origins as many as from others"
  TESTS tests/queue/test_steps.py::test_a_call_claims_fewer_from_lanes_that_lead_to_several_origins
  EDIT common/queue/lua/claim.lua
  [[local EFFORT_MAX, effort = 96, 0]]
  [[local EFFORT_MAX, effort = 9600, 0]])

# --- fairness ---

mutation(room_ignored "claim takes more of a holder than the dispatcher has room for"
  TESTS tests/queue/test_rooms.py::test_a_holder_gets_what_the_dispatcher_has_room_for
  EDIT common/queue/lua/claim.lua
  [[  room.left = room.left - 1
]]
  [[]]
  EDIT common/queue/lua/claim.lua
  [[math.min(share, want, free, room_left(t.room))]]
  [[math.min(share, want, free)]])

mutation(closed_lanes_hide "lanes without room take the places of others in a claim"
  TESTS tests/queue/test_rooms.py::test_many_lanes_without_room_hide_no_other
  EDIT common/queue/lua/claim.lua
  [[    if not room or room_left(room) > 0 then found]]
  [[    if i <= 2 * most and (not room or room_left(room) > 0) then found]])

mutation(no_reserve "slow holders may take the reserve"
  TESTS tests/e2e/test_fairness.py::test_few_slots
  EDIT dispatcher/engine/shares.c
  [[quick ? 0 : reserve]]
  [[quick ? 0 : 0 * reserve]])

# --- being told to wait ---

mutation(told_spends_attempt "an origin that asks to wait costs attempts"
  TESTS "tests/queue/test_told_to_wait.py::test_the_origin_waits_as_told_and_no_attempt_is_spent"
        "tests/e2e/test_told_to_wait.py::test_no_attempt_is_spent"
  EDIT common/queue/lua/settle.lua
  [[    delivery_set(d, 'attempts', text(tonumber(d.attempts) - 1))
    if not d.told]]
  [[    if not d.told]])

mutation(told_comes_back_at_once "after a wait everything leaves at once"
  TESTS tests/queue/test_told_to_wait.py::test_it_comes_back_slowly
        tests/queue/test_told_to_wait.py::test_a_server_with_a_limit_gets_little_more_than_its_limit
  EDIT common/queue/lua/claim.lua
  [[  if e.answers == 0 then return false end]]
  [[  if true then return false end]])

mutation(told_for_ever "an origin may put a delivery off for ever"
  TESTS tests/queue/test_told_to_wait.py::test_after_a_day_it_is_a_failed_attempt
  EDIT common/queue/lua/settle.lua
  [[  if now_ms >= first + DAY_MS then]]
  [[  if false then]])

mutation(told_ended_by_old_answers "an answer to a request from before the wait ends the wait"
  TESTS tests/queue/test_told_to_wait.py::test_answers_to_requests_from_before_the_wait_say_nothing
  EDIT common/queue/lua/lib_circuit.lua
  [[ or e.told and not probed then return 0 end]]
  [[ then return 0 end]])

mutation(claimed_ahead_is_sent "what was claimed ahead is sent although the origin asked to wait"
  TESTS tests/e2e/test_told_to_wait.py::test_what_was_claimed_ahead_goes_back
  EDIT dispatcher/engine/deliver.c
  [[    if (t && o.verdict == SETTLE_WAIT)
        deliver_hand_back_turns(t);
]]
  [[    (void)deliver_hand_back_turns;
]])

# --- what is acknowledged is on replicas ---

mutation(no_wait "the receiver does not wait for replicas"
  TESTS tests/redis/test_wait_replicas.py::test_a_replica_that_stands_still_is_a_503_and_its_return_is_noticed
  EDIT common/redis/redis_scripts.c
  [[bool waits = c->script->is_acknowledged && r->conf.wait_replicas;]]
  [[bool waits = false;]])

mutation(wait_ahead_of_a_repeat "a script that Redis forgot runs behind the WAIT, and nothing asks again"
  TESTS tests/redis/test_wait_replicas.py::test_a_script_that_redis_forgot_is_waited_for_too
  EDIT common/redis/redis_scripts.c
  [[    if (repeat.waits)
        r->confirm.is_due = true;]]
  [[    repeat.waits = false;]])

mutation(old_master_counts "what the old master takes while a sentinel moves it is acknowledged"
  TESTS tests/redis/test_moving_master.py::test_a_move_by_command_loses_nothing
  EDIT common/redis/redis_confirm.c
  [[return r->sentinels && redis_sentinels_are_moving(r->sentinels);]]
  [[return !r;]])

mutation(one_sentinel_is_heard "the steps of a failover are heard from the first sentinel alone"
  TESTS "tests/redis/test_moving_master.py::test_a_move_by_command_loses_nothing[2]"
  EDIT common/redis/redis_failovers.c
  [[    for (size_t i = 0; i < count; i++)
        if (!f->voices[i].sub)]]
  [[    for (size_t i = 0; i < count && i < 1; i++)
        if (!f->voices[i].sub)]])

mutation(news_after_the_confirmation "a confirmation counts although a sentinel has said before that it moves the master"
  TESTS tests/redis/test_moving_master.py::test_what_was_published_while_the_receiver_slept_counts
  EDIT common/redis/redis_confirm.c
  [[    if (r->sentinels)
        redis_sentinels_read(r->sentinels);]]
  [[    (void)r;]])

# --- a cluster ---

mutation(confirm_in_a_slot_that_moves "the write before WAIT stays with a key whose slot moves"
  TESTS tests/cluster/test_moving_slots.py::test_other_partitions_are_confirmed_meanwhile
  EDIT common/redis/redis_confirm.c
  [[    if (c->has_moved) {]]
  [[    if (false) {]])

mutation(missing_for_all "one partition that does not answer is taken for all of them"
  TESTS tests/console/test_missing.py::test_lists_have_the_others_and_say_what_is_missing
  EDIT common/queue/shards_call.c
  [[    if (!c->may_miss) {]]
  [[    if (true) {]])

mutation(readers_wait "a call that reads waits for a shard that answers nothing"
  TESTS tests/cluster/test_silent_readers.py::test_metrics_have_the_gauges_of_the_others
  EDIT common/queue/shards_call.c
  [[    if (c->is_hurried && !c->timer) {]]
  [[    if (c->is_hurried && !c->timer && false) {]])

mutation(counts_dropped "counts that Redis refuses are lost"
  TESTS tests/cluster/test_lost_servers.py::test_counts_that_redis_refuses_are_added_later
  EDIT common/queue/beat.c
  [[        number_add(&p->waiting, key, ((const struct number *)value)->n);]]
  [[        number_add(&p->waiting, key, 0);]])

mutation(counts_wait_for_0 "counts of all partitions wait for partition 0"
  TESTS tests/cluster/test_lost_servers.py::test_counts_of_others_do_not_wait_for_the_first_shard
  EDIT common/queue/beat.c
  [[shards_at(p->beat->shards, p->partition)) ||]]
  [[shards_at(p->beat->shards, 0)) ||]])

mutation(waiting_counts_for_all "calls that wait for one slot count as the load of all shards"
  TESTS tests/cluster/test_lost_servers.py::test_calls_that_wait_for_a_slot_are_load_of_its_shard_alone
  EDIT common/redis/cluster/redis_turned.c
  [[    return of_slot ? *of_slot : 0;]]
  [[    return of_slot ? c->turned_bytes : 0;]])

mutation(half_a_change "a setting is changed in the partitions that are there"
  TESTS tests/console/test_missing.py::test_a_change_of_all_partitions_is_made_in_all_or_in_none
  EDIT common/queue/shards_call.c
  [[        if (!shard_is_ready(shards_at(c->shards, i)))]]
  [[        if (false)]])

mutation(old_map_counts "a server that has missed a move is believed"
  TESTS tests/cluster/test_moving_slots.py::test_a_server_that_missed_the_move_is_not_believed
  EDIT common/redis/cluster/cluster_guide.c
  [[g->epoch_said < g->epoch)]]
  [[false)]])

mutation(doubt_waits_for_ever "a server whose connection was lost and is back is not left after a doubt"
  TESTS tests/cluster/test_moving_slots.py::test_a_server_that_missed_the_move_is_not_believed
  EDIT common/redis/cluster/cluster_guide.c
  [[g->is_asking || g->is_doubted || !g->asked]]
  [[g->is_asking || !g->asked]])

mutation(no_asking "a command that follows ASK does not say ASKING"
  TESTS tests/cluster/test_moving_slots.py::test_a_command_finds_what_has_moved
  EDIT common/redis/redis_route.c
  [[if (call->is_asking)]]
  [[if (false)]])

mutation(script_follows_ask "a script runs where half of its keys are"
  TESTS tests/cluster/test_moving_slots.py::test_without_a_hold
  EDIT common/redis/cluster/redis_turned.c
  [[d->kind == REDIRECT_ASK && !call->script;
    t->slot]]
  [[d->kind == REDIRECT_ASK;
    t->slot]]
  EDIT common/queue/shard.c
  [[keys_never(&text, base);]]
  [[keys_lanes(&text, base);]])

mutation(slow_for_all "a partition that does not answer refuses the events of all others"
  TESTS tests/cluster/test_moving_slots.py::test_without_a_hold
  EDIT common/queue/put/queue_put.c
  [[const struct batch *oldest = LIST_FIRST(&q->under_way[partition], struct batch, link);]]
  [[const struct batch *oldest = NULL;
    for (partition = 0; partition < q->partitions && !oldest; partition++)
        oldest = LIST_FIRST(&q->under_way[partition], struct batch, link);]])

mutation(one_away_is_all "one server that is away makes a program unready"
  TESTS tests/cluster/test_failover.py::test_a_server_without_a_replica_is_away_until_it_is_started
        tests/cluster/test_failover.py::test_a_master_dies_and_its_replica_takes_over
  EDIT common/queue/shard.c
  [[else if (!is_away(s) && !all->has_served)]]
  [[else]])

mutation(failed_is_nobody "a master that the others gave up is not shown as one that is away"
  TESTS tests/cluster/test_failover.py::test_a_server_without_a_replica_is_away_until_it_is_started
  EDIT common/redis/cluster/cluster_map.c
  [[        owner = failed;]]
  [[        (void)failed;]])

# --- what an operator holds ---

mutation(hold_of_nothing "a program that knows of a hold works on the partition all the same"
  TESTS tests/console/test_partitions.py::test_one_is_held_and_the_other_goes_on
  EDIT common/queue/shard.c
  [[    all->list[partition].is_held = is_held;]]
  [[    all->list[partition].is_held = false;]])

mutation(hold_forgotten "a program that starts does not ask what is held"
  TESTS tests/console/test_partitions.py::test_all_are_held_and_programs_start_meanwhile
  EDIT common/queue/shard_servers.c
  [[    if (all->list[0].server == server)
        holds_ask(all->holds); /* first: it is answered before the shards are ready */]]
  [[    if (all->list[0].server == server && server->is_fit)
        holds_ask(all->holds);]])

# --- another Redis has the queue ---

mutation(delay_forgotten "after a failover a lane that lacks its last send is sent on at once"
  TESTS tests/redis/test_lagging_replica.py::test_another_dispatcher_does_not_send_at_once
  EDIT common/queue/take/queue_take.c
  [[    if (d->send_from < from)
        d->send_from = from;]]
  [[    (void)from;]])

mutation(change_untold "only the first dispatcher learns that another run of Redis has the queue"
  TESTS tests/queue/test_runs.py::test_all_dispatchers_learn_when_the_change_was
  EDIT common/queue/lua/limits.lua
  [[return since == '0' and -1 or math.max(0, now_ms - since) * 1000 end]]
  [[return -1 end]])

mutation(old_claim_valid "a claim of a Redis that was lost is sent although its lane is free on another one"
  TESTS tests/redis/test_lagging_replica.py::test_a_claim_of_the_old_master_is_void
  EDIT common/queue/take/take_presence.c
  [[    if (d->report_sent && d->claimed_at <= p->lost_at)
        return true;]]
  [[]])

mutation(fences_again "a new master gives out fences that the old one gave out"
  TESTS tests/queue/test_runs.py::test_a_fence_of_a_lost_master_is_never_given_out_again
  EDIT common/queue/lua/limits.lua
  [[ if call('EXISTS', base .. 'fences') == 1 then call('INCRBY', base .. 'fences', text(FENCES_LOST)) end]]
  [[]])

# --- presence ---

mutation(silent_is_gone "a dispatcher that is absent for a moment loses its claims"
  TESTS tests/queue/test_presence.py::test_who_comes_back_in_time_keeps_its_claims
        tests/queue/test_presence.py::test_the_claims_of_who_is_gone_come_back
  EDIT common/queue/lua/presence.lua
  [[  if now_ms < row.absent + GONE_MS then]]
  [[  if false then]])

mutation(gone_keeps_claims "the claims of a dispatcher that is gone wait for their leases"
  TESTS tests/queue/test_presence.py::test_the_claims_of_who_is_gone_come_back
        tests/faults/test_presence.py::test_killed
  EDIT common/queue/lua/presence.lua
  [[  take_back(found)
]]
  [[]])

mutation(restart_is_death "dispatchers that have not registered with this run of Redis count as gone"
  TESTS tests/queue/test_presence.py::test_a_row_of_another_run_of_redis_says_nothing
  EDIT common/queue/lua/presence.lua
  [[ and row.run ~= run then]]
  [[ and false then]])

mutation(unwatched_time_counts "time in which nobody looked counts as absence"
  TESTS tests/queue/test_presence.py::test_time_in_which_nobody_looked_does_not_count
  EDIT common/queue/lua/presence.lua
  [[ or now_ms - row.looked > GAP_MS]]
  [[]])

mutation(takes_from_all "the claims of every dispatcher come back when one is gone"
  TESTS tests/queue/test_presence.py::test_the_claims_of_who_is_gone_come_back
  EDIT common/queue/lua/presence.lua
  [[== row.slot then]]
  [[~= nil then]])

mutation(no_beacon "a living dispatcher of the same machine is not looked for"
  TESTS tests/faults/test_presence.py::test_closed_and_refused
  EDIT common/queue/take/beacon.c
  [[connect(fd, (struct sockaddr *)&a, len) == 0;]]
  [[connect(fd, (struct sockaddr *)&a, len) > 0;]])

# --- what operators do ---

mutation(resend_clears_siblings "the resend of one delivery forgets that its sibling is dead"
  TESTS tests/queue/test_acts.py::test_a_task_with_another_dead_webhook_stays_failed
  EDIT common/queue/lua/lib_act.lua
  [[    note_dead_siblings(event, d)
  end
  return 'done', 'queued']]
  [[    if false then note_dead_siblings(event, d) end
  end
  return 'done', 'queued']])

mutation(dropped_is_claimed "what was dropped deep in a queue is sent"
  TESTS tests/queue/test_acts.py::test_a_lane_passes_over_what_was_dropped_deep_in_it
  EDIT common/queue/lua/lib_act.lua
  [[  finish(d, 'dropped', dead_ms, dedup_ms, 'dead')]]
  [[  if not stays then finish(d, 'dropped', dead_ms, dedup_ms, 'dead') end]])

mutation(dropped_forget_the_delays "a lane with many dropped deliveries at its head forgets the delays of those behind"
  TESTS tests/queue/test_acts.py::test_a_lane_passes_over_what_was_dropped_deep_in_it
  EDIT common/queue/lua/claim.lua
  [[  if call('EXISTS', lane.queue) == 1 then return end]]
  [[  if false then return end]])

mutation(dropped_attempts_stay "the attempts of what was dropped while it waited for a retry stay for ever"
  TESTS tests/queue/test_acts.py::test_drop_ends_one_delivery
  EDIT common/queue/lua/lib_delivery.lua
  [[d.listed or state == 'dropped' or d.attempts]]
  [[d.listed or d.attempts]])

mutation(result_is_announced_again "a resent fetch whose result is here counts as announced"
  TESTS tests/queue/test_acts.py::test_a_fetch_whose_result_came_by_itself_is_made_again_and_counts_no_more
  EDIT common/queue/lua/lib_resend.lua
  [[if not has_result(d.key) then]]
  [[if true then]])

mutation(dropped_twice_in_queue "a resend of what was dropped deep in a queue is queued a second time"
  TESTS tests/queue/test_acts.py::test_what_was_dropped_deep_and_is_resent_has_its_place_again
  EDIT common/queue/lua/lib_resend.lua
  [[  if d.state == 'dropped' and call('HDEL', d.key, 'in_queue') == 1 then return end]]
  [[  if false then return end]])

mutation(job_acts_on_new "a job acts on what has ended since it began"
  TESTS tests/queue/test_sweep.py::test_what_ended_since_is_left_alone
  EDIT common/queue/lua/lib_sweep.lua
  [[  if is_over and tonumber(v[5] or 0) > job.begun then return false end
]]
  [[]])

mutation(job_of_two "two programs work on one job at a time"
  TESTS tests/queue/test_sweep.py::test_a_lease_keeps_others_away
  EDIT common/queue/lua/lib_sweep.lua
  [[  if job.owner ~= owner and job.lease > now_ms then return 0 end
]]
  [[]])

mutation(job_resends_twice "a job sends a delivery again that it has sent again before"
  TESTS tests/queue/test_sweep.py::test_each_delivery_once
  EDIT common/queue/lua/lib_sweep.lua
  [[ or v[6] == job.id then return false end]]
  [[ then return false end]])

mutation(test_speaks_tls "a test event is taken as a connection from outside"
  TESTS "tests/console/test_send_test.py::test_whatever_the_listener_speaks[tls]"
  EDIT common/net/http_server.c
  [[    server_take(s, fd, peer, NULL);]]
  [[    server_take(s, fd, peer, s->tls);]])

# --- what accounts set for themselves ---

mutation(secret_of_today "an older task is signed with the secret of the configuration, not with that of its acceptance"
  TESTS tests/api/test_settings.py::test_a_secret_signs_what_is_accepted_after_it
  EDIT dispatcher/engine/stamped.c
  [[    if (sign)
        s->rules.sign = sign;]]
  [[    (void)sign;]])

mutation(revision_unsaid "a second event of an id is told by the id of the first"
  TESTS tests/queue/test_put.py::test_same_id_with_another_body_is_another_event
  EDIT common/queue/lua/lib_accept.lua
  [[task == id and 0 or -tonumber(string.sub(task, #id + 2))]]
  [[0]])

mutation(named_like_a_second "an id that ends like a mark is shown like a second event"
  TESTS tests/console/test_events.py::test_an_id_of_a_sender_that_looks_like_a_second_event
  EDIT common/webhook/ids.c
  [[        buf_add_str(out, FIRST_MARK);]]
  [[        (void)marks;]])

mutation(trace_pushed_out "other headers push the trace context out"
  TESTS tests/e2e/test_trace.py::test_other_headers_do_not_push_the_context_out
  EDIT receiver/ingest/keep_headers.c
  [[    size_t reserved = trace_len(r, &rules);]]
  [[    size_t reserved = 0 * trace_len(r, &rules);]])

mutation(stamped_late "a pending task takes the settings of its completion"
  TESTS tests/api/test_settings.py::test_what_is_accepted_from_then_on
  EDIT common/queue/record.c
  [[    add_line(out, 'a', e->stamp);]]
  [[    if (!e->is_open)
        add_line(out, 'a', e->stamp);]])

mutation(scheme_without_secret "a scheme stays where another call took its secret away meanwhile"
  TESTS tests/queue/test_tasks.py::test_a_scheme_has_a_secret
  EDIT common/queue/lua/setting.lua
  [[if scheme_of and not has_secret then return 0 end]]
  [[if scheme_of and not has_secret then has_secret = true end]])

mutation(unsigned_without_key "a task whose secret cannot be read is sent all the same"
  TESTS tests/api/test_settings.py::test_a_wrong_key_never_sends_unsigned
  EDIT dispatcher/engine/deliver.c
  [[    return f->stamped != NULL;]]
  [[    return true;]])

mutation(sealed_for_all "a sealed secret opens for every account"
  TESTS tests/api/test_settings.py::test_a_sealed_secret_is_of_no_use_elsewhere
  EDIT common/queue/stamp.c
  [[    buf_add_slice(out, account);
    buf_add_char(out, ' ');]]
  [[    (void)account;]])

# --- limits of the operators' API ---

mutation(pace_of_nobody "an account may call the operators' API without a limit"
  TESTS tests/attack/test_operators.py::test_too_many_calls
  EDIT receiver/console/console.c
  [[    if (r.verdict == PACE_OK)
        return GO_ON;]]
  [[    if (r.verdict != PACE_ADDRESS)
        return GO_ON;]])

mutation(streams_of_old_passwords "a stream goes on with a password that does not hold any more"
  TESTS tests/attack/test_operators.py::test_an_old_login_is_worth_nothing
  EDIT receiver/tail/listeners.c
  [[    return memcmp(password, l->password, sizeof password) == 0;]]
  [[    return true;]])

mutation(any_host "a name that is not in admin.hosts is answered"
  TESTS tests/attack/test_operators.py::test_names_of_the_listener
  EDIT receiver/admin.c
  [[    ops_set_hosts(a->ops, hosts_of(a->conf));]]
  [[    ops_set_hosts(a->ops, (struct host_names){0});]])

# --- one call of a script holds Redis for milliseconds ---

mutation(deaths_without_end "a lane without delays makes any number of lost deliveries dead letters in one call"
  TESTS tests/queue/test_steps.py::test_a_lane_whose_events_are_lost_dies_in_steps
  EDIT common/queue/lua/claim.lua
  [[bytes_left <= 0 or asides >= ASIDE_MAX or t ~= first]]
  [[bytes_left <= 0 or t ~= first]])

mutation(long_head_cut "a claim cuts a head that is longer than what it reads first"
  TESTS tests/queue/test_claim.py::test_a_head_may_be_longer_than_what_a_claim_reads_first
  EDIT common/queue/lua/claim.lua
  [[  if not stop then
    record =]]
  [[  if false then
    record =]])

mutation(leases_all_at_once "a claim puts all ended leases back"
  TESTS tests/queue/test_steps.py::test_ended_leases_come_back_in_steps
  EDIT common/queue/lua/claim.lua
  [[TRIM_MAX, STRANGERS_MAX, LOOKS_MAX = 16, 30, 36, 600]]
  [[TRIM_MAX, STRANGERS_MAX, LOOKS_MAX = 300, 30, 36, 600]])

mutation(looks_without_end "a claim looks for shorter delays on every lane"
  TESTS tests/queue/test_steps.py::test_looking_for_shorter_delays_on_many_lanes
  EDIT common/queue/lua/claim.lua
  [[looks = looks + 1]]
  [[looks = 0]])

mutation(square_of_an_id "the destination is looked for at every byte of a delivery's id"
  TESTS tests/queue/test_steps.py::test_long_ids_cost_as_much_as_their_length
  EDIT common/queue/lua/lib_lane.lua
  [[local DESTINATION = '^.*:(.*)$']]
  [[local DESTINATION = '[^:]*$']])
