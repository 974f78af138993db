#include "common/json/form_scan.h"

#include "common/base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define PIECE_BYTES 512 /* decoded at a time */

struct form_field { /* a name that picks ask for */
    char *name;
    size_t name_len;
    const char *pointers[JSON_PICKS_MAX]; /* borrowed while the picks are parsed */
    size_t pointer_count;
    struct json_picks *json; /* NULL: only the text is asked for */
};

struct form_pick {
    size_t field;
    bool is_text;  /* the whole value */
    size_t number; /* of the pointer in the field's json picks */
};

struct form_picks {
    struct form_field fields[JSON_PICKS_MAX];
    size_t field_count;
    struct form_pick picks[JSON_PICKS_MAX];
    size_t count;
};

struct found_field {
    enum json_pick_state state; /* of its text */
    size_t at, len;             /* of the text in values */
    struct json_scan *json;     /* made when first needed, kept */
    bool is_json;               /* so far */
};

struct form_scan {
    const struct form_picks *picks;
    struct found_field found[JSON_PICKS_MAX];
    struct buf name;   /* of the field at hand, while it is read */
    struct buf values; /* the texts of the fields that were found */
    size_t field;      /* whose value is read; field_count: nobody asked for it */
    bool in_value;
    bool is_broken;       /* the name or value at hand has a malformed escape */
    unsigned char escape; /* digits of %XX still to come */
    unsigned char high;   /* the first one */
    char piece[PIECE_BYTES];
    size_t piece_len;
};

/* --- picks --- */

static enum err unescape_name(struct slice raw, char **name, size_t *len)
{
    struct buf b;
    buf_init(&b, FORM_NAME_MAX);
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '~') {
            char next = i + 1 < raw.len ? raw.ptr[++i] : 0;
            if (next != '0' && next != '1')
                b.failed = true;
            c = next == '0' ? '~' : '/';
        }
        buf_add_char(&b, c);
    }
    if (b.failed || b.len == 0) {
        buf_clear(&b);
        return ERR_INVALID;
    }
    *name = buf_take(&b, len);
    return OK;
}

/* The number of the field NAME, which P takes. */
static size_t find_field(struct form_picks *p, char *name, size_t len)
{
    for (size_t i = 0; i < p->field_count; i++)
        if (slice_eq(slice_make(p->fields[i].name, p->fields[i].name_len), slice_make(name, len))) {
            free(name);
            return i;
        }
    p->fields[p->field_count] = (struct form_field){.name = name, .name_len = len};
    return p->field_count++;
}

static enum err add_pick(struct form_picks *p, const char *text, struct error *e)
{
    const char *slash = strchr(text, '/');
    struct slice raw = slash ? slice_make(text, (size_t)(slash - text)) : slice_str(text);
    char *name;
    size_t len;
    if (unescape_name(raw, &name, &len) != OK)
        return fail(e, ERR_INVALID,
                    "names no form field: use 1 to %d bytes, and write '/' as ~1 and '~' as ~0",
                    FORM_NAME_MAX);
    struct form_pick *pick = &p->picks[p->count++];
    pick->field = find_field(p, name, len);
    pick->is_text = !slash;
    struct form_field *field = &p->fields[pick->field];
    pick->number = field->pointer_count;
    if (slash)
        field->pointers[field->pointer_count++] = slash;
    return OK;
}

enum err form_picks_new(const char *const *texts, size_t n, struct form_picks **out,
                        struct error *e)
{
    if (n > JSON_PICKS_MAX)
        return fail(e, ERR_TOO_BIG, "at most %d form fields", JSON_PICKS_MAX);
    struct form_picks *p = NEW(struct form_picks);
    enum err rc = OK;
    for (size_t i = 0; i < n && rc == OK; i++)
        rc = add_pick(p, texts[i], e);
    for (size_t i = 0; i < p->field_count && rc == OK; i++) {
        struct form_field *f = &p->fields[i];
        if (f->pointer_count)
            rc = json_picks_new(f->pointers, f->pointer_count, &f->json, e);
    }
    if (rc != OK) {
        form_picks_free(p);
        return rc;
    }
    *out = p;
    return OK;
}

void form_picks_free(struct form_picks *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->field_count; i++) {
        free(p->fields[i].name);
        json_picks_free(p->fields[i].json);
    }
    free(p);
}

/* --- a form --- */

struct form_scan *form_scan_new(const struct form_picks *picks)
{
    struct form_scan *s = NEW(struct form_scan);
    buf_init(&s->name, FORM_NAME_MAX);
    buf_init(&s->values, JSON_PICKS_MAX * JSON_SCAN_VALUE_MAX);
    form_scan_reset(s, picks);
    return s;
}

void form_scan_free(struct form_scan *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < JSON_PICKS_MAX; i++)
        json_scan_free(s->found[i].json);
    buf_clear(&s->name);
    buf_clear(&s->values);
    free(s);
}

static void begin_field(struct form_scan *s)
{
    s->in_value = s->is_broken = false;
    s->escape = 0;
    s->piece_len = 0;
    s->field = s->picks->field_count;
    buf_reset(&s->name);
}

