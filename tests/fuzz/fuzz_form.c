/* form_scan: a form is read alike however it is cut, and what is found is within its limits. */
#include "fuzz.h"

#include "common/json/form_scan.h"

static const char *const texts[] = {"id", "tag", "payload", "payload/action", "payload/0/id"};
#define TEXTS (sizeof texts / sizeof *texts)

static void read_form(struct form_scan *s, struct form_picks *picks, struct slice form,
                      uint32_t seed)
{
    form_scan_reset(s, picks);
    while (form.len) {
        size_t n = seed ? 1 + (seed = seed * 1664525u + 1013904223u) % 97 : form.len;
        form_scan_feed(s, slice_head(form, n));
        form = slice_skip(form, n < form.len ? n : form.len);
    }
    form_scan_end(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct form_picks *picks;
    static struct form_scan *whole, *cut;
    struct slice form = slice_make(data, size);
    if (!picks) {
        INSIST(form_picks_new(texts, TEXTS, &picks, NULL) == OK);
        whole = form_scan_new(picks);
        cut = form_scan_new(picks);
    }
    read_form(whole, picks, form, 0);
    for (uint32_t seed = 1; seed < 4; seed++) {
        read_form(cut, picks, form, seed + (uint32_t)size);
        for (size_t i = 0; i < TEXTS; i++) {
            struct slice a = SLICE_LIT(""), b = SLICE_LIT("");
            INSIST(form_scan_pick(whole, i, &a) == form_scan_pick(cut, i, &b));
            INSIST(slice_eq(a, b) && a.len <= JSON_SCAN_VALUE_MAX);
        }
    }
    struct form_picks *one = NULL;
    char *text = strndup(size ? (const char *)data : "", size);
    const char *z = text;
    if (form_picks_new(&z, 1, &one, NULL) == OK)
        form_picks_free(one);
    free(text);
    return 0;
}
