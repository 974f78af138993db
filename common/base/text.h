/* text - strict reading and writing of small texts.   [pure]
 *
 * The only place where digits, hex, base64, percent-encoding and UTF-8 are decoded. Everything is
 * strict: no signs, no spaces, no leniency that a sender could use to mean two things at once.
 */
#ifndef COMMON_BASE_TEXT_H
#define COMMON_BASE_TEXT_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

/* Decimal digits only, at most 19 of them, value <= MAX. ERR_INVALID otherwise. */
enum err text_u64(struct slice s, uint64_t max, uint64_t *out) MUST_CHECK;
/* Same with an optional leading '-'. */
enum err text_i64(struct slice s, int64_t *out) MUST_CHECK;

/* Value of a hex digit of either case, or -1. */
int text_hex_value(char c);
/* 2*LEN lower-case hex digits into OUT, no NUL. */
void text_hex(const void *bytes, size_t len, char *out);
/* Hex of either case; S.len must be 2*LEN. */
enum err text_unhex(struct slice s, void *out, size_t len) MUST_CHECK;

/* Standard alphabet with padding. OUT needs 4*((LEN+2)/3) bytes; no NUL. Returns bytes written. */
size_t text_base64(const void *bytes, size_t len, char *out);
/* Standard alphabet only; padding must be complete, or absent if PADDING_OPTIONAL; unused bits must
 * be zero. OUT needs 3*((S.len+3)/4) bytes. */
enum err text_unbase64(struct slice s, bool padding_optional, void *out, size_t *len) MUST_CHECK;

/* Percent-encodes all but RFC 3986's unreserved characters. */
void text_add_percent(struct buf *out, struct slice s);
/* Percent-encodes all characters but those for which IS_KEPT is true. */
void text_add_percent_but(struct buf *out, struct slice s, bool (*is_kept)(char c));
/* Decodes %XX; with PLUS also '+' as space. ERR_INVALID on a broken escape or on %00. */
enum err text_unpercent(struct buf *out, struct slice s, bool plus) MUST_CHECK;

/* The number of bytes at the beginning of S that need no escape in a JSON string: visible ASCII but quotes and
 * backslashes. */
size_t text_json_plain(struct slice s);
/* Appends S as the inside of a JSON string: quotes, backslashes and control characters escaped,
 * bytes that are not valid UTF-8 replaced by U+FFFD. The quotes around it are the caller's. */
void text_add_json(struct buf *out, struct slice s);
/* Width (1-4) of the valid UTF-8 character that S starts with, or 0. No surrogates, no overlongs. */
size_t text_utf8_width(struct slice s);
/* All of S is valid UTF-8. */
bool text_is_utf8(struct slice s);
/* S holds a byte below 0x20 or 0x7f. */
bool text_has_control(struct slice s);

/* Edit distance (insert, delete, replace, swap of neighbours), at most MAX+1. */
unsigned text_distance(struct slice a, struct slice b, unsigned max);

/* "Did you mean": looks for the word that WORD may be a slip of. It differs in at most two edits, fewer than either
 * word has characters, or only in the case of letters. */
struct text_guess { /* plain value; borrows its words */
    struct slice word, best;
    unsigned distance;
};
#define TEXT_GUESS_MAX 128
struct text_guess text_guess(struct slice word);
void text_guess_try(struct text_guess *g, struct slice candidate);
/* Writes "; did you mean \"x\"?" with PREFIX in front of x, or nothing if no candidate was near. Returns OUT. */
const char *text_guess_write(const struct text_guess *g, const char *prefix,
                             char out[TEXT_GUESS_MAX]);

/* C in lower case, if it is a letter of ASCII. */
static inline char text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Can a text that begins with FIRST match PATTERN? A search in a list of patterns passes over most patterns by this. */
static inline bool text_glob_begins(const char *pattern, char first)
{
    return *pattern == '*' || text_lower(*pattern) == text_lower(first);
}

/* Matches S against PATTERN, in which '*' is any run; letters without regard to case. */
bool text_glob_nocase(const char *pattern, struct slice s);

#endif
