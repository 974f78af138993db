/* args - collecting the arguments of a script call.   [pure]
 *
 * Values are copied into one growing buffer, or borrowed where they are large. The slices are made
 * at the end, when the buffer no longer moves.
 */
#ifndef COMMON_QUEUE_ARGS_H
#define COMMON_QUEUE_ARGS_H

#include "common/base/buf.h"

struct arg {
    const char *borrowed; /* NULL: at OFFSET of the text */
    size_t offset, len;
};

struct args { /* Owned by whoever holds it; args_clear frees. */
    struct buf text;
    struct arg *list;
    struct slice *slices;
    size_t count, cap;
};

void args_init(struct args *a, size_t text_max);
void args_clear(struct args *a);
void args_reset(struct args *a);

void args_add(struct args *a, struct slice s);
void args_add_int(struct args *a, int64_t v);
/* S must outlive the call of args_slices and its use. */
void args_borrow(struct args *a, struct slice s);
/* For values that are written in place: the bytes appended to a->text since MARK (args_mark)
 * become one argument. */
size_t args_mark(const struct args *a);
void args_add_since(struct args *a, size_t mark);

/* All COUNT arguments; valid until the next change. */
const struct slice *args_slices(struct args *a);

#endif
