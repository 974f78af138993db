#include "common/net/http_chunks.h"

#include "common/base/text.h"

enum chunk_state { /* 0 is where a body starts */
                   AT_SIZE,
                   IN_EXTENSION,
                   AT_SIZE_LF,
                   IN_DATA,
                   AT_DATA_CR,
                   AT_DATA_LF,
                   AT_TRAILER,
                   IN_TRAILER_NAME,
                   IN_TRAILER,
                   AT_TRAILER_LF,
                   AT_END_LF,
};

enum { DIGITS_MAX = 15, IGNORED_MAX = 4096 };

static bool is_text(char c)
{
    unsigned char u = (unsigned char)c;
    return u == '\t' || (u >= ' ' && u != 0x7f);
}

static enum http_fault size_byte(struct http_chunks *c, char b, uint64_t max)
{
    int v = text_hex_value(b);
    if (v >= 0) {
        c->left = c->left * 16 + (uint64_t)v;
        return ++c->digits > DIGITS_MAX ? FAULT_CHUNK : FAULT_NONE;
    }
    if (c->digits == 0 || (b != '\r' && b != ';'))
        return FAULT_CHUNK;
    c->total += c->left;
    c->state = b == ';' ? IN_EXTENSION : AT_SIZE_LF;
    return c->total > max ? FAULT_BODY_TOO_LARGE : FAULT_NONE;
}

static enum http_fault ignored_byte(struct http_chunks *c, char b, enum chunk_state at_cr)
{
    if (b == '\r') {
        c->state = (uint8_t)at_cr;
        return FAULT_NONE;
    }
    return is_text(b) && ++c->ignored <= IGNORED_MAX ? FAULT_NONE : FAULT_CHUNK;
}

static enum http_fault expect_byte(struct http_chunks *c, char b, char want, enum chunk_state next)
{
    c->state = (uint8_t)next;
    return b == want ? FAULT_NONE : FAULT_CHUNK;
}

static enum http_fault trailer_byte(struct http_chunks *c, char b)
{
    if (b == '\r') {
        c->state = AT_END_LF;
        return FAULT_NONE;
    }
    c->state = IN_TRAILER_NAME;
    return b == ' ' || b == '\t' || b == ':' ? FAULT_CHUNK : ignored_byte(c, b, AT_END_LF);
}

/* One byte of framing (never of data). */
static enum http_fault framing_byte(struct http_chunks *c, char b, uint64_t max)
{
    switch ((enum chunk_state)c->state) {
    case AT_SIZE:
        return size_byte(c, b, max);
    case IN_EXTENSION:
        return ignored_byte(c, b, AT_SIZE_LF);
    case AT_SIZE_LF:
        c->digits = 0;
        return expect_byte(c, b, '\n', c->left ? IN_DATA : AT_TRAILER);
    case AT_DATA_CR:
        return expect_byte(c, b, '\r', AT_DATA_LF);
    case AT_DATA_LF:
        return expect_byte(c, b, '\n', AT_SIZE);
    case AT_TRAILER:
        return trailer_byte(c, b);
    case IN_TRAILER_NAME:
        if (b == ':')
            c->state = IN_TRAILER;
        return b == '\r' || b == ' ' || b == '\t' ? FAULT_CHUNK : ignored_byte(c, b, AT_END_LF);
    case IN_TRAILER:
        return ignored_byte(c, b, AT_TRAILER_LF);
    case AT_TRAILER_LF:
        return expect_byte(c, b, '\n', AT_TRAILER);
    case AT_END_LF:
        c->done = b == '\n';
        return c->done ? FAULT_NONE : FAULT_CHUNK;
    case IN_DATA:
        break;
    }
    return FAULT_CHUNK;
}

enum http_fault http_chunks_judge(struct http_chunks *c, struct slice piece, uint64_t max,
                                  size_t *used)
{
    enum http_fault f = FAULT_NONE;
    size_t at = 0;
    while (at < piece.len && !c->done && f == FAULT_NONE) {
        if (c->state != IN_DATA) {
            f = framing_byte(c, piece.ptr[at++], max);
            continue;
        }
        size_t n = piece.len - at < c->left ? piece.len - at : (size_t)c->left;
        at += n;
        c->left -= n;
        if (c->left == 0)
            c->state = AT_DATA_CR;
    }
    *used = at;
    return f;
}
