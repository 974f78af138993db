/* scripts - the queue's Lua scripts, embedded at build.   [pure] */
#ifndef COMMON_QUEUE_SCRIPTS_H
#define COMMON_QUEUE_SCRIPTS_H

#include <stddef.h>

extern const unsigned char lua_rights[], lua_put[], lua_claim[], lua_sent[], lua_settle[],
    lua_limits[], lua_stats[], lua_retrying[], lua_task[], lua_resend[], lua_ready[], lua_posted[],
    lua_counts[], lua_failures[], lua_setting[], lua_look[], lua_search[], lua_pause[], lua_take[];
extern const unsigned char lua_redo[], lua_drop[]; /* acts of operators */
extern const unsigned char lua_job[], lua_jobs[], lua_sweep_resend[], lua_sweep_drop[];
extern const size_t lua_rights_len, lua_put_len, lua_claim_len, lua_sent_len, lua_settle_len,
    lua_limits_len, lua_stats_len, lua_retrying_len, lua_task_len, lua_resend_len, lua_ready_len,
    lua_posted_len, lua_counts_len, lua_failures_len, lua_setting_len, lua_look_len, lua_search_len,
    lua_pause_len, lua_take_len;
extern const unsigned char lua_presence[];
extern const size_t lua_presence_len;
extern const unsigned char lua_survey[], lua_lanes[];
extern const size_t lua_survey_len, lua_lanes_len;
extern const size_t lua_redo_len, lua_drop_len;
extern const size_t lua_job_len, lua_jobs_len, lua_sweep_resend_len, lua_sweep_drop_len;
extern const unsigned char lua_tally[], lua_counted[];
extern const size_t lua_tally_len, lua_counted_len;
extern const unsigned char lua_check[], lua_requeue[], lua_dead[];
extern const size_t lua_check_len, lua_requeue_len, lua_dead_len;

#endif
