/* config_builder - what the parts of config_build share: where they are, and what is wrong there.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_BUILDER_H
#define COMMON_CONFIG_CONFIG_BUILDER_H

#include "common/config/config_draft.h"

struct builder {
    struct draft *d;
    struct config *c;
    struct config_problems *problems;
};

struct builder_path { /* of what is being looked at; longer names were refused by the reader */
    char text[256];
};
struct builder_path builder_path(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Nothing if FAULT is NULL. */
void builder_fault(struct builder *b, struct builder_path path, const char *fault);
/* A problem with PATH or something in it was told already, so that what follows from it is not. */
bool builder_was_told(struct builder *b, struct builder_path path);
/* With PATH as such, not with something in it. */
bool builder_was_told_itself(struct builder *b, struct builder_path path);

#endif
