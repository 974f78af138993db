/* http_chunks - the framing of a chunked body, judged byte by byte before llhttp sees it.   [pure]
 *
 * llhttp bounds neither the length of a chunk-size line nor that of extensions and trailers, and
 * versions accept different other things. Extensions and trailers are legal, mean nothing
 * here and are skipped, within a bound for the whole body.
 */
#ifndef COMMON_NET_HTTP_CHUNKS_H
#define COMMON_NET_HTTP_CHUNKS_H

#include "common/net/http_rules.h"

struct http_chunks { /* all zero at the start of a body; plain value */
    uint8_t state;
    uint8_t digits; /* of the chunk size being read */
    bool done;      /* the last chunk and the trailers were read */
    uint64_t left;  /* bytes of the chunk still to come */
    uint64_t total; /* bytes of body announced so far */
    size_t ignored; /* bytes of extensions and trailers so far */
};

/* Judges PIECE; *USED says how much of it belongs to this body (all of it unless C->done).
 * FAULT_BODY_TOO_LARGE as soon as the chunks announced exceed MAX bytes. */
enum http_fault http_chunks_judge(struct http_chunks *c, struct slice piece, uint64_t max,
                                  size_t *used);

#endif
