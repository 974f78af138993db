#include "receiver/ingest/judge.h"

#include "common/base/json_write.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/json/form_scan.h"
#include "common/json/json.h"
#include "common/json/json_scan.h"

#include <assert.h>

static const struct answer_row rows[] = {
#define ANSWER_ROW(id, status, code, headers, message) {status, code, headers, message},
    ANSWERS(ANSWER_ROW)
#undef ANSWER_ROW
};

const struct answer_row *answer_row(enum answer a)
{
    assert(a < ANSWER_COUNT);
    return &rows[a];
}

enum body_encoding judge_encoding(struct slice value, unsigned count)
{
    if (count > 1)
        return BODY_UNSUPPORTED;
    static const char *const no_codings[] = {"identity", "utf-8",        "utf8",        "us-ascii",
                                             "ascii",    "iso-8859-1",   "iso-8859-15", "latin1",
                                             "utf-16",   "windows-1252", "none"};
    if (value.len == 0)
        return BODY_PLAIN;
    for (size_t i = 0; i < sizeof no_codings / sizeof *no_codings; i++)
        if (slice_eq_nocase(value, slice_str(no_codings[i])))
            return BODY_PLAIN;
    if (slice_eq_nocase(value, SLICE_LIT("gzip")) || slice_eq_nocase(value, SLICE_LIT("x-gzip")))
        return BODY_GZIP;
    return BODY_UNSUPPORTED;
}

enum answer judge_signature(enum scheme_verdict v)
{
    switch (v) {
    case SCHEME_OK:
        return ANSWER_OK;
    case SCHEME_MISSING:
        return ANSWER_MISSING_SIGNATURE;
    case SCHEME_STALE:
        return ANSWER_STALE_TIMESTAMP;
    case SCHEME_INVALID:
        break;
    }
    return ANSWER_INVALID_SIGNATURE;
}

enum answer judge_body(const struct findings *f)
{
    if (f->is_unsigned_text)
        return f->defect;
    enum answer a = judge_signature(f->signature);
    return a != ANSWER_OK ? a : f->defect;
}

/* Slack's challenges have some 200 bytes. Larger bodies are events. */
#define CHALLENGE_BODY_MAX 4096

bool judge_challenge(struct slice plain, struct buf *out)
{
    static const char type[] = "url_verification";
    if (plain.len > CHALLENGE_BODY_MAX || !memmem(plain.ptr, plain.len, type, sizeof type - 1))
        return false;
    struct json *doc;
    if (json_parse_received(plain, &doc, NULL) != OK)
        return false;
    const struct json *challenge = json_get(doc, "challenge");
    bool found = slice_eq(json_string(json_get(doc, "type")), SLICE_LIT(type)) &&
                 json_kind(challenge) == JSON_STRING;
    if (found) {
        struct json_write w = json_write_to(out);
        jw_open(&w, NULL, '{');
        jw_text(&w, "challenge", json_string(challenge));
        jw_close(&w, '}');
    }
    json_free(doc);
    return found;
}

/* --- id and tag --- */

enum found { FOUND_NOTHING, FOUND_TEXT, FOUND_BAD };

/* A repeated header is bad, because nobody knows which one is meant. */
static enum json_pick_state find_header(const struct scheme_request *request, const char *name,
                                        struct slice *out)
{
    unsigned count = 0;
    *out = request->header(request->ctx, name, &count);
    if (count > 1)
        return JSON_PICK_TWICE;
    return out->len ? JSON_PICK_TEXT : JSON_PICK_MISSING;
}

static enum json_pick_state find_value(const struct identity_sources *from,
                                       const struct source_pick *pick, struct slice *out)
{
    switch (pick->kind) {
    case PICK_JSON:
        return from->scan ? json_scan_pick(from->scan, pick->number, out) : JSON_PICK_MISSING;
    case PICK_FORM:
        return from->form ? form_scan_pick(from->form, pick->number, out) : JSON_PICK_MISSING;
    case PICK_HEADER:
        break;
    }
    return find_header(from->request, pick->header, out);
}

