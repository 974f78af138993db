/* schema - the configuration as a JSON Schema, for editors and for checks without the programs.   [pure]
 *
 * The schema comes from the rows of config_table. Descriptions come from the tables of docs/reference/configuration.md, which
 * are compiled in. Each value that the schema refuses, --check-config refuses too. The reverse does not hold: a schema knows
 * no references between keys, no variables and no files.
 */
#ifndef COMMON_PROGRAM_SCHEMA_H
#define COMMON_PROGRAM_SCHEMA_H

#include "common/base/buf.h"

#define SCHEMA_MAX_BYTES ((size_t)1 << 20)

/* Writes the schema (JSON Schema 2020-12), indented, with a newline at its end. */
void schema_write(struct buf *out);

#endif
