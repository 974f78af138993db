/* env_file - reads files of lines NAME=value into the environment, as systemd's EnvironmentFile does.
 *
 * A value without quotes ends at the end of its line, less the white space around it. In 'quotes' every character is itself.
 * In "quotes" a backslash makes the characters " \ $ ` themselves. Empty lines and lines that begin with # or ; mean nothing.
 * systemd, compose and the shell read other forms in different ways. So these are errors here:
 * - text behind the closing quote
 * - a quote that is open at the end of the line
 * - a backslash or a quote inside of a value without quotes
 */
#ifndef COMMON_PROGRAM_ENV_FILE_H
#define COMMON_PROGRAM_ENV_FILE_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* Sets the variables of the file PATH, also those that are set already. Adds a line to PROBLEMS for each line of the file that
 * is wrong, without its value; then the result is ERR_INVALID. ERR_IO: E says why the file cannot be read. */
enum err env_file_read(const char *path, struct buf *problems, struct error *e) MUST_CHECK;

/* Cuts LINE into its name and its value, which goes to VALUE. Returns NULL, or what is wrong. A line that means nothing has an
 * empty name. */
const char *env_file_line(struct slice line, struct slice *name, struct buf *value);

#endif
