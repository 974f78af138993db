/* show - what a person reads: tables, moments, and texts that cannot harm a terminal.   [pure]
 *
 * Tags, ids and answers come from senders. A text that is printed has no control characters: they are written as \xNN.
 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/json/json.h"

#include <stdio.h>

#define SHOW_COLUMNS_MAX 16

enum show_color { COLOR_NONE, COLOR_GOOD, COLOR_BAD, COLOR_WARN, COLOR_DIM };

struct table { /* table_clear frees it */
    const char *const *titles;
    size_t columns;
    char **cells; /* row by row */
    enum show_color *colors;
    size_t count;
};

/* TITLES has COLUMNS texts, which must outlive the table. */
struct table table_new(const char *const *titles, size_t columns);
/* Adds the next cell. */
void table_add(struct table *t, struct slice text, enum show_color color);
/* Prints all rows, each column as wide as its longest cell. Colours only if USE_COLORS. */
void table_print(const struct table *t, FILE *to, bool use_colors);
void table_clear(struct table *t);

/* Appends TEXT without control characters and without marks that turn the direction of writing. */
void show_add_text(struct buf *out, struct slice text);
/* Appends a JSON value in a few characters; "-" for null. */
void show_add_value(struct buf *out, const struct json *value);
/* Appends how long before NOW the moment ISO was: "12s", "5m", "3h", "2d"; "-" if it is none. */
void show_add_age(struct buf *out, struct slice iso, wall_ms now);
/* Reads "14:00" (the last time it was so, in the local zone), "90s", "30m", "2h", "3d" (so long ago) or RFC 3339. */
bool show_read_moment(struct slice text, wall_ms now, wall_ms *at);
/* The colour of a state. */
enum show_color show_state_color(struct slice state);

#endif
