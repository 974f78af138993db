#include "common/net/http_probe.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/net/loop.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_MAX 65536

struct probe {
    struct bufferevent *bev;
    struct loop_timer *timer;
    struct buf answer;
    probe_fn fn;
    void *ctx;
};

/* Takes "HTTP/1.1 200 OK ... \r\n\r\n<body>" apart. */
MUST_CHECK static enum err read_answer(struct slice answer, int *status, struct slice *body)
{
    uint64_t code;
    const char *end = answer.len ? memmem(answer.ptr, answer.len, "\r\n\r\n", 4) : NULL;
    if (!end || !slice_starts(answer, SLICE_LIT("HTTP/1.1 ")) ||
        text_u64(slice_head(slice_skip(answer, 9), 3), 999, &code) != OK)
        return ERR_UNAVAIL;
    *status = (int)code;
    *body = slice_skip(answer, (size_t)(end - answer.ptr) + 4);
    return OK;
}

static void probe_end(struct probe *p, enum err rc)
{
    int status = 0;
    struct slice body = SLICE_LIT("");
    if (rc == OK)
        rc = p->answer.failed ? ERR_UNAVAIL : read_answer(buf_slice(&p->answer), &status, &body);
    p->fn(p->ctx, rc, status, body);
    bufferevent_free(p->bev);
    loop_timer_free(p->timer);
    buf_clear(&p->answer);
    free(p);
}

static void probe_on_read(struct bufferevent *bev, void *ctx)
{
    struct probe *p = ctx;
    char piece[4096];
    size_t n;
    while ((n = bufferevent_read(bev, piece, sizeof piece)) > 0)
        buf_add(&p->answer, piece, n);
}

static void probe_on_event(struct bufferevent *bev, short what, void *ctx)
{
    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    probe_on_read(bev, ctx);
    probe_end(ctx, OK);
}

static void probe_on_timeout(void *ctx)
{
    probe_end(ctx, ERR_TIMEOUT);
}

void http_probe(struct loop *l, int fd, struct slice request, int64_t timeout_us, probe_fn fn,
                void *ctx)
{
    struct probe *p = NEW(struct probe);
    p->bev = bufferevent_socket_new(loop_base(l), fd, BEV_OPT_CLOSE_ON_FREE);
    p->timer = loop_timer_new(l, probe_on_timeout, p);
    p->fn = fn;
    p->ctx = ctx;
    buf_init(&p->answer, ANSWER_MAX);
    loop_timer_arm(p->timer, timeout_us);
    if (!p->bev) {
        close(fd);
        p->bev = bufferevent_socket_new(loop_base(l), -1, 0); /* the timer ends it */
        return;
    }
    bufferevent_setcb(p->bev, probe_on_read, NULL, probe_on_event, p);
    bufferevent_enable(p->bev, EV_READ | EV_WRITE);
    evbuffer_add(bufferevent_get_output(p->bev), request.ptr, request.len);
}
