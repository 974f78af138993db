/* api_time - reads and writes moments as the task API has them: "2026-11-21 02:15:49 +00:00".   [pure] */
#ifndef RECEIVER_API_TIME_H
#define RECEIVER_API_TIME_H

#include "common/base/clock.h"
#include "common/base/slice.h"

#define API_TIME_LEN 26

/* Writes API_TIME_LEN characters and a NUL. */
void api_time_write(wall_ms at, char out[API_TIME_LEN + 1]);
/* Reads TEXT; the offset may be any, or missing, which means UTC. False if TEXT is no moment. */
bool api_time_read(struct slice text, wall_ms *at);

#endif
