/* ids - checks ids, tags and names, and makes new ids.   [pure, but for the randomness of a UUIDv7] */
#ifndef COMMON_WEBHOOK_IDS_H
#define COMMON_WEBHOOK_IDS_H

#include "common/base/clock.h"
#include "common/base/slice.h"

#define ID_MAX 128
#define TAG_MAX 255             /* characters */
#define TAG_BYTES (4 * TAG_MAX) /* of the longest tag */
#define NAME_MAX_LEN 64
#define UUID_LEN 36

/* [A-Za-z0-9._:-]{1,128}, not "." or "..". */
bool id_is_valid(struct slice id);
/* At most 255 characters (code points) of UTF-8 without control characters; empty is fine. */
bool tag_is_valid(struct slice tag);
/* Names of sources, destinations, lanes, accounts: [A-Za-z0-9_-]{1,64}. */
bool name_is_valid(struct slice name);
/* UUID version 7 (RFC 9562 5.7), lower case, UUID_LEN characters and a NUL. */
void uuid7(wall_ms now, char out[UUID_LEN + 1]);

#endif
