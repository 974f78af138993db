#include "common/queue/record.h"

#include "common/base/text.h"
#include "common/queue/keys.h"

#include <stdio.h>

#define VERSION "hp1"

struct slice event_owner(const struct event *e)
{
    return e->kind == EVENT_TASK ? e->account : e->source;
}

bool event_error(const struct event *e, int *code, char message[EVENT_ERROR_MAX + 1])
{
    uint64_t number;
    struct slice text = e->error;
    if (text_u64(slice_cut(&text, ' '), INT32_MAX, &number) != OK)
        return false;
    *code = (int)number;
    snprintf(message, EVENT_ERROR_MAX + 1, "%.*s", SLICE_FMT(text));
    return true;
}

struct slice event_secret(const struct event *e, struct slice destination)
{
    struct slice names = e->destinations, secrets = e->secrets;
    while (names.len) {
        struct slice name = slice_cut(&names, ' '), secret = slice_cut(&secrets, ' ');
        if (slice_eq(name, destination))
            return slice_eq(secret, SLICE_LIT("-")) ? slice_make("", 0) : secret;
    }
    return slice_make("", 0);
}

static void add_line(struct buf *out, char letter, struct slice value)
{
    if (value.len == 0)
        return;
    buf_add_char(out, letter);
    buf_add_char(out, ' ');
    buf_add_slice(out, value);
    buf_add_char(out, '\n');
}

