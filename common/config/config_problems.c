#include "common/config/config_problems.h"

#include "common/base/text.h"

#include <stdio.h>

#define TEXT_MAX ((size_t)256 << 10)

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
            buf_add_str(&p->text, "and more; correct these first\n");
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
