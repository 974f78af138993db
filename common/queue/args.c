#include "common/queue/args.h"

#include "common/base/alloc.h"

#include <stdlib.h>

void args_init(struct args *a, size_t text_max)
{
    *a = (struct args){0};
    buf_init(&a->text, text_max);
}

void args_clear(struct args *a)
{
    buf_clear(&a->text);
    free(a->list);
    free(a->slices);
    *a = (struct args){.text = {.max = a->text.max}};
}

void args_reset(struct args *a)
{
    buf_reset(&a->text);
    a->count = 0;
}

static void push(struct args *a, struct arg arg)
{
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 64;
        a->list = xrealloc(a->list, a->cap, sizeof *a->list);
        a->slices = xrealloc(a->slices, a->cap, sizeof *a->slices);
    }
    a->list[a->count++] = arg;
}

size_t args_mark(const struct args *a)
{
    return a->text.len;
}

void args_add_since(struct args *a, size_t mark)
{
    push(a, (struct arg){NULL, mark, a->text.len - mark});
}

void args_add(struct args *a, struct slice s)
{
    size_t mark = args_mark(a);
    buf_add_slice(&a->text, s);
    args_add_since(a, mark);
}

void args_add_int(struct args *a, int64_t v)
{
    size_t mark = args_mark(a);
    buf_add_i64(&a->text, v);
    args_add_since(a, mark);
}

void args_borrow(struct args *a, struct slice s)
{
    push(a, (struct arg){s.ptr ? s.ptr : "", 0, s.len});
}

const struct slice *args_slices(struct args *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct arg *arg = &a->list[i];
        a->slices[i] =
            slice_make(arg->borrowed ? arg->borrowed : a->text.ptr + arg->offset, arg->len);
    }
    return a->slices;
}