void form_scan_reset(struct form_scan *s, const struct form_picks *picks)
{
    s->picks = picks;
    for (size_t i = 0; i < JSON_PICKS_MAX; i++)
        s->found[i] = (struct found_field){.json = s->found[i].json};
    buf_reset(&s->values);
    begin_field(s);
}

/* True if somebody asked for the field whose value is at hand, and it is the first one. */
static bool is_wanted(const struct form_scan *s)
{
    return s->field < s->picks->field_count;
}

/* Takes what was decoded: a part of a name, or of a wanted value. */
static void flush_piece(struct form_scan *s)
{
    struct slice piece = slice_make(s->piece, s->piece_len);
    s->piece_len = 0;
    if (!s->in_value) {
        buf_add_slice(&s->name, piece);
        return;
    }
    if (!is_wanted(s))
        return;
    struct found_field *f = &s->found[s->field];
    if (s->picks->fields[s->field].json && f->is_json)
        f->is_json = json_scan_feed(f->json, piece, NULL) == OK;
    if (f->len + piece.len > JSON_SCAN_VALUE_MAX)
        f->state = JSON_PICK_TOO_LONG;
    if (f->state == JSON_PICK_TOO_LONG)
        return;
    buf_add_slice(&s->values, piece);
    f->len += piece.len;
}

static void begin_value(struct form_scan *s)
{
    flush_piece(s);
    s->in_value = true;
    struct slice name = buf_slice(&s->name);
    bool is_readable = !s->is_broken && !s->escape && !s->name.failed;
    s->is_broken = false;
    s->escape = 0;
    for (size_t i = 0; is_readable && i < s->picks->field_count; i++) {
        const struct form_field *field = &s->picks->fields[i];
        if (!slice_eq(name, slice_make(field->name, field->name_len)))
            continue;
        struct found_field *f = &s->found[i];
        if (f->state != JSON_PICK_MISSING) {
            f->state = JSON_PICK_TWICE;
            return;
        }
        s->field = i;
        f->state = JSON_PICK_TEXT;
        f->at = s->values.len;
        f->is_json = true;
        if (field->json && f->json)
            json_scan_reset(f->json, field->json);
        else if (field->json)
            f->json = json_scan_new(field->json);
        return;
    }
}

static void end_field(struct form_scan *s)
{
    if (!s->in_value)
        begin_value(s); /* a name without `=` has an empty value */
    flush_piece(s);
    if (is_wanted(s)) {
        struct found_field *f = &s->found[s->field];
        if (s->is_broken || s->escape)
            f->state = JSON_PICK_OTHER;
        else if (s->picks->fields[s->field].json && f->len && f->is_json)
            f->is_json = json_scan_end(f->json, NULL) == OK;
    }
    begin_field(s);
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_decoded(struct form_scan *s, unsigned char c)
{
    s->piece[s->piece_len++] = (char)c;
    if (s->piece_len == PIECE_BYTES)
        flush_piece(s);
}

/* C is a byte of a name or value. */
static void decode(struct form_scan *s, unsigned char c)
{
    int digit = s->escape ? hex_digit(c) : 0;
    if (digit < 0) {
        s->is_broken = true;
        s->escape = 0;
    } else if (s->escape == 2) {
        s->high = (unsigned char)digit;
        s->escape = 1;
    } else if (s->escape == 1) {
        s->escape = 0;
        add_decoded(s, (unsigned char)(s->high << 4 | digit));
    } else if (c == '%') {
        s->escape = 2;
    } else {
        add_decoded(s, c == '+' ? ' ' : c);
    }
}

void form_scan_feed(struct form_scan *s, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (s->in_value && !is_wanted(s)) { /* most bytes of most forms */
            const char *end = memchr(bytes.ptr + i, '&', bytes.len - i);
            if (!end)
                return;
            i = (size_t)(end - bytes.ptr);
        }
        char c = bytes.ptr[i];
        if (c == '&')
            end_field(s);
        else if (c == '=' && !s->in_value)
            begin_value(s);
        else
            decode(s, (unsigned char)c);
    }
}

void form_scan_end(struct form_scan *s)
{
    end_field(s);
}

enum json_pick_state form_scan_pick(const struct form_scan *s, size_t i, struct slice *value)
{
    assert(i < s->picks->count);
    const struct form_pick *pick = &s->picks->picks[i];
    const struct found_field *f = &s->found[pick->field];
    if (f->state == JSON_PICK_MISSING || f->state == JSON_PICK_TWICE || f->state == JSON_PICK_OTHER)
        return f->state;
    if (f->state == JSON_PICK_TEXT && f->len == 0)
        return JSON_PICK_MISSING;
    if (!pick->is_text)
        return f->is_json ? json_scan_pick(f->json, pick->number, value) : JSON_PICK_OTHER;
    if (f->state == JSON_PICK_TEXT)
        *value = slice_make(buf_slice(&s->values).ptr + f->at, f->len);
    return f->state;
}
