#include "common/redis/wire/redis_out.h"

#include "common/base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define CHUNK_BYTES (64 * 1024 - 64)
#define WHOLE_BYTES (16 * 1024) /* a larger command is sent from where it lies */
#define HEAD_MAX 23             /* "*", 20 digits, CR, LF */

struct out_chunk {
    struct out_chunk *next;
    uint64_t at; /* position of data[0] */
    size_t len, cap;
    char *taken; /* memory that was given, or NULL: the bytes are in `room` */
    char *data;
    char room[];
};

void redis_out_init(struct out *o)
{
    *o = (struct out){.hold = UINT64_MAX};
}

static void chunk_free(struct out_chunk *c)
{
    free(c->taken);
    free(c);
}

void redis_out_clear(struct out *o)
{
    while (o->head) {
        struct out_chunk *c = o->head;
        o->head = c->next;
        chunk_free(c);
    }
    free(o->spare);
    redis_out_init(o);
}

static size_t digits(size_t v)
{
    size_t n = 1;
    while (v >= 10) {
        v /= 10;
        n++;
    }
    return n;
}

size_t redis_out_frame(struct slice arg)
{
    return 1 + digits(arg.len) + 2 + 2;
}

size_t redis_out_size(struct slice arg)
{
    return redis_out_frame(arg) + arg.len;
}

size_t redis_out_sizes(const struct slice *args, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += redis_out_size(args[i]);
    return size;
}

static struct out_chunk *chunk_new(struct out *o, size_t need)
{
    struct out_chunk *c = o->spare;
    if (need <= CHUNK_BYTES && c) {
        o->spare = NULL;
    } else {
        size_t cap = need > CHUNK_BYTES ? need : CHUNK_BYTES;
        c = xrealloc(NULL, 1, sizeof *c + cap); /* not zeroed: it is about to be filled */
        c->cap = cap;
        c->taken = NULL;
        c->data = c->room;
    }
    c->next = NULL;
    c->len = 0;
    c->at = o->end;
    return c;
}

static void append(struct out *o, struct out_chunk *c)
{
    if (o->tail)
        o->tail->next = c;
    else
        o->head = c;
    o->tail = c;
}

/* Makes the tail chunk one with room for NEED more bytes. */
static void make_room(struct out *o, size_t need)
{
    if (o->tail && need <= o->tail->cap - o->tail->len)
        return;
    append(o, chunk_new(o, need));
}

static void put(struct out *o, const void *ptr, size_t len)
{
    struct out_chunk *c = o->tail;
    assert(len <= c->cap - c->len);
    if (len)
        memcpy(c->data + c->len, ptr, len);
    c->len += len;
    o->end += len;
}

static void put_count(struct out *o, char kind, size_t v)
{
    char text[HEAD_MAX];
    size_t n = digits(v), at = n;
    text[0] = kind;
    for (; at; at--, v /= 10)
        text[at] = (char)('0' + v % 10);
    text[n + 1] = '\r';
    text[n + 2] = '\n';
    put(o, text, n + 3);
}

void redis_out_open(struct out *o, size_t argc, size_t size)
{
    make_room(o, 1 + digits(argc) + 2 + size);
    put_count(o, '*', argc);
    o->left = size;
}

void redis_out_arg(struct out *o, struct slice arg)
{
    put_count(o, '$', arg.len);
    put(o, arg.ptr, arg.len);
    put(o, "\r\n", 2);
    o->left -= redis_out_size(arg);
}

/* Appends LEN bytes as a chunk of their own, which frees them. */
static void append_taken(struct out *o, char *bytes, size_t len)
{
    struct out_chunk *c = NEW(struct out_chunk);
    c->taken = c->data = bytes;
    c->at = o->end;
    c->len = c->cap = len;
    append(o, c);
    o->end += len;
}

void redis_out_join(struct out *o, struct slice head, struct slice tail, bool is_taken)
{
    struct slice whole = slice_make(NULL, head.len + tail.len);
    put_count(o, '$', whole.len);
    put(o, head.ptr, head.len);
    o->left -= redis_out_frame(whole) + head.len;
    if (is_taken) {
        append_taken(o, (char *)(uintptr_t)tail.ptr, tail.len);
        make_room(o, 2 + o->left);
    } else {
        put(o, tail.ptr, tail.len);
        o->left -= tail.len;
    }
    put(o, "\r\n", 2);
}

int redis_out_pieces(struct out *o, struct iovec *iov, int max)
{
    if (!o->writing)
        o->writing = o->head;
    int n = 0;
    for (struct out_chunk *c = o->writing; c && n < max && c->at < o->hold; c = c->next) {
        size_t skip = o->written > c->at ? (size_t)(o->written - c->at) : 0;
        size_t len = o->hold - c->at < c->len ? (size_t)(o->hold - c->at) : c->len;
        if (skip < len)
            iov[n++] = (struct iovec){c->data + skip, len - skip};
    }
    return n;
}

void redis_out_wrote(struct out *o, size_t n)
{
    o->written += n;
    assert(o->written <= o->end);
    while (o->writing && o->writing->next && o->writing->at + o->writing->len <= o->written)
        o->writing = o->writing->next;
}

static void release(struct out *o, struct out_chunk *c)
{
    if (c->cap == CHUNK_BYTES && !c->taken && !o->spare)
        o->spare = c;
    else
        chunk_free(c);
}

void redis_out_answered(struct out *o, uint64_t upto)
{
    assert(upto >= o->answered && upto <= o->written);
    o->answered = upto;
    while (o->head && o->head->at + o->head->len <= upto) {
        struct out_chunk *c = o->head;
        o->head = c->next;
        if (o->tail == c)
            o->tail = NULL;
        if (o->writing == c)
            o->writing = NULL;
        release(o, c);
    }
}

/* The chunk that has position AT, which is not answered yet. */
static const struct out_chunk *chunk_at(const struct out *o, uint64_t at)
{
    const struct out_chunk *c = o->head;
    while (at >= c->at + c->len)
        c = c->next;
    return c;
}

/* The bytes from START to END, as far as they are in C. A command is in several chunks only where memory was taken. */
static struct slice piece_of(const struct out_chunk *c, uint64_t start, uint64_t end)
{
    size_t skip = (size_t)(start - c->at), len = c->len - skip;
    return slice_make(c->data + skip, len < end - start ? len : (size_t)(end - start));
}

void redis_out_repeat(struct out *o, uint64_t start, uint64_t end)
{
    assert(start >= o->answered && end <= o->end && start < end);
    const struct out_chunk *c = chunk_at(o, start);
    make_room(o, (size_t)(end - start));
    while (start < end) {
        struct slice piece = piece_of(c, start, end);
        put(o, piece.ptr, piece.len);
        start += piece.len;
        c = c->next;
    }
}

char *redis_out_copy(const struct out *o, uint64_t start, uint64_t end)
{
    assert(start >= o->answered && end <= o->end && start < end);
    char *copy = xrealloc(NULL, 1, (size_t)(end - start)), *at = copy;
    for (const struct out_chunk *c = chunk_at(o, start); start < end; c = c->next) {
        struct slice piece = piece_of(c, start, end);
        memcpy(at, piece.ptr, piece.len);
        at += piece.len;
        start += piece.len;
    }
    return copy;
}

void redis_out_whole(struct out *o, char *bytes, size_t len)
{
    if (len > WHOLE_BYTES) {
        append_taken(o, bytes, len);
        return;
    }
    make_room(o, len);
    put(o, bytes, len);
    free(bytes);
}
