/* http_line - writes a header line.   [pure] */
#ifndef COMMON_NET_HTTP_LINE_H
#define COMMON_NET_HTTP_LINE_H

#include "common/base/buf.h"

/* Appends "NAME: VALUE\r\n". */
static inline void http_line_add(struct buf *out, struct slice name, struct slice value)
{
    buf_add_slice(out, name);
    buf_add(out, ": ", 2);
    buf_add_slice(out, value);
    buf_add(out, "\r\n", 2);
}

#endif
