/* ids - checks ids, tags and names, and makes new ids.   [pure, but for the randomness of a UUIDv7] */
#ifndef COMMON_WEBHOOK_IDS_H
#define COMMON_WEBHOOK_IDS_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/slice.h"

#define ID_MAX 255 /* bytes */
#define ID_KEY_MAX (3 * ID_MAX)
#define TAG_MAX 255             /* characters */
#define TAG_BYTES (4 * TAG_MAX) /* of the longest tag */
#define NAME_MAX_LEN 64
#define UUID_LEN 36

/* 1 to ID_MAX bytes of UTF-8 without control characters. */
bool id_is_valid(struct slice id);
/* Appends the form of the id for Redis keys, delivery ids and HTTP headers: bytes outside A-Za-z0-9._:- are
 * percent-encoded. Two
 * ids never become one. A key has no `~`, so the queue marks its own keys by one ("<id>~2"). */
void id_add_key(struct buf *out, struct slice id);
/* Appends the key that the API means by NAME: an id, or "<id>~<n>" for the n-th event of that id. "~f" behind either names the
 * announcement of the event. An id that a sender gave may end in such a mark itself: "<id>~1" is the event with just this id. An id
 * that a sender gave may look like the key of a task, too: "~@acme/1" is the event with the id "@acme/1". */
void id_add_named_key(struct buf *out, struct slice name);
/* The reverse of id_add_named_key: two keys are never shown alike. Of "@<account>/<id>", a task, the id is shown as it is. A key
 * that id_add_key never makes of a valid id is appended as it is. */
void id_add_shown(struct buf *out, struct slice key);
/* At most 255 characters (code points) of UTF-8 without control characters; empty is fine. */
bool tag_is_valid(struct slice tag);
/* Names of sources, destinations, lanes, accounts: [A-Za-z0-9_-]{1,64}. */
bool name_is_valid(struct slice name);
/* UUID version 7 (RFC 9562 5.7), lower case, UUID_LEN characters and a NUL. */
void uuid7(wall_ms now, char out[UUID_LEN + 1]);

#endif