/* Finds the value of the first of N picks, from number FIRST on, that has one. *KIND is that pick's. */
static enum found find_pick(const struct identity_sources *from, size_t first, size_t n,
                            struct slice *out, enum pick_kind *kind)
{
    for (size_t i = first; i < first + n; i++) {
        enum json_pick_state state = find_value(from, &from->picks[i], out);
        *kind = from->picks[i].kind;
        if (state != JSON_PICK_MISSING)
            return state == JSON_PICK_TEXT ? FOUND_TEXT : FOUND_BAD;
    }
    return FOUND_NOTHING;
}

/* Finds the parameter NAME of QUERY and decodes it into SCRATCH. A repeated parameter is bad, because nobody knows which one is
 * meant. */
static enum found find_query(struct slice query, struct slice name, struct buf *scratch,
                             struct slice *out)
{
    enum found found = FOUND_NOTHING;
    while (query.len) {
        struct slice value = slice_cut(&query, '&');
        struct slice key = slice_cut(&value, '=');
        if (!slice_eq(key, name))
            continue;
        if (found != FOUND_NOTHING)
            return FOUND_BAD;
        found =
            text_unpercent(scratch, value, true) == OK && !scratch->failed ? FOUND_TEXT : FOUND_BAD;
        *out = buf_slice(scratch);
    }
    return found;
}

static enum answer refuse_identity(const char *message, const char **why)
{
    *why = message;
    return ANSWER_INVALID_ID;
}

static enum answer choose_id(const struct identity_sources *from, struct buf *scratch,
                             struct identity *out, const char **why)
{
    struct slice id = {0};
    enum pick_kind kind = PICK_JSON;
    enum found found = find_pick(from, 0, from->id_picks, &id, &kind);
    out->origin = found != FOUND_NOTHING && kind == PICK_HEADER ? ID_OF_HEADER : ID_NAMED;
    if (found == FOUND_NOTHING)
        found = find_query(from->request->query, SLICE_LIT("id"), scratch, &id);
    if (found == FOUND_NOTHING && from->message_id.len) {
        id = from->message_id;
        found = FOUND_TEXT;
    }
    if (id.len && id.ptr == from->message_id.ptr) /* also if a pick named the same header */
        out->origin = ID_OF_MESSAGE;
    if (found == FOUND_NOTHING && from->may_generate) {
        out->origin = ID_GENERATED;
        uuid7(from->request->now, out->id);
        out->id_len = UUID_LEN;
        return ANSWER_OK;
    }
    if (found == FOUND_NOTHING)
        return refuse_identity("a pingback needs an id", why);
    if (found == FOUND_BAD || !id_is_valid(id))
        return refuse_identity(
            "the id is not 1 to 255 bytes of UTF-8 without control characters, given once", why);
    memcpy(out->id, id.ptr, id.len);
    out->id_len = id.len;
    out->id[id.len] = 0;
    return ANSWER_OK;
}

/* The event is worth more than its tag: a bad one is left out. */
static void choose_tag(const struct identity_sources *from, struct buf *scratch,
                       struct identity *out)
{
    struct slice tag = {0};
    enum pick_kind kind;
    enum found found = find_pick(from, from->id_picks, from->tag_picks, &tag, &kind);
    if (found == FOUND_NOTHING)
        found = find_query(from->request->query, SLICE_LIT("tag"), scratch, &tag);
    out->tag_was_bad = found == FOUND_BAD || !tag_is_valid(tag);
    if (out->tag_was_bad)
        tag = SLICE_LIT("");
    if (tag.len)
        memcpy(out->tag, tag.ptr, tag.len);
    out->tag_len = tag.len;
    out->tag[tag.len] = 0;
}

enum answer judge_identity(const struct identity_sources *from, struct identity *out,
                           const char **why)
{
    struct buf scratch;
    buf_init(&scratch, TAG_BYTES); /* longer ids and tags are invalid */
    enum answer a = choose_id(from, &scratch, out, why);
    buf_reset(&scratch);
    if (a == ANSWER_OK)
        choose_tag(from, &scratch, out);
    buf_clear(&scratch);
    return a;
}
