#include "common/config/config_problems.h"

#include "common/base/text.h"

#include <stdio.h>

#define TEXT_MAX ((size_t)4 << 20) /* a warning for each of thousands of sources */

void config_problems_init(struct config_problems *p)
{
    buf_init(&p->text, TEXT_MAX);
    buf_init(&p->warnings, TEXT_MAX);
    p->count = 0;
}

void config_problems_clear(struct config_problems *p)
{
    buf_clear(&p->text);
    buf_clear(&p->warnings);
    p->count = 0;
}

PRINTF_LIKE(4, 0)
static void add_line(struct buf *text, struct slice path, const char *mark, const char *fmt,
                     va_list ap)
{
    char what[768];
    vsnprintf(what, sizeof what, fmt, ap);
    size_t start = text->len;
    buf_addf(text, "%.*s: %s%s", SLICE_FMT(path), mark, what);
    for (size_t i = start; i < text->len; i++)
        if (text_has_control(slice_make(text->ptr + i, 1)))
            text->ptr[i] = '?';
    buf_add_char(text, '\n');
}

void config_problems_add(struct config_problems *p, struct slice path, const char *fmt, ...)
{
    p->count++;
    if (p->count > CONFIG_PROBLEMS_MAX) {
        if (p->count == CONFIG_PROBLEMS_MAX + 1)
            buf_add_str(&p->text, "and more; correct these first\n");
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    add_line(&p->text, path, "", fmt, ap);
    va_end(ap);
}

void config_problems_warn(struct config_problems *p, struct slice path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_line(&p->warnings, path, "warning: ", fmt, ap);
    va_end(ap);
}
