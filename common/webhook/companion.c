#include "common/webhook/companion.h"

#include "common/base/text.h"

/* Of this connection, of this hop, a credential, or set by the dispatcher for its own request. */
static const char *const never[] = {
    "accept-encoding",
    "authorization",
    "connection",
    "content-*",
    "cookie",
    "date",
    "expect",
    "hookpace-*",
    "host",
    "http2-settings",
    "if-*",
    "keep-alive",
    "proxy-*",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
};

static const char *const usual[] = {"x-*", "ce-*"};

static const char *const between[] = {"x-forwarded-*", "x-real-ip"};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static bool matches(struct slice name, const char *const *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_glob_nocase(slice_str(patterns[i]), name))
            return true;
    return false;
}

/* PATTERN names the headers of `between`, rather than taking them among others. */
static bool names_between(struct slice pattern)
{
    return slice_starts_nocase(pattern, SLICE_LIT("x-forwarded")) ||
           slice_starts_nocase(pattern, SLICE_LIT("x-real-ip"));
}

bool companion_keeps(struct slice name, const char *const *keep, size_t keep_count,
                     const struct scheme *scheme)
{
    const char *const *patterns = keep ? keep : usual;
    size_t count = keep ? keep_count : COUNT(usual);
    if (name.len == 0 || !matches(name, patterns, count)) /* first: most headers end here */
        return false;
    if (matches(name, never, COUNT(never)) || (scheme && scheme_owns_header(scheme, name)))
        return false;
    if (!matches(name, between, COUNT(between)))
        return true;
    for (size_t i = 0; i < count; i++)
        if (names_between(slice_str(patterns[i])) && text_glob_nocase(slice_str(patterns[i]), name))
            return true;
    return false;
}
