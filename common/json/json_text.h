/* json_text - the rules for JSON text that yajl does not keep, and a bound on what it must hold.
 * [pure]
 *
 * yajl lets overlong UTF-8, surrogates (`\ud800` alone, or encoded in UTF-8) and code points past
 * U+10FFFF through, takes form feeds for white space, and it keeps the whole of a string or number
 * that stands in several pieces.
 * This walks the text in front of it: strings are checked here to their last byte, but only their
 * first JSON_TEXT_FED bytes are handed on, so a string of 100 MB costs no more than one of 4 KiB.
 */
#ifndef COMMON_JSON_JSON_TEXT_H
#define COMMON_JSON_JSON_TEXT_H

#include "common/base/slice.h"

#include <stdint.h>

#define JSON_TEXT_FED                                                                              \
    4096 /* over 6 * JSON_SCAN_VALUE_MAX: what is cut was too long to be picked  \
                            */
#define JSON_TEXT_NUMBER_MAX 1024 /* bytes of the longest number */

enum json_text_state { /* inside a string */
                       TEXT_PLAIN,
                       TEXT_ESCAPE,        /* after a backslash */
                       TEXT_HEX,           /* inside \uXXXX */
                       TEXT_LOW_BACKSLASH, /* after a high surrogate: the other half must follow */
                       TEXT_LOW_U,
                       TEXT_UTF8 /* inside a character of several bytes */
};

struct json_text { /* plain value; zero is the start of a document */
    bool in_string, skipping, want_low;
    enum json_text_state state;
    unsigned left;          /* hex digits or UTF-8 bytes still to come */
    unsigned char min, max; /* range of the next UTF-8 byte */
    uint32_t code;          /* of \uXXXX */
    size_t fed;             /* bytes of this string so far */
    size_t number;          /* length of the number that the last piece ended in */
};

/* Takes bytes off *REST and gives the SPAN of them that the parser is to see (maybe empty). Call
 * until *REST is empty. NULL, or what is wrong. */
const char *json_text_next(struct json_text *t, struct slice *rest, struct slice *span);

#endif
