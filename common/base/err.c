#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>

enum err fail(struct error *e, enum err code, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
    }
    return code;
}

const char *err_word(enum err code)
{
    switch (code) {
    case OK:
        return "ok";
    case ERR_INVALID:
        return "invalid";
    case ERR_TOO_BIG:
        return "too big";
    case ERR_IO:
        return "i/o error";
    case ERR_UNAVAIL:
        return "unavailable";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CRYPTO:
        return "crypto error";
    }
    return "unknown";
}
