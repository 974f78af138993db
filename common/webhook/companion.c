#include "common/webhook/companion.h"

#include "common/base/text.h"
#include "common/webhook/special_headers.h"

/* Headers that travel by default. */
static const char *const usual[] = {"x-*",       "ce-*",        "shopify-*",  "linear-*",
                                    "webflow-*", "traceparent", "tracestate", "baggage"};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* NAME is not empty. */
static bool matches(struct slice name, const char *const *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_glob_begins(patterns[i], name.ptr[0]) && text_glob_nocase(patterns[i], name))
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

/* A credential is no signature: it stays here whatever keep_signature says. */
static bool keeps_signature(const struct companion_rules *rules)
{
    return rules->keep_signature && rules->scheme && scheme_covers_body(rules->scheme);
}

bool companion_keeps(struct slice name, const struct companion_rules *rules)
{
    const char *const *patterns = rules->keep ? rules->keep : usual;
    size_t count = rules->keep ? rules->keep_count : COUNT(usual);
    bool is_signature = keeps_signature(rules) && scheme_owns_header(rules->scheme, name);
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
        if (names_it(slice_str(patterns[i])) && text_glob_nocase(patterns[i], name))
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
    if (!rules->scheme || keeps_signature(rules) || !is_owned(rules->scheme, pattern))
        return NULL;
    if (!scheme_covers_body(rules->scheme))
        return "carries the source's token, which is never kept";
    return "is the scheme's signature, which is kept only with keep_signature: true";
}

/* --- trace ids --- */

bool companion_is_trace(struct slice name)
{
    return slice_eq_nocase(name, slice_str("traceparent")) ||
           slice_eq_nocase(name, slice_str("tracestate"));
}

/* version "-" trace id "-" parent id "-" flags; later versions may go on behind a further "-" */
enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, WHOLE = 55 };

static bool is_hex(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

static bool is_zero(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '0')
            return false;
    return true;
}

struct slice trace_id_of(struct slice traceparent)
{
    const struct slice none = {"", 0};
    const char *p = traceparent.ptr;
    if (traceparent.len < WHOLE || p[TRACE_AT - 1] != '-' || p[PARENT_AT - 1] != '-' ||
        p[FLAGS_AT - 1] != '-')
        return none;
    struct slice version = slice_head(traceparent, 2), id = slice_make(p + TRACE_AT, TRACE_ID_LEN);
    struct slice parent = slice_make(p + PARENT_AT, 16), flags = slice_make(p + FLAGS_AT, 2);
    if (!is_hex(version) || !is_hex(id) || !is_hex(parent) || !is_hex(flags) || is_zero(id) ||
        is_zero(parent) || slice_eq(version, slice_make("ff", 2)))
        return none;
    if (traceparent.len > WHOLE && (is_zero(version) || p[WHOLE] != '-'))
        return none;
    return id;
}

struct slice trace_id_in(struct slice lines)
{
    static const struct slice name = {"traceparent:", 12};
    while (lines.len) {
        struct slice line = slice_cut(&lines, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (slice_starts_nocase(line, name))
            return trace_id_of(slice_trim(slice_skip(line, name.len)));
    }
    return slice_make("", 0);
}
