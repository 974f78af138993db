/* json - small JSON documents as trees: the configuration, fields of API calls, lists of providers.   [edge: json-c]
 *
 * Bodies of webhooks are checked as a stream (json_scan.h) and relayed as bytes. Exception: a body of at most 4 KiB that
 * may be a challenge (judge_challenge) is parsed here after the stream has accepted it.
 */
#ifndef COMMON_JSON_JSON_H
#define COMMON_JSON_JSON_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

struct json; /* a value; its document owns it unless a comment says otherwise */

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* Parses one document by json_rules_tree of json_events.h; an object that has a key twice is an error too. E says what is
 * wrong and at which line and column, and never quotes a value. Free the document with json_free. */
enum err json_parse(struct slice text, struct json **out, struct error *e) MUST_CHECK;
/* The same for a text that others wrote: a byte order mark in front is left out, and half a surrogate pair becomes U+FFFD. */
enum err json_parse_received(struct slice text, struct json **out, struct error *e) MUST_CHECK;
void json_free(struct json *doc);

/* JSON_NULL also for J == NULL. */
enum json_kind json_kind(const struct json *j);
bool json_bool(const struct json *j);
int64_t json_int(const struct json *j);
double json_double(const struct json *j); /* ints too */
struct slice json_string(const struct json *j);

size_t json_length(const struct json *j); /* of an array or object */
const struct json *json_at(const struct json *array, size_t i);
/* NULL if KEY is missing, and also for a null: json_next tells the two apart. */
const struct json *json_get(const struct json *object, const char *key);
/* Walks an object's members in their order: start with *AT = 0. False at the end. OBJECT must not change meanwhile. */
bool json_next(const struct json *object, size_t *at, struct slice *key, const struct json **value);

#endif
