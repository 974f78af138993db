#include "receiver/ingest/keep_headers.h"

#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/http_line.h"
#include "common/net/http_server.h"

#define TRACE_BYTES 1024 /* a longer trace context has no room of its own */

static size_t line_len(struct slice name, struct slice value)
{
    return name.len + value.len + 4;
}

/* The bytes of the trace context among the headers of R that are kept. Other headers leave room for them. */
static size_t trace_len(const struct http_request *r, const struct companion_rules *rules)
{
    size_t len = 0;
    for (size_t i = 0; i < http_header_count(r); i++) {
        struct slice name, value;
        http_header_at(r, i, &name, &value);
        if (companion_is_trace(name) && companion_keeps(name, rules))
            len += line_len(name, value);
    }
    return len <= TRACE_BYTES ? len : 0;
}

struct slice keep_headers(const struct http_request *r, const struct source *s, struct buf *out)
{
    const struct companion_rules rules = {.keep = (const char *const *)s->keep_headers,
                                          .keep_count = s->keep_count,
                                          .scheme = s->verify,
                                          .keep_signature = s->keep_signature};
    size_t reserved = trace_len(r, &rules);
    buf_reset(out);
    for (size_t i = 0; i < http_header_count(r); i++) {
        struct slice name, value;
        http_header_at(r, i, &name, &value);
        if (!companion_keeps(name, &rules))
            continue;
        size_t len = line_len(name, value);
        if (reserved && companion_is_trace(name))
            reserved -= len;
        if (out->len + len + reserved > KEEP_HEADERS_BYTES) {
            LOG_RARELY(LL_WARN, "header.dropped", LS("source", s->name), LSL("header", name),
                       LI("limit", KEEP_HEADERS_BYTES));
            continue;
        }
        http_line_add(out, name, value);
    }
    return buf_slice(out);
}
