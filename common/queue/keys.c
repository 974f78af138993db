#include "common/queue/keys.h"
#include "common/webhook/ids.h"

#include <string.h>

void keys_base(struct buf *out, const char *prefix, unsigned tag)
{
    buf_addf(out, "%s:{%u}:", prefix, tag);
}

static void add(struct buf *out, struct slice base, const char *kind, struct slice name)
{
    buf_add_slice(out, base);
    buf_add_str(out, kind);
    buf_add_slice(out, name);
}

void keys_lanes(struct buf *out, struct slice base)
{
    add(out, base, "lanes", slice_make("", 0));
}

void keys_confirm(struct buf *out, struct slice base)
{
    add(out, base, "confirm", slice_make("", 0));
}

void keys_held(struct buf *out, struct slice base)
{
    add(out, base, "held", slice_make("", 0));
}

void keys_never(struct buf *out, struct slice base)
{
    add(out, base, "never", slice_make("", 0));
}

void keys_wake(struct buf *out, struct slice base)
{
    add(out, base, "wake", slice_make("", 0));
}

void keys_present(struct buf *out, struct slice base, const char *instance)
{
    add(out, base, "present:", slice_str(instance));
}

void keys_settings(struct buf *out, struct slice base)
{
    add(out, base, "settings", slice_make("", 0));
}

void keys_account_settings(struct buf *out, struct slice base, struct slice account)
{
    add(out, base, "settings:", account);
}

void keys_staged(struct buf *out, struct slice base, struct slice name)
{
    add(out, base, "staged:", name);
}

void keys_event(struct buf *out, struct slice base, struct slice id)
{
    add(out, base, "event:", id);
}

void keys_delivery(struct buf *out, struct slice base, struct slice id)
{
    add(out, base, "delivery:", id);
}

void keys_reconcile(struct buf *out, struct slice base, struct slice source)
{
    add(out, base, "reconcile:", source);
}

void keys_errors(struct buf *out, struct slice base, struct slice account, const char *kind)
{
    add(out, base, account.len ? "errors@" : "errors", account);
    buf_add_char(out, ':');
    buf_add_str(out, kind);
}

bool keys_split_delivery(struct slice delivery, struct slice *event, struct slice *destination)
{
    const char *colon = delivery.len ? memrchr(delivery.ptr, ':', delivery.len) : NULL;
    if (!colon)
        return false;
    size_t at = (size_t)(colon - delivery.ptr);
    *event = slice_make(delivery.ptr, at);
    *destination = slice_skip(delivery, at + 1);
    return true;
}

void keys_task(struct buf *out, struct slice account, struct slice id)
{
    buf_add_char(out, '@');
    buf_add_slice(out, account);
    buf_add_char(out, '/');
    id_add_key(out, id);
}

void keys_named_event(struct buf *out, struct slice name)
{
    struct slice rest = name;
    if (name.len && name.ptr[0] == '@' && memchr(name.ptr, '/', name.len)) {
        struct slice account = slice_skip(slice_cut(&rest, '/'), 1);
        keys_task(out, account, rest);
    } else {
        id_add_named_key(out, name);
    }
}

/* The end of the account in an event id, or NULL. */
static const char *account_end(struct slice event)
{
    return event.len && event.ptr[0] == '@' ? memchr(event.ptr, '/', event.len) : NULL;
}

struct slice keys_task_id(struct slice event)
{
    const char *cut = account_end(event);
    return cut ? slice_skip(event, (size_t)(cut + 1 - event.ptr)) : event;
}

struct slice keys_task_account(struct slice event)
{
    const char *cut = account_end(event);
    return cut ? slice_make(event.ptr + 1, (size_t)(cut - event.ptr - 1)) : slice_make("", 0);
}

bool keys_is_task_of(struct slice event, struct slice account)
{
    if (!account.len || event.len < account.len + 2 || event.ptr[0] != '@' ||
        event.ptr[account.len + 1] != '/')
        return false;
    return memcmp(event.ptr + 1, account.ptr, account.len) == 0;
}

void keys_tail(struct buf *out, struct slice base)
{
    add(out, base, "tail", slice_make("", 0));
}

void keys_tailing(struct buf *out, struct slice base)
{
    add(out, base, "tailing", slice_make("", 0));
}
