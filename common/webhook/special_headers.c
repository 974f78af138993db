#include "common/webhook/special_headers.h"

#include "common/base/text.h"

#define NAME_MAX_CHECKED 256

/* A name may match several rows: their flags are added. */
static const struct {
    const char *pattern;
    unsigned flags;
} rows[] = {
    {"*-password", HEADER_CREDENTIAL},
    {"*-secret", HEADER_CREDENTIAL},
    {"*-token", HEADER_CREDENTIAL},
    {"accept-encoding", HEADER_SENDER},
    {"authorization", HEADER_CREDENTIAL},
    {"connection", HEADER_FRAMING | HEADER_HOP},
    {"content-*", HEADER_SENDER},
    {"content-encoding", HEADER_FRAMING},
    {"content-length", HEADER_FRAMING},
    {"content-type", HEADER_FRAMING},
    {"cookie", HEADER_CREDENTIAL},
    {"date", HEADER_SENDER},
    {"expect", HEADER_FRAMING},
    {"hookpace-*", HEADER_OURS},
    {"host", HEADER_FRAMING},
    {"http2-settings", HEADER_SENDER},
    {"if-*", HEADER_SENDER},
    {"keep-alive", HEADER_HOP},
    {"proxy-*", HEADER_CREDENTIAL},
    {"proxy-connection", HEADER_HOP},
    {"range", HEADER_SENDER},
    {"set-cookie", HEADER_CREDENTIAL},
    {"te", HEADER_FRAMING | HEADER_HOP},
    {"trailer", HEADER_HOP},
    {"transfer-encoding", HEADER_FRAMING},
    {"upgrade", HEADER_FRAMING | HEADER_HOP},
    {"user-agent", HEADER_OURS},
    {"x-api-key", HEADER_CREDENTIAL},
    {"x-auth-token", HEADER_CREDENTIAL},
    {"x-client-ip", HEADER_PROXY},
    {"x-cluster-client-ip", HEADER_PROXY},
    {"x-forwarded", HEADER_PROXY},
    {"x-forwarded-*", HEADER_PROXY},
    {"x-hook-secret", HEADER_CREDENTIAL},
    {"x-http-method", HEADER_PROXY},
    {"x-http-method-override", HEADER_PROXY},
    {"x-method-override", HEADER_PROXY},
    {"x-original-*", HEADER_PROXY},
    {"x-real-ip", HEADER_PROXY},
    {"x-remote-*", HEADER_PROXY},
    {"x-rewrite-url", HEADER_PROXY},
};

static bool matches(const char *pattern, struct slice name)
{
    if (!name.len || !text_glob_begins(pattern, name.ptr[0]))
        return false;
    if (pattern[0] != '*')
        return text_glob_nocase(pattern, name);
    struct slice end = slice_str(pattern + 1);
    return name.len >= end.len && slice_eq_nocase(slice_skip(name, name.len - end.len), end);
}

/* CGI and WSGI read "x_real_ip" as the same variable as "x-real-ip". */
static struct slice with_hyphens(struct slice name, char out[NAME_MAX_CHECKED])
{
    for (size_t i = 0; i < name.len; i++)
        out[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    return slice_make(out, name.len);
}

unsigned special_header(struct slice name)
{
    char copy[NAME_MAX_CHECKED];
    unsigned flags = 0;
    if (name.len && memchr(name.ptr, '_', name.len)) {
        if (name.len > sizeof copy)
            return HEADER_SENDER; /* no provider has such names */
        name = with_hyphens(name, copy);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (matches(rows[i].pattern, name))
            flags |= rows[i].flags;
    return flags;
}
