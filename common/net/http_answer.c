/* Writing answers. The head is made in a buffer of the server's and goes out with the body in one
 * system call; only what the socket does not take is copied into the bufferevent, which would
 * otherwise cost a turn of the loop and two epoll_ctl calls an answer. */
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "common/base/json_write.h"
#include "common/net/http_conn.h"

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

/* RFC 9110 5.6.7, made once a second. Not strftime: its names follow the locale. */
static void refresh_date(struct http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    wall_ms second = clock_wall_ms() / 1000;
    if (second == s->date_second)
        return;
    s->date_second = second;
    time_t t = (time_t)second;
    struct tm tm;
    gmtime_r(&t, &tm);
    struct buf b;
    buf_init(&b, sizeof s->date - 1);
    buf_addf(&b, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday,
             months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(s->date, b.ptr, b.len + 1);
    buf_clear(&b);
}

#define ADD(b, literal) buf_add((b), (literal), sizeof(literal) - 1)

static void write_head(struct http_server *s, const struct answer *a)
{
    struct buf *b = &s->out;
    refresh_date(s);
    buf_reset(b);
    if (a->status == 200) {
        ADD(b, "HTTP/1.1 200 OK\r\nDate: ");
    } else {
        ADD(b, "HTTP/1.1 ");
        buf_add_u64(b, (uint64_t)a->status);
        buf_add_char(b, ' ');
        buf_add_str(b, reason(a->status));
        ADD(b, "\r\nDate: ");
    }
    buf_add_str(b, s->date);
    if (a->content_type.len) {
        ADD(b, "\r\nContent-Type: ");
        buf_add_slice(b, a->content_type);
    }
    if (a->status != 204 && a->status != 304) {
        ADD(b, "\r\nContent-Length: ");
        buf_add_u64(b, a->body.len);
    }
    if (a->close)
        ADD(b, "\r\nConnection: close");
    else if (a->http_1_0)
        ADD(b, "\r\nConnection: keep-alive");
    ADD(b, "\r\n");
    buf_add_slice(b, a->headers);
    ADD(b, "\r\n");
    assert(!b->failed); /* a handler's headers are its own few lines */
}

/* Writes V now if nothing waits before it. The bytes that went out, or -1 on a broken connection.
 */
static ssize_t write_now(struct conn *c, struct iovec v[2])
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    if (c->secure || evbuffer_get_length(out))
        return 0;
    struct msghdr m = {.msg_iov = v, .msg_iovlen = v[1].iov_len ? 2 : 1};
    ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

static bool write_pieces(struct conn *c, struct slice head, struct slice body)
{
    struct iovec v[2] = {{(void *)(uintptr_t)head.ptr, head.len},
                         {(void *)(uintptr_t)body.ptr, body.len}};
    ssize_t sent = write_now(c, v);
    if (sent < 0)
        return false;
    size_t n = (size_t)sent;
    if (n < head.len && bufferevent_write(c->bev, head.ptr + n, head.len - n) != 0)
        return false;
    n = n > head.len ? n - head.len : 0;
    return n == body.len || bufferevent_write(c->bev, body.ptr + n, body.len - n) == 0;
}

bool answer_write(struct conn *c, const struct answer *a)
{
    write_head(c->server, a);
    struct slice none = {NULL, 0};
    return write_pieces(c, buf_slice(&c->server->out), a->head_only ? none : a->body);
}

bool answer_write_continue(struct conn *c)
{
    return write_pieces(c, SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n"), (struct slice){NULL, 0});
}

static void add_error(struct buf *b, const char *code, const char *message)
{
    struct json_write w = json_write_to(b);
    jw_open(&w, NULL, '{');
    jw_str(&w, "status", "error");
    jw_str(&w, "code", code);
    jw_str(&w, "message", message);
    jw_close(&w, '}');
}

bool answer_write_fault(struct conn *c, enum http_fault f, bool head_only)
{
    const struct http_fault_answer *fa = http_fault_answer(f);
    struct buf b;
    buf_init(&b, 1024);
    add_error(&b, fa->code, fa->message);
    struct answer a = {.status = fa->status,
                       .content_type = SLICE_LIT("application/json"),
                       .body = buf_slice(&b),
                       .head_only = head_only,
                       .close = true};
    if (fa->status == 405)
        a.headers = SLICE_LIT("Allow: GET, POST\r\n");
    if (fa->status == 503)
        a.headers = SLICE_LIT("Retry-After: 1\r\n");
    bool ok = answer_write(c, &a);
    buf_clear(&b);
    return ok;
}

void http_answer(struct http_request *r, int status, struct slice content_type,
                 struct slice headers, struct slice body, bool close)
{
    struct conn *c = r->conn;
    struct answer a = {.status = status,
                       .content_type = content_type,
                       .headers = headers,
                       .body = body,
                       .http_1_0 = r->head.minor == 0,
                       .head_only = slice_eq(r->head.method, SLICE_LIT("HEAD"))};
    a.close = close || !r->complete || !r->head.keep_alive || c->server->draining;
    c->cut_off = !r->complete;
    if (!answer_write(c, &a))
        c->dead = true;
    conn_answered(c, !a.close);
}

static bool closes(int status)
{
    return status == 400 || status == 408 || status == 413 || status == 414 || status == 431;
}

void http_answer_error(struct http_request *r, int status, struct slice headers, const char *code,
                       const char *message)
{
    struct buf b;
    buf_init(&b, 4096);
    add_error(&b, code, message);
    http_answer(r, status, SLICE_LIT("application/json"), headers, buf_slice(&b), closes(status));
    buf_clear(&b);
}
