#include "common/webhook/special_headers.h"

#include "common/base/text.h"

/* A name may match several rows: their flags are added. */
static const struct {
    const char *pattern;
    unsigned flags;
} rows[] = {
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
    {"x-forwarded-*", HEADER_PROXY},
    {"x-real-ip", HEADER_PROXY},
};

unsigned special_header(struct slice name)
{
    unsigned flags = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (text_glob_nocase(slice_str(rows[i].pattern), name))
            flags |= rows[i].flags;
    return flags;
}
