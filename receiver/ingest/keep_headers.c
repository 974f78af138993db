#include "receiver/ingest/keep_headers.h"

#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/http_line.h"
#include "common/net/http_server.h"

struct slice keep_headers(const struct http_request *r, const struct source *s, struct buf *out)
{
    const struct companion_rules rules = {.keep = (const char *const *)s->keep_headers,
                                          .keep_count = s->keep_count,
                                          .scheme = s->verify,
                                          .keep_signature = s->keep_signature};
    buf_reset(out);
    for (size_t i = 0; i < http_header_count(r); i++) {
        struct slice name, value;
        http_header_at(r, i, &name, &value);
        if (!companion_keeps(name, &rules))
            continue;
        if (out->len + name.len + value.len + 4 > KEEP_HEADERS_BYTES) {
            LOG_RARELY(LL_WARN, "header.dropped", LS("source", s->name), LSL("header", name),
                       LI("limit", KEEP_HEADERS_BYTES));
            continue;
        }
        http_line_add(out, name, value);
    }
    return buf_slice(out);
}