/* One `h` line for each of the CRLF-ended lines of HEADERS. */
static void add_headers(struct buf *out, struct slice headers)
{
    while (headers.len) {
        struct slice line = slice_cut(&headers, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        add_line(out, 'h', line);
    }
}

static void add_completion(const struct event *e, struct buf *out)
{
    if (e->completed_at) {
        buf_add_str(out, "f ");
        buf_add_i64(out, e->completed_at);
        buf_add_char(out, '\n');
    }
    add_line(out, 'x', e->error);
}

/* Returns where in OUT the flag stands. */
static size_t add_head(const struct event *e, struct buf *out)
{
    buf_add_str(out, VERSION " ");
    buf_add_i64(out, e->received_at);
    buf_add_char(out, ' ');
    buf_add_slice(out, e->digest);
    buf_add_char(out, ' ');
    buf_add_str(out, event_kind_word(e->kind));
    buf_add_char(out, ' ');
    buf_add_slice(out, event_owner(e));
    buf_add_char(out, ' ');
    buf_add_u64(out, e->body.len);
    buf_add_char(out, ' ');
    size_t flag = out->len;
    buf_add_str(out, e->has_body ? "-\n" : e->is_open ? "w\n" : "n\n");
    if (e->is_renamed)
        add_line(out, 'i', e->id);
    add_line(out, 'p', e->path); /* first: scripts look for it near the beginning */
    add_line(out, 'n', e->engine);
    add_line(out, 'o', e->destinations);
    add_line(out, 's', e->secrets);
    add_line(out, 'a', e->stamp);
    add_line(out, 't', e->tag);
    add_line(out, 'c', e->content_type);
    add_line(out, 'e', e->content_encoding);
    add_headers(out, e->headers);
    add_line(out, 'b', e->postback_url);
    add_line(out, 'g', e->pingback_url);
    add_line(out, 'k', e->postback_data);
    add_line(out, 'd', e->data);
    add_completion(e, out);
    buf_add_char(out, '\n');
    return flag;
}

static enum err check_head(const struct buf *out, size_t start)
{
    return out->failed || out->len - start > RECORD_HEAD_MAX ? ERR_TOO_BIG : OK;
}

enum err record_write_head(const struct event *e, struct buf *out)
{
    size_t start = out->len;
    (void)add_head(e, out);
    return check_head(out, start);
}

enum err record_write_packed(const struct event *e, struct packer *packer, struct buf *out,
                             size_t *head_len, bool *is_whole)
{
    size_t start = out->len;
    size_t flag = add_head(e, out);
    enum err rc = check_head(out, start);
    *head_len = out->len - start;
    *is_whole = rc == OK && packer_pack(packer, e->body, out);
    if (*is_whole)
        out->ptr[flag] = 'p';
    return rc;
}

enum err record_write(const struct event *e, struct packer *packer, struct buf *out)
{
    size_t start = out->len;
    size_t flag = add_head(e, out);
    if (check_head(out, start) != OK)
        return ERR_TOO_BIG;
    if (e->has_body && packer && packer_pack(packer, e->body, out))
        out->ptr[flag] = 'p';
    else
        buf_add_slice(out, e->body);
    return out->failed ? ERR_TOO_BIG : OK;
}

static enum err read_first_line(struct slice line, struct event *e, uint64_t *plain_len, char *flag)
{
    uint64_t received = 0;
    struct slice version = slice_cut(&line, ' ');
    struct slice at = slice_cut(&line, ' ');
    e->digest = slice_cut(&line, ' ');
    struct slice kind = slice_cut(&line, ' ');
    struct slice owner = slice_cut(&line, ' ');
    struct slice len = slice_cut(&line, ' ');
    if (!slice_eq(version, SLICE_LIT(VERSION)) || text_u64(at, INT64_MAX, &received) != OK ||
        text_u64(len, SIZE_MAX / 2, plain_len) != OK || line.len != 1 ||
        !event_kind_read(kind, &e->kind))
        return ERR_INVALID;
    *(e->kind == EVENT_TASK ? &e->account : &e->source) = owner;
    e->received_at = (wall_ms)received;
    *flag = line.ptr[0];
    e->is_open = *flag == 'w';
    return *flag && strchr("-pnw", *flag) ? OK : ERR_INVALID;
}

/* Where a property's value goes; NULL for a letter that is none. */
static struct slice *property(char letter, struct event *e)
{
    switch (letter) {
    case 'i':
        return &e->id;
    case 'p':
        return &e->path;
    case 'n':
        return &e->engine;
    case 'o':
        return &e->destinations;
    case 's':
        return &e->secrets;
    case 'a':
        return &e->stamp;
    case 't':
        return &e->tag;
    case 'c':
        return &e->content_type;
    case 'e':
        return &e->content_encoding;
    case 'b':
        return &e->postback_url;
    case 'g':
        return &e->pingback_url;
    case 'k':
        return &e->postback_data;
    case 'd':
        return &e->data;
    case 'x':
        return &e->error;
    }
    return NULL;
}

static enum err read_property(struct slice line, struct buf *headers, struct event *e)
{
    if (line.len < 2 || line.ptr[1] != ' ')
        return ERR_INVALID;
    struct slice value = slice_skip(line, 2);
    if (line.ptr[0] == 'h') {
        buf_add_slice(headers, value);
        buf_add_str(headers, "\r\n");
        return OK;
    }
    if (line.ptr[0] == 'f') {
        uint64_t at_ms;
        if (text_u64(value, INT64_MAX, &at_ms) != OK)
            return ERR_INVALID;
        e->completed_at = (wall_ms)at_ms;
        return OK;
    }
    struct slice *at = property(line.ptr[0], e);
    if (!at)
        return ERR_INVALID;
    *at = value;
    return OK;
}

/* Reads up to the empty line; *REST is what follows it. */
static enum err read_head(struct slice key, struct slice *rest, struct buf *scratch,
                          struct event *e, uint64_t *plain_len, char *flag)
{
    *e = (struct event){.id = key};
    buf_reset(scratch);
    enum err rc = read_first_line(slice_cut(rest, '\n'), e, plain_len, flag);
    if (e->kind == EVENT_TASK)
        e->id = keys_task_id(key);
    while (rc == OK) {
        if (rest->len == 0)
            return ERR_INVALID; /* the empty line never came */
        struct slice line = slice_cut(rest, '\n');
        if (line.len == 0)
            break;
        rc = read_property(line, scratch, e);
    }
    e->has_body = *flag != 'n' && *flag != 'w';
    return rc;
}

enum err record_read_head(struct slice key, struct slice head, struct buf *scratch, struct event *e)
{
    uint64_t plain_len = 0;
    char flag = 0;
    enum err rc = read_head(key, &head, scratch, e, &plain_len, &flag);
    if (rc == OK && scratch->failed)
        rc = ERR_TOO_BIG;
    e->headers = buf_slice(scratch);
    return rc;
}

enum err record_read(struct slice key, struct slice record, struct buf *scratch, struct event *e)
{
    uint64_t plain_len = 0;
    char flag = 0;
    struct slice rest = record;
    enum err rc = read_head(key, &rest, scratch, e, &plain_len, &flag);
    if (rc != OK)
        return rc;
    size_t head = scratch->len;
    e->body = rest;
    if (flag == 'p')
        rc = packer_unpack(rest, plain_len, scratch);
    else if (rest.len != plain_len)
        rc = ERR_INVALID;
    if (rc != OK || scratch->failed)
        return rc != OK ? rc : ERR_TOO_BIG;
    e->headers = slice_make(scratch->ptr, head);
    if (flag == 'p')
        e->body = slice_make(scratch->ptr + head, scratch->len - head);
    return OK;
}
