/* config_values - what stands behind `env:NAME` and `file:PATH`.   [edge: environment, files] */
#ifndef COMMON_CONFIG_CONFIG_VALUES_H
#define COMMON_CONFIG_CONFIG_VALUES_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define CONFIG_VALUE_MAX 65536

/* Appends what RAW stands for to OUT: a variable's or file's content without its last newline, or
 * RAW itself. DIR is where relative files are. E names the variable or file, never the content. */
enum err config_value(struct slice raw, const char *dir, struct buf *out,
                      struct error *e) MUST_CHECK;

/* All of a regular file, at most OUT's ceiling. */
enum err config_read_file(const char *path, struct buf *out, struct error *e) MUST_CHECK;

/* PATH itself if it is absolute, else PATH in DIR. The caller frees it. */
char *config_file_path(struct slice path, const char *dir);

/* The variable NAME, or NULL if it is not set or empty. */
const char *config_env(const char *name);

#endif
