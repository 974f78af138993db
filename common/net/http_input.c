/* The bytes of a connection that were read and not taken.
 *
 * With TLS they are in the bufferevent, which reads. In the clear the connection reads by itself, into a block that all
 * connections of the server share. A bufferevent would ask the kernel before each read how many bytes there are, and allocate
 * memory for them. Mostly the connection takes all bytes in the same turn. It keeps the rest in memory of its own. */
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "common/net/http_private.h"

#define KEPT_MAX ((size_t)16 << 20) /* adjust_reading stops far below */

static struct evbuffer *secure_input(const struct conn *c)
{
    return bufferevent_get_input(c->bev);
}

bool input_open(struct conn *c)
{
    buf_init(&c->input.kept, KEPT_MAX);
    if (!c->is_secure)
        c->input.readable =
            event_new(c->server->base, c->fd, EV_READ | EV_PERSIST, conn_on_readable, c);
    return c->is_secure || c->input.readable;
}

void input_close(struct conn *c)
{
    if (c->input.readable)
        event_free(c->input.readable);
    buf_clear(&c->input.kept);
}

size_t input_len(const struct conn *c)
{
    return c->is_secure ? evbuffer_get_length(secure_input(c)) : c->input.unread.len;
}

void input_drop(struct conn *c, size_t n)
{
    if (c->is_secure)
        evbuffer_drain(secure_input(c), n);
    else
        c->input.unread = slice_skip(c->input.unread, n);
}

struct slice input_piece(struct conn *c, bool all)
{
    struct evbuffer_iovec v = {NULL, 0};
    if (!c->is_secure)
        return c->input.unread;
    if (all)
        return slice_make(evbuffer_pullup(secure_input(c), -1), input_len(c));
    if (evbuffer_peek(secure_input(c), -1, NULL, &v, 1) < 1)
        return slice_make(NULL, 0);
    return slice_make(v.iov_base, v.iov_len);
}

/* Appends the first N bytes of BLOCK, the server's, to the bytes that are kept already. */
static void keep_more(struct input *in, const char *block, size_t n)
{
    size_t len = in->unread.len;
    if (in->unread.ptr != in->kept.ptr)
        memmove(in->kept.ptr, in->unread.ptr, len);
    in->kept.len = len;
    buf_add(&in->kept, block, n);
    assert(!in->kept.failed);
    in->unread = buf_slice(&in->kept);
}

ssize_t input_read(struct conn *c)
{
    char *block = c->server->block;
    struct input *in = &c->input;
    assert(!in->unread.len || in->is_kept);
    ssize_t n = recv(c->fd, block, READ_BYTES, MSG_DONTWAIT);
    if (n <= 0)
        return n;
    if (in->unread.len) {
        keep_more(in, block, (size_t)n);
        return n;
    }
    in->unread = slice_make(block, (size_t)n);
    in->is_kept = false;
    return n;
}

void input_keep(struct conn *c)
{
    struct input *in = &c->input;
    if (!in->unread.len) {
        buf_clear(&in->kept);
        in->unread = slice_make(NULL, 0);
        return;
    }
    if (in->is_kept)
        return;
    buf_reset(&in->kept);
    buf_add_slice(&in->kept, in->unread);
    in->unread = buf_slice(&in->kept);
    in->is_kept = true;
}

/* Without TLS the event stays when reading is over: most clients send nothing more before they are answered, and two calls of
 * the kernel for each request are saved. */
bool input_may_read(struct conn *c)
{
    if (!c->input.is_on)
        event_del(c->input.readable);
    return c->input.is_on;
}

void input_set_reading(struct conn *c, bool on)
{
    bool was_on = c->is_secure ? bufferevent_get_enabled(c->bev) & EV_READ : c->input.is_on;
    if (on == was_on)
        return;
    c->input.is_on = on;
    if (c->is_secure)
        (on ? bufferevent_enable : bufferevent_disable)(c->bev, EV_READ);
    else if (on && !event_pending(c->input.readable, EV_READ, NULL))
        event_add(c->input.readable, NULL);
}
