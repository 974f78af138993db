/* redis_out - commands on their way: the bytes written and to be written, kept until answered.
 * [pure]
 *
 * A stream of bytes in chunks. A command is formatted once, straight into the chunk it is sent
 * from, and never moves: large ones get a chunk of their own size. Because the bytes are kept until
 * the answer, a command can be sent again (EVALSHA after NOSCRIPT) without a copy for just in case.
 * Positions are byte offsets since redis_out_reset.
 */
#ifndef COMMON_REDIS_REDIS_OUT_H
#define COMMON_REDIS_REDIS_OUT_H

#include "common/base/slice.h"

#include <stdint.h>
#include <sys/uio.h>

struct out_chunk;

struct out { /* owned by its connection; redis_out_clear frees */
    struct out_chunk *head, *tail, *spare;
    struct out_chunk *writing; /* the chunk that holds `written`, or NULL: look from head */
    uint64_t answered, written, end;
    size_t left; /* bytes of arguments of the command being written that are still to be copied */
};

void redis_out_init(struct out *o);
void redis_out_clear(struct out *o);
/* Forgets everything, for a new connection. */
void redis_out_reset(struct out *o);

/* The bytes an argument takes on the wire. */
size_t redis_out_size(struct slice arg);
/* Those of them that are written around an argument given by redis_out_take. */
size_t redis_out_frame(struct slice arg);
/* A command of ARGC arguments whose redis_out_size add up to SIZE: open, then exactly these
 * arguments. */
void redis_out_open(struct out *o, size_t argc, size_t size);
void redis_out_arg(struct out *o, struct slice arg);
/* The same without a copy (redis_out_open counts its redis_out_frame only): the memory that ARG begins,
 * from malloc, is sent from where it is, owned and freed by O. */
void redis_out_take(struct out *o, struct slice arg);

/* Unwritten bytes, at most MAX pieces; returns how many. */
int redis_out_pieces(struct out *o, struct iovec *iov, int max);
void redis_out_wrote(struct out *o, size_t n);
/* The peer answered everything before UPTO, the end of a command: its memory goes. */
void redis_out_answered(struct out *o, uint64_t upto);
/* Appends again the command whose bytes are START to END; not answered yet. */
void redis_out_repeat(struct out *o, uint64_t start, uint64_t end);

#endif
