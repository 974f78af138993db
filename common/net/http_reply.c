#include "common/net/http_reply.h"

#include <time.h>

#include "common/base/json_write.h"

#define ADD(b, literal) buf_add((b), (literal), sizeof(literal) - 1)

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Unknown";
    }
}

/* Not strftime: its names follow the locale. */
void http_reply_date(wall_ms second, char out[HTTP_DATE_LEN + 1])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[HTTP_DATE_LEN + 1];
    struct buf b = buf_over(text);
    time_t t = (time_t)second;
    struct tm tm;
    gmtime_r(&t, &tm);
    buf_addf(&b, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday,
             months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(out, text, sizeof text);
}

static void add_status_line(struct buf *out, int status)
{
    if (status == 200) {
        ADD(out, "HTTP/1.1 200 OK\r\nDate: ");
        return;
    }
    ADD(out, "HTTP/1.1 ");
    buf_add_u64(out, (uint64_t)status);
    buf_add_char(out, ' ');
    buf_add_str(out, reason(status));
    ADD(out, "\r\nDate: ");
}

void http_reply_head(struct buf *out, const struct http_reply *r, const char *date)
{
    add_status_line(out, r->status);
    buf_add_str(out, date);
    if (r->content_type.len) {
        ADD(out, "\r\nContent-Type: ");
        buf_add_slice(out, r->content_type);
    }
    if (r->status != 204 && r->status != 304 && !r->is_stream) {
        ADD(out, "\r\nContent-Length: ");
        buf_add_u64(out, r->body.len);
    }
    if (r->close)
        ADD(out, "\r\nConnection: close");
    else if (r->http_1_0)
        ADD(out, "\r\nConnection: keep-alive");
    ADD(out, "\r\n");
    buf_add_slice(out, r->headers);
    ADD(out, "\r\n");
}

static bool is_below(struct slice target, const char *path)
{
    size_t len = path ? strlen(path) : 0;
    return path && slice_starts(target, slice_make(path, len)) &&
           (target.len == len || target.ptr[len] == '/' || target.ptr[len] == '?');
}

void http_reply_error(const struct http_error_form *form, struct slice target, struct buf *out,
                      const char *code, const char *message)
{
    if (is_below(target, form->path)) {
        form->write(code, message, out);
        return;
    }
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_str(&w, "status", "error");
    jw_str(&w, "code", code);
    jw_str(&w, "message", message);
    jw_close(&w, '}');
}
