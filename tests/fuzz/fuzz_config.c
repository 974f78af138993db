/* The configuration: any text is either a value that keeps every rule, or at least one problem that
 * a person can read; and a secret is in no problem. */
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/webhook/ids.h"
#include "tests/fuzz/fuzz.h"

#define SECRET "Zq7-paSSword-of-the-fuzzer"

static void check_problems(const struct config_problems *p)
{
    struct slice text = buf_slice(&p->text);
    size_t lines = 0;
    INSIST(p->count > 0 && p->count <= CONFIG_PROBLEMS_MAX + 1);
    while (text.len) {
        struct slice line = slice_cut(&text, '\n');
        INSIST(line.len && !text_has_control(line) && text_is_utf8(line));
        lines++;
    }
    INSIST(lines >= 1);
}

static void check_settings(const struct config *c, const struct delivery_settings *s)
{
    INSIST(delay_is_allowed(s->delay_ms, c->delay_step_ms));
    INSIST(s->lease_ms == s->connect_timeout_ms + s->timeout_ms + 3000);
    INSIST(s->jitter >= 0 && s->jitter <= 1 && s->concurrency > 0);
    for (size_t i = 0; i < s->schedule_count; i++)
        INSIST(s->schedule_ms[i] >= 0);
    INSIST(!s->sign || scheme_can_sign(s->sign));
    struct slice lines = slice_str(s->headers);
    while (lines.len) {
        struct slice line = slice_cut(&lines, '\n');
        INSIST(line.len && line.ptr[line.len - 1] == '\r');
        INSIST(memchr(line.ptr, ':', line.len) && !memchr(line.ptr, '\r', line.len - 1));
    }
}

static void check_destination(const struct config *c, const struct destination *d)
{
    INSIST(name_is_valid(slice_str(d->name)) && name_is_valid(slice_str(d->lane)));
    INSIST(d->partition < c->redis.partitions);
    INSIST(d->url);
    check_settings(c, d->settings);
}

static void check_source(const struct config *c, const struct source *s)
{
    INSIST(name_is_valid(slice_str(s->name)) && s->verify);
    for (size_t i = 0; i < s->to_count; i++)
        INSIST(config_destination(c, slice_str(s->to[i]->name)) == s->to[i]);
}

static void check_config(const struct config *c)
{
    size_t at = 0;
    struct slice name;
    void *value;
    INSIST(delay_is_allowed(c->delay_ms, c->delay_step_ms));
    INSIST(c->redis.partitions >= 1 && c->receiver.threads >= 1 && c->redis.shown);
    INSIST(!c->receiver.tls.cert == !c->receiver.tls.key);
    INSIST(!c->admin.tls.cert == !c->admin.tls.key);
    INSIST(!c->api.tls.cert == !c->api.tls.key);
    while (map_next(&c->destinations, &at, &name, &value))
        check_destination(c, value);
    for (at = 0; map_next(&c->sources, &at, &name, &value);)
        check_source(c, value);
    for (at = 0; map_next(&c->accounts, &at, &name, &value);) {
        const struct config_account *a = value;
        INSIST(a->password && strlen(a->password) >= 8);
        check_settings(c, a->settings);
        INSIST(a->postback->settings == a->settings && a->pingback->settings == a->settings);
    }
}

static bool parse(struct slice text, bool with_secret)
{
    struct config *c = NULL;
    struct config_problems problems;
    config_problems_init(&problems);
    bool ok = config_parse(text, "/nowhere/fuzz.json", &c, &problems) == OK;
    INSIST(ok == (c != NULL) && ok == (problems.count == 0));
    if (ok)
        check_config(c);
    else
        check_problems(&problems);
    if (with_secret && problems.text.ptr)
        INSIST(!strstr(problems.text.ptr, SECRET));
    config_unref(c);
    config_problems_clear(&problems);
    return ok;
}

/* Secrets where secrets stand, the input where anything may. */
static void around_secrets(struct slice in)
{
    struct slice first = fuzz_line(&in);
    if (memmem(first.ptr, first.len, SECRET, 8) || (in.len && memmem(in.ptr, in.len, SECRET, 8)))
        return;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add_str(&b, "{\"redis\":{\"url\":\"redis://:" SECRET);
    buf_add_slice(&b, first);
    buf_add_str(&b, "\"},\"accounts\":{\"a\":{\"password\":\"" SECRET "\",\"sign\":{\"scheme\":\"");
    buf_add_slice(&b, first);
    buf_add_str(&b,
                "\",\"secrets\":[\"" SECRET
                "\"]}}},\"sources\":{\"s\":{\"verify\":{\"secrets\":[\"" SECRET "\"],\"scheme\":");
    buf_add_slice(&b, in);
    buf_add_str(&b, "},\"to\":[]}},\"destinations\":{\"d\":{\"postback_url\":\"http://h/\","
                    "\"headers\":{\"Authorization\":\"" SECRET);
    buf_add_slice(&b, first);
    buf_add_str(&b, "\"}}}}");
    parse(buf_slice(&b), true);
    buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    setenv("FUZZ_SECRET", "a-secret-from-the-environment", 1);
    struct slice text = slice_make(data, size);
    parse(text, false);
    around_secrets(text);
    return 0;
}
