#include "common/webhook/scheme_parse.h"

#include "common/base/text.h"

/* Longest text that can decode to a digest: base64 of 64 bytes is 88, hex 128. */
#define ENCODED_MAX (2 * DIGEST_MAX)

static bool decode(const struct scheme_rules *rules, struct slice s, unsigned char *out)
{
    size_t want = digest_len(rules->digest), len = 0;
    if (rules->encoding == ENCODING_HEX)
        return text_unhex(s, out, want) == OK;
    unsigned char bytes[ENCODED_MAX];
    if (s.len > ENCODED_MAX || text_unbase64(s, false, bytes, &len) != OK || len != want)
        return false;
    memcpy(out, bytes, want);
    return true;
}

static void take(const struct scheme_rules *rules, struct slice item, struct signatures *out)
{
    struct slice prefix = slice_str(rules->prefix);
    if (out->count < SIGNATURES_MAX && slice_starts(item, prefix) &&
        decode(rules, slice_skip(item, prefix.len), out->digests[out->count]))
        out->count++;
}

static void parse_stripe(const struct scheme_rules *rules, struct slice value,
                         struct signatures *out)
{
    bool twice = false;
    while (value.ptr) {
        struct slice item = slice_cut(&value, ',');
        if (slice_starts(item, SLICE_LIT("t="))) {
            twice = twice || out->timestamp.ptr;
            out->timestamp = slice_skip(item, 2);
        } else {
            take(rules, item, out);
        }
    }
    if (twice)
        out->timestamp = slice_str(NULL);
}

void parse_signatures(const struct scheme_rules *rules, struct slice value, struct signatures *out)
{
    out->count = 0;
    out->timestamp = slice_str(NULL);
    switch (rules->list) {
    case LIST_SINGLE:
        take(rules, value, out);
        break;
    case LIST_SPACES:
        while (value.ptr)
            take(rules, slice_cut(&value, ' '), out);
        break;
    case LIST_STRIPE:
        parse_stripe(rules, value, out);
        break;
    }
}

enum err parse_timestamp(struct slice s, int64_t *seconds)
{
    uint64_t v = 0;
    if (s.len > 12 || text_u64(s, INT64_MAX, &v) != OK)
        return ERR_INVALID;
    *seconds = (int64_t)v;
    return OK;
}

/* The variable that S starts with, and its length with the braces; PART_TEXT if there is none. */
static enum part_kind variable_at(struct slice s, size_t *len)
{
    static const struct {
        struct slice text;
        enum part_kind kind;
    } variables[] = {
        {{"{id}", 4}, PART_ID}, {{"{timestamp}", 11}, PART_TIMESTAMP}, {{"{body}", 6}, PART_BODY}};
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        if (slice_starts(s, variables[i].text)) {
            *len = variables[i].text.len;
            return variables[i].kind;
        }
    }
    return PART_TEXT;
}

static enum err add_part(struct signed_text *out, enum part_kind kind, struct slice text,
                         struct error *e)
{
    if (kind != PART_TEXT)
        for (size_t i = 0; i < out->count; i++)
            if (out->parts[i].kind == kind)
                return fail(e, ERR_INVALID, "signed: a variable is given twice; use each once");
    if (out->count == PARTS_MAX)
        return fail(e, ERR_INVALID, "signed: too many parts");
    out->parts[out->count++] = (struct part){kind, text};
    return OK;
}

static enum err split(struct slice rest, struct signed_text *out, struct error *e)
{
    enum err rc = OK;
    while (rest.len && rc == OK) {
        size_t len = 0;
        enum part_kind kind = variable_at(rest, &len);
        if (kind == PART_TEXT) {
            if (rest.ptr[0] == '{')
                return fail(e, ERR_INVALID,
                            "signed: unknown variable; there are {id}, {timestamp} and {body}");
            while (len < rest.len && rest.ptr[len] != '{')
                len++;
        }
        rc = add_part(out, kind, slice_make(rest.ptr, len), e);
        rest = slice_skip(rest, len);
    }
    return rc;
}

/* Finds the characters next to {id}. */
static enum err note_id(struct signed_text *out, size_t at, struct error *e)
{
    const struct part *before = at ? &out->parts[at - 1] : NULL;
    const struct part *after = at + 1 < out->count ? &out->parts[at + 1] : NULL;
    out->has_id = true;
    if ((before && before->kind != PART_TEXT) || (after && after->kind != PART_TEXT))
        return fail(e, ERR_INVALID, "signed: put some text between {id} and the other variables");
    if (before && at >= 2) /* a variable precedes that text */
        out->id_stops[out->id_stop_count++] = before->text.ptr[before->text.len - 1];
    if (after && at + 2 < out->count)
        out->id_stops[out->id_stop_count++] = after->text.ptr[0];
    return OK;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* True if what stands before or behind {timestamp}, up to a variable, may end or begin with a digit. */
static bool is_open_timestamp(const struct signed_text *t, size_t at)
{
    const struct part *before = at ? &t->parts[at - 1] : NULL;
    const struct part *after = at + 1 < t->count ? &t->parts[at + 1] : NULL;
    if (before && (before->kind != PART_TEXT ||
                   (at >= 2 && is_digit(before->text.ptr[before->text.len - 1]))))
        return true;
    return after &&
           (after->kind != PART_TEXT || (at + 2 < t->count && is_digit(after->text.ptr[0])));
}

enum err parse_signed_text(const char *text, struct signed_text *out, struct error *e)
{
    bool has_body = false;
    *out = (struct signed_text){0};
    if (text_has_control(slice_str(text)))
        return fail(e, ERR_INVALID, "signed: has a control character");
    enum err rc = split(slice_str(text), out, e);
    for (size_t i = 0; i < out->count && rc == OK; i++) {
        has_body = has_body || out->parts[i].kind == PART_BODY;
        out->has_timestamp = out->has_timestamp || out->parts[i].kind == PART_TIMESTAMP;
        if (out->parts[i].kind == PART_TIMESTAMP)
            out->has_open_timestamp = is_open_timestamp(out, i);
        if (out->parts[i].kind == PART_ID)
            rc = note_id(out, i, e);
    }
    if (rc == OK && !has_body)
        return fail(e, ERR_INVALID, "signed: {body} is missing");
    return rc;
}

bool signed_id_is_ambiguous(const struct signed_text *text, struct slice id)
{
    for (size_t i = 0; i < text->id_stop_count; i++)
        if (id.len && memchr(id.ptr, text->id_stops[i], id.len))
            return true;
    return false;
}
