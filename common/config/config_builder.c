#include "common/config/config_builder.h"

#include "common/config/config_problems.h"

#include <stdio.h>

struct builder_path builder_path(const char *fmt, ...)
{
    struct builder_path p;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p.text, sizeof p.text, fmt, ap);
    va_end(ap);
    return p;
}

void builder_fault(struct builder *b, struct builder_path path, const char *fault)
{
    if (fault)
        config_problems_add(b->problems, slice_str(path.text), "%s", fault);
}

static bool told(struct builder *b, struct builder_path path, struct slice ends)
{
    size_t len = strlen(path.text);
    struct slice rest = buf_slice(&b->problems->text);
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        if (line.len > len && memchr(ends.ptr, line.ptr[len], ends.len) &&
            slice_starts(line, slice_str(path.text)))
            return true;
    }
    return false;
}

bool builder_was_told(struct builder *b, struct builder_path path)
{
    return told(b, path, SLICE_LIT(":.[ "));
}

bool builder_was_told_itself(struct builder *b, struct builder_path path)
{
    return told(b, path, SLICE_LIT(":"));
}
