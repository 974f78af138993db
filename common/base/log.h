/* log - the one logging call: a line a happening on stderr.   [edge]
 *
 *     LOG(LL_WARN, "redis.lost", LS("url", url), LI("backoff_ms", ms));
 *
 * Lines are JSON ({"ts":..,"level":..,"msg":..,...}), or plain text with HOOKPACE_LOG_FORMAT=text.
 * Messages are named noun.verb. Never log a secret, a password or a body. A happening that may
 * repeat quickly is logged with LOG_RARELY, which lets a few lines a second through per call site
 * and then one that says how many were dropped. Thread-safe; a line is one write(2).
 */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include "common/base/clock.h"
#include "common/base/slice.h"

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LL_DEBUG, LL_INFO, LL_WARN, LL_ERROR };

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_TEXT, LOG_INT } kind;
    struct slice text;
    int64_t number;
};

#define LS(k, z) ((struct log_field){.key = (k), .kind = LOG_TEXT, .text = slice_str(z)})
#define LSL(k, s) ((struct log_field){.key = (k), .kind = LOG_TEXT, .text = (s)})
#define LI(k, n) ((struct log_field){.key = (k), .kind = LOG_INT, .number = (int64_t)(n)})

struct log_limit { /* one per call site, static */
    _Atomic int64_t window;
    _Atomic uint32_t count;
};

/* Reads HOOKPACE_LOG and HOOKPACE_LOG_FORMAT once; call first in main. PROGRAM (a literal) goes into
 * every line as "program". An unknown level or format is answered by false. */
bool log_init(const char *program);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *msg, const struct log_field *fields);
/* True if a line may be written now; *DROPPED tells how many were not since the last window. */
bool log_allow(struct log_limit *limit, mono_us now, uint32_t *dropped);

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
        if (log_enabled(level) && log_allow(&limit_, clock_mono_us(), &dropped_))                  \
            log_write((level), (msg), LOG_FIELDS(__VA_ARGS__, LI("dropped", dropped_)));           \
    } while (0)

#endif
