/* log - the one logging call: a line a happening on stderr.   [edge]
 *
 *     LOG(LL_WARN, "redis.lost", LS("url", url), LI("backoff_ms", ms));
 *
 * Lines are JSON ({"ts":..,"level":..,"msg":..,...}), or plain text with HOOKPACE_LOG_FORMAT=text.
 * Messages are named noun.verb. Never log a secret, a password or a body.
 *
 *   LOG          writes the line at once
 *   LOG_RARELY   the same for trouble that may repeat quickly: a few lines a second for each call site. The next line, or
 *                log_tell_left_out when the trouble is over, says how many were left out
 *   LOG_EVENT    for what happens all the time, such as an accepted event: the line waits for log_flush, which the loop
 *                calls once a turn, and leaves together with others
 *
 * Lines of all threads leave in the order of the calls. A reader that does not keep up stops nobody: lines wait up to
 * 256 KiB, further lines are lost, and log.lost says how many.
 */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include "common/base/clock.h"
#include "common/base/slice.h"

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LL_DEBUG, LL_INFO, LL_WARN, LL_ERROR };

struct log_field {
    const char *key; /* a literal; NULL ends the list */
    size_t key_len;
    enum { LOG_TEXT, LOG_INT, LOG_TRUE, LOG_ABSENT } kind;
    struct slice text;
    int64_t number;
};

#define LOG_KEY(k) .key = (k), .key_len = sizeof(k) - 1
#define LS(k, z) ((struct log_field){LOG_KEY(k), .kind = LOG_TEXT, .text = slice_str(z)})
#define LSL(k, s) ((struct log_field){LOG_KEY(k), .kind = LOG_TEXT, .text = (s)})
#define LI(k, n) ((struct log_field){LOG_KEY(k), .kind = LOG_INT, .number = (int64_t)(n)})

/* The same, absent if the text is empty. */
#define LSO(k, s)                                                                                  \
    ((struct log_field){LOG_KEY(k), .kind = (s).len ? LOG_TEXT : LOG_ABSENT, .text = (s)})
/* true, or absent. */
#define LT(k, yes) ((struct log_field){LOG_KEY(k), .kind = (yes) ? LOG_TRUE : LOG_ABSENT})
/* A number, absent if it is 0. */
#define LIO(k, n)                                                                                  \
    ((struct log_field){LOG_KEY(k), .kind = (n) ? LOG_INT : LOG_ABSENT, .number = (int64_t)(n)})

struct log_limit { /* one per call site, static */
    _Atomic int64_t window;
    _Atomic uint32_t count;
    /* Set when it first leaves a line out. */
    _Atomic bool is_known;
    enum log_level level;
    const char *msg;
    struct log_limit *next;
};

/* Reads HOOKPACE_LOG and HOOKPACE_LOG_FORMAT once; call first in main. PROGRAM (a literal) goes into
 * every line as "program". An unknown level or format is answered by false. */
bool log_init(const char *program);
bool log_enabled(enum log_level level);
/* MSG must be a literal. */
void log_write(enum log_level level, const char *msg, const struct log_field *fields);
/* The same, but the line waits for log_flush or the next log_write. */
void log_add(enum log_level level, const char *msg, const struct log_field *fields);
/* Writes the lines that wait. Costs nothing if there are none. */
void log_flush(void);
/* The same for a handler of a fatal signal. */
void log_flush_in_handler(void);
/* True if a line may be written now; *DROPPED is the number of lines that were left out since the last window. */
bool log_allow(struct log_limit *limit, mono_us now, uint32_t *dropped);

/* LIMIT has just left out a line MSG (a literal). */
void log_left_out(struct log_limit *limit, enum log_level level, const char *msg);
/* For each call site whose lines were left out, and that has been quiet since: says how many. Call it about once a second. */
void log_tell_left_out(mono_us now);

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {0}})

#define LOG(level, msg, ...)                                                                       \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_write((level), (msg), LOG_FIELDS(__VA_ARGS__));                                    \
    } while (0)

#define LOG_RARELY(level, msg, ...)                                                                \
    do {                                                                                           \
        static struct log_limit limit_;                                                            \
        uint32_t dropped_ = 0;                                                                     \
        if (!log_enabled(level))                                                                   \
            break;                                                                                 \
        if (log_allow(&limit_, clock_mono_us(), &dropped_))                                        \
            log_write((level), (msg), LOG_FIELDS(__VA_ARGS__, LI("dropped", dropped_)));           \
        else                                                                                       \
            log_left_out(&limit_, (level), (msg));                                                 \
    } while (0)

#define LOG_EVENT(level, msg, ...)                                                                 \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_add((level), (msg), LOG_FIELDS(__VA_ARGS__));                                      \
    } while (0)

#endif
