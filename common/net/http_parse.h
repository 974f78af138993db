/* http_parse - llhttp behind our rules: a head in one piece, a body in many.   [edge: llhttp]
 *
 * The head is parsed once it is complete and its bytes were judged by http_scan, so its fields are
 * slices of it. A request must pass both: our rules, and those of llhttp.
 */
#ifndef COMMON_NET_HTTP_PARSE_H
#define COMMON_NET_HTTP_PARSE_H

#include "common/net/http_rules.h"

struct http_parser;

/* Takes a piece of the body, borrowed for the call. False stops the parser for good. */
typedef bool (*http_piece_fn)(void *ctx, struct slice piece);

struct http_parser *http_parser_new(void);
void http_parser_free(struct http_parser *p);

/* Parses HEAD (S: what http_scan found), and readies P for the body. *COMPLETE is set if no body
 * follows. OUT->fields belongs to P and lasts until the next head. */
enum http_fault http_parser_head(struct http_parser *p, struct slice head,
                                 const struct http_scan *s, struct http_head *out, bool *complete);
/* Feeds a piece of the body, of which FN is given what is left without framing. *COMPLETE is set at
 * the body's end; *USED says how much of PIECE belonged to it. Not to be called again after a fault
 * or after FN said no. */
enum http_fault http_parser_body(struct http_parser *p, struct slice piece, http_piece_fn fn,
                                 void *ctx, size_t *used, bool *complete);

#endif
