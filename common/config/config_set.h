/* config_set - reads one value of the configuration and checks its type and range.   [pure, but for env: and file:] */
#ifndef COMMON_CONFIG_CONFIG_SET_H
#define COMMON_CONFIG_CONFIG_SET_H

#include "common/config/config_private.h"
#include "common/config/config_table.h"

struct json;
struct sha256;

#define CONFIG_PATH_MAX 1024

struct config_reader { /* one walk over a document and the files that it includes */
    struct config_problems *problems;
    const char *name;      /* of the main file */
    const char *dir;       /* relative paths start here */
    const char *file;      /* the included file being read, or NULL */
    struct buf path;       /* of the value being read */
    struct sha256 *values; /* over all values of variables and files */
    struct sha256 *text;   /* over the text of the files */
    struct map *origins;   /* the one of struct raw_config */
    bool has_includes;
};

/* Adds KEY to the path. Give the result to config_path_pop afterwards. */
size_t config_path_push(struct config_reader *r, struct slice key);
void config_path_pop(struct config_reader *r, size_t mark);
/* Reports a problem with the value at the path. */
void config_wrong(struct config_reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "a string", "null", ... */
const char *config_kind_word(const struct json *value);

/* Reads VALUE into *FIELD. KEY is not of an object type. False: a problem was reported and *FIELD is unchanged. */
bool config_set(struct config_reader *r, const struct config_key *key, const struct json *value,
                void *field);
/* The same for TEXT, the value of the environment variable NAME: a JSON number or word for numbers and switches, the text
 * itself for all else. */
bool config_set_override(struct config_reader *r, const struct config_key *key, const char *name,
                         const char *text, void *field);
/* True for $schema and $comment, which may be in any object and say nothing to Hookpace. */
bool config_is_remark(struct slice key);

/* The environment variable NAME, or NULL if it is not set or empty. */
const char *config_env(const char *name);
/* Reads all of a regular file, up to the limit of OUT. */
enum err config_read_file(const char *path, struct buf *out, struct error *e) MUST_CHECK;

#endif
