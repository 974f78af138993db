#include "common/webhook/companion.h"

#include "common/base/text.h"
#include "common/webhook/special_headers.h"

/* Headers that travel by default. */
static const char *const usual[] = {"x-*",       "ce-*",        "shopify-*",  "linear-*",
                                    "webflow-*", "traceparent", "tracestate", "baggage"};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static bool matches(struct slice name, const char *const *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_glob_nocase(slice_str(patterns[i]), name))
            return true;
    return false;
}

/* True if PATTERN names a header that only a pattern of its own keeps, rather than matching it among others. */
static bool names_it(struct slice pattern)
{
    bool has_star = pattern.len && memchr(pattern.ptr, '*', pattern.len);
    return !has_star || slice_starts_nocase(pattern, SLICE_LIT("x-forwarded"));
}

/* In NAME `_` counts as `-`, as in special_header. */
static bool is_owned(const struct scheme *scheme, struct slice name)
{
    char copy[128];
    if (name.len > sizeof copy)
        return false;
    for (size_t i = 0; i < name.len; i++)
        copy[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    return scheme_owns_header(scheme, name) ||
           scheme_owns_header(scheme, slice_make(copy, name.len));
}

bool companion_keeps(struct slice name, const struct companion_rules *rules)
{
    const char *const *patterns = rules->keep ? rules->keep : usual;
    size_t count = rules->keep ? rules->keep_count : COUNT(usual);
    bool is_signature = rules->keep_signature && scheme_owns_header(rules->scheme, name);
    if (name.len == 0 || (!is_signature && !matches(name, patterns, count)))
        return false; /* most headers end here */
    unsigned special = special_header(name);
    if (special & HEADERS_THAT_STAY)
        return false;
    if (is_signature)
        return true;
    if (rules->scheme && is_owned(rules->scheme, name))
        return false;
    if (!(special & HEADER_PROXY))
        return true;
    for (size_t i = 0; i < count; i++)
        if (names_it(slice_str(patterns[i])) && text_glob_nocase(slice_str(patterns[i]), name))
            return true;
    return false;
}

const char *companion_pattern_fault(struct slice pattern, const struct companion_rules *rules)
{
    unsigned special = special_header(pattern);
    if (special & HEADER_CREDENTIAL)
        return "carries a credential, which is never kept";
    if (special & HEADERS_THAT_STAY)
        return "belongs to the sender's request and is never kept";
    if (rules->scheme && !rules->keep_signature && is_owned(rules->scheme, pattern))
        return "is the scheme's signature, which is kept only with keep_signature: true";
    return NULL;
}
