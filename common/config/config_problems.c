#include "common/config/config_problems.h"

#include "common/base/text.h"

#include <stdio.h>

#define TEXT_MAX ((size_t)256 << 10)
#define GUESS_EDITS 2

void config_problems_init(struct config_problems *p)
{
    buf_init(&p->text, TEXT_MAX);
    p->count = 0;
}

void config_problems_clear(struct config_problems *p)
{
    buf_clear(&p->text);
    p->count = 0;
}

void config_problems_add(struct config_problems *p, struct slice path, const char *fmt, ...)
{
    p->count++;
    if (p->count > CONFIG_PROBLEMS_MAX) {
        if (p->count == CONFIG_PROBLEMS_MAX + 1)
            buf_add_str(&p->text, "and more: mend these first\n");
        return;
    }
    char what[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    size_t start = p->text.len;
    buf_addf(&p->text, "%.*s: %s", SLICE_FMT(path), what);
    for (size_t i = start; i < p->text.len; i++)
        if (text_has_control(slice_make(p->text.ptr + i, 1)))
            p->text.ptr[i] = '?';
    buf_add_char(&p->text, '\n');
}

void config_guess_start(struct config_guess *g, struct slice word)
{
    *g = (struct config_guess){.word = word, .distance = GUESS_EDITS + 1};
}

void config_guess_try(struct config_guess *g, struct slice candidate)
{
    unsigned d = text_distance(g->word, candidate, GUESS_EDITS);
    if (d < g->distance && d < g->word.len && d < candidate.len) {
        g->distance = d;
        g->best = candidate;
    }
}

const char *config_guess_text(const struct config_guess *g, char out[CONFIG_GUESS_TEXT])
{
    out[0] = 0;
    if (g->best.len)
        snprintf(out, CONFIG_GUESS_TEXT, "; did you mean \"%.*s\"?", SLICE_FMT(g->best));
    return out;
}
