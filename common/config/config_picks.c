#include "common/config/config_picks.h"

#include "common/base/alloc.h"
#include "common/config/config_problems.h"
#include "common/json/form_scan.h"
#include "common/json/json_picks.h"
#include "common/net/http_rules.h"
#include "common/webhook/special_headers.h"

#include <stdio.h>

#define HEADER_PREFIX SLICE_LIT("header:")
#define FORM_PREFIX SLICE_LIT("form:")
#define HEADER_NAME_MAX 64

struct picks_building {
    struct source *s;
    struct config_problems *problems;
    const char *pointers[JSON_PICKS_MAX], *fields[JSON_PICKS_MAX]; /* borrowed */
    size_t pointer_count, field_count;
    bool is_wrong;
};

static void PRINTF_LIKE(4, 5)
    picks_wrong(struct picks_building *b, const char *key, size_t i, const char *fmt, ...)
{
    char path[160], what[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    snprintf(path, sizeof path, "sources.%s.%s[%zu]", b->s->name, key, i);
    config_problems_add(b->problems, slice_str(path), "%s", what);
    b->is_wrong = true;
}

/* RFC 6901 3. The text begins with '/'. */
static const char *pointer_fault(struct slice json_pointer)
{
    for (size_t i = 0; i < json_pointer.len; i++) {
        char next = i + 1 < json_pointer.len ? json_pointer.ptr[i + 1] : 0;
        if (json_pointer.ptr[i] == '~' && next != '0' && next != '1')
            return "is not a JSON pointer; write '~' as ~0 and '/' as ~1";
    }
    return NULL;
}

/* An id and a tag are stored, logged and put into URLs. */
static const char *header_name_fault(const struct source *s, struct slice name)
{
    if (!http_is_token(name) || name.len > HEADER_NAME_MAX)
        return "names no header; write header: and a name of at most 64 letters, digits and '-'";
    if (special_header(name) & HEADER_CREDENTIAL)
        return "names a header that carries a credential; ids and tags are stored and logged, so "
               "name "
               "another header";
    if (s->verify && scheme_proves_by(s->verify, name))
        return "names the header that carries the signature; ids and tags are stored and logged, "
               "so "
               "name another header";
    return NULL;
}

/* Returns the fault of TEXT, which comes from the configuration; or NULL. */
static const char *pick_fault(const struct source *s, struct slice text)
{
    if (slice_starts(text, HEADER_PREFIX))
        return header_name_fault(s, slice_skip(text, HEADER_PREFIX.len));
    if (slice_starts(text, FORM_PREFIX))
        return s->payload == PAYLOAD_FORM ? NULL
                                          : "is a form field, and the payload is not a form; set "
                                            "\"payload\": \"form\"";
    if (!slice_starts(text, SLICE_LIT("/")))
        return "is not a JSON pointer; start it with '/', as in /tasks/0/id, or write "
               "header:<name> or "
               "form:<field>";
    if (s->payload == PAYLOAD_FORM)
        return "is a JSON pointer, and the payload is a form; write form:<field>, or "
               "form:<field>/<pointer> for a field that holds JSON";
    return pointer_fault(text);
}

static void add_pick(struct picks_building *b, const char *text)
{
    struct source *s = b->s;
    struct slice t = slice_str(text);
    struct source_pick *pick = &s->picks[s->id_picks + s->tag_picks];
    *pick = (struct source_pick){.kind = PICK_JSON};
    if (slice_starts(t, HEADER_PREFIX)) {
        pick->kind = PICK_HEADER;
        pick->header = xstrdup(text + HEADER_PREFIX.len);
    } else if (slice_starts(t, FORM_PREFIX)) {
        pick->kind = PICK_FORM;
        pick->number = b->field_count;
        b->fields[b->field_count++] = text + FORM_PREFIX.len;
    } else {
        pick->number = b->pointer_count;
        b->pointers[b->pointer_count++] = text;
    }
}

/* A field is parsed alone first, so that a problem has its place. */
static void check_field(struct picks_building *b, const char *key, size_t i, const char *text)
{
    struct form_picks *alone = NULL;
    struct error e;
    const char *field = text + FORM_PREFIX.len;
    if (form_picks_new(&field, 1, &alone, &e) != OK)
        picks_wrong(b, key, i, "%s", e.text);
    form_picks_free(alone);
}

static void add_given(struct picks_building *b, const char *key, const struct raw_texts *texts,
                      size_t *count)
{
    b->is_wrong |= texts->broken;
    for (size_t i = 0; i < texts->count; i++) {
        const char *text = texts->items[i];
        const char *fault = pick_fault(b->s, slice_str(text));
        if (fault) {
            picks_wrong(b, key, i, "%s", fault);
            continue;
        }
        if (slice_starts(slice_str(text), FORM_PREFIX))
            check_field(b, key, i, text);
        add_pick(b, text);
        ++*count;
    }
}

/* The scheme's own picks. Its pointers are of no use in a body that is not JSON. */
static void add_documented(struct picks_building *b,
                           const char *(*pick)(const struct scheme *s, size_t i), size_t *count)
{
    const char *text;
    for (size_t i = 0; b->s->verify && (text = pick(b->s->verify, i)); i++) {
        if (text[0] == '/' && b->s->payload != PAYLOAD_JSON)
            continue;
        add_pick(b, text);
        ++*count;
    }
}

/* If a source picks ids or tags from envelopes (common/webhook/envelope.h), it also picks the engine of its results
 * from them. */
static void add_engine(struct picks_building *b)
{
    struct source *s = b->s;
    for (size_t i = 0; i < b->pointer_count; i++)
        if (slice_starts(slice_str(b->pointers[i]), SLICE_LIT("/tasks/0/")))
            s->picks_engine = b->pointer_count + 2 <= JSON_PICKS_MAX;
    if (!s->picks_engine)
        return;
    s->engine_pick = b->pointer_count;
    b->pointers[b->pointer_count++] = "/tasks/0/data/se";
    b->pointers[b->pointer_count++] = "/tasks/0/data/se_type";
}

void config_picks_build(struct source *s, const struct raw_texts *id, const struct raw_texts *tag,
                        struct config_problems *problems)
{
    struct picks_building b = {.s = s, .problems = problems};
    struct error e;
    s->picks = xcalloc(id->count + tag->count + (size_t)2 * SCHEME_PICKS_MAX, sizeof *s->picks);
    if (id->given)
        add_given(&b, "id", id, &s->id_picks);
    else
        add_documented(&b, scheme_id_pick, &s->id_picks);
    if (tag->given)
        add_given(&b, "tag", tag, &s->tag_picks);
    else
        add_documented(&b, scheme_tag_pick, &s->tag_picks);
    if (b.is_wrong)
        return;
    add_engine(&b);
    char path[160];
    snprintf(path, sizeof path, "sources.%s.id", s->name);
    if (json_picks_new(b.pointers, b.pointer_count, &s->json_picks, &e) != OK)
        config_problems_add(problems, slice_str(path), "%s", e.text);
    else if (b.field_count && form_picks_new(b.fields, b.field_count, &s->form_picks, &e) != OK)
        config_problems_add(problems, slice_str(path), "%s", e.text);
}
