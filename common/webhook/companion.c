#include "common/webhook/companion.h"

#include "common/base/text.h"
#include "common/webhook/special_headers.h"

/* Headers that travel by default. */
static const char *const usual[] = {"x-*", "ce-*"};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static bool matches(struct slice name, const char *const *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_glob_nocase(slice_str(patterns[i]), name))
            return true;
    return false;
}

/* True if PATTERN names the headers of proxies, rather than matching them among others. */
static bool names_proxies(struct slice pattern)
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
    unsigned special = special_header(name);
    if (special & HEADERS_THAT_STAY || (scheme && scheme_owns_header(scheme, name)))
        return false;
    if (!(special & HEADER_PROXY))
        return true;
    for (size_t i = 0; i < count; i++)
        if (names_proxies(slice_str(patterns[i])) && text_glob_nocase(slice_str(patterns[i]), name))
            return true;
    return false;
}
