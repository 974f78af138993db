/* err - the one error convention.   [pure]
 *
 * A function that can fail returns `enum err` (OK is 0) and is marked MUST_CHECK. Where a person
 * will read the reason (start-up, configuration, logs) it also fills a `struct error`, which is
 * always its last argument and may be NULL. "Not found", "not yet" and "refused" are answers, not
 * errors: functions return a verdict for those. Programmer errors are assert()s, which stay on in
 * release builds.
 */
#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum err {
    OK = 0,
    ERR_INVALID, /* the input breaks a rule */
    ERR_TOO_BIG, /* the input passes a ceiling */
    ERR_IO,      /* a descriptor, socket or file failed */
    ERR_UNAVAIL, /* a peer cannot be reached, or is in no state to serve */
    ERR_TIMEOUT, /* no answer in time; whether it took effect is unknown */
    ERR_CRYPTO,  /* OpenSSL refused */
};

struct error {
    char text[256]; /* one line for a person; never holds a secret */
};

/* Writes a printf-style reason into E (which may be NULL) and returns CODE, so that a failing path
 * reads `return fail(e, ERR_IO, "cannot open %s", path);`. */
enum err fail(struct error *e, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A fixed word for CODE ("ok", "invalid", ...). */
const char *err_word(enum err code);

#endif
