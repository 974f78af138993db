/* config_problems - collects everything that is wrong with a configuration.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_PROBLEMS_H
#define COMMON_CONFIG_CONFIG_PROBLEMS_H

#include "common/config/config.h"

/* Adds the line "PATH: what". Control characters become '?', so that a problem stays one line. */
void config_problems_add(struct config_problems *p, struct slice path, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The candidate that WORD may be a slip of (at most two edits, fewer than its length). */
struct config_guess {
    struct slice word, best;
    unsigned distance;
};
void config_guess_start(struct config_guess *g, struct slice word);
void config_guess_try(struct config_guess *g, struct slice candidate);
/* "; did you mean \"x\"?", or nothing. Valid as long as OUT is. */
#define CONFIG_GUESS_TEXT 128
const char *config_guess_text(const struct config_guess *g, char out[CONFIG_GUESS_TEXT]);

#endif
