/* redis_out - the output of a connection: commands that are to be written, or are not answered yet.   [pure]
 *
 * The output is a stream of bytes in chunks. A command is formatted once, into the chunk that it is sent from, and
 * never moves. A large command gets a chunk of its own size. The bytes are kept until Redis has answered, so a command
 * can be sent again (EVALSHA after NOSCRIPT) without a second copy. Positions count bytes from the begin of the stream.
 */
#ifndef COMMON_REDIS_WIRE_REDIS_OUT_H
#define COMMON_REDIS_WIRE_REDIS_OUT_H

#include "common/base/slice.h"

#include <stdint.h>
#include <sys/uio.h>

struct out_chunk;

struct out { /* owned by its connection; redis_out_clear frees */
    struct out_chunk *head, *tail, *spare;
    struct out_chunk *writing; /* the chunk that holds `written`, or NULL: look from head */
    uint64_t answered, written, end;
    uint64_t hold; /* nothing from here on is written yet; UINT64_MAX: all may be */
    size_t left;   /* bytes of arguments of the command being written that are still to be copied */
};

void redis_out_init(struct out *o);
/* Frees all chunks. Positions begin at 0 again. */
void redis_out_clear(struct out *o);

/* The bytes of one argument on the wire, its frame included. */
size_t redis_out_size(struct slice arg);
/* The sum of redis_out_size of N arguments. */
size_t redis_out_sizes(const struct slice *args, size_t n);
/* The bytes that the protocol puts around an argument. */
size_t redis_out_frame(struct slice arg);
/* Begins a command. Exactly ARGC arguments must follow. SIZE is the sum of their redis_out_size, less the bytes that
 * redis_out_join does not copy. */
void redis_out_open(struct out *o, size_t argc, size_t size);
void redis_out_arg(struct out *o, struct slice arg);
/* Adds HEAD and TAIL as one argument. IS_TAKEN: TAIL is not copied; it is the begin of memory from malloc, which O owns and frees
 * from here on. */
void redis_out_join(struct out *o, struct slice head, struct slice tail, bool is_taken);

/* Fills IOV with the bytes that are not written yet, at most MAX pieces. Returns how many pieces. */
int redis_out_pieces(struct out *o, struct iovec *iov, int max);
void redis_out_wrote(struct out *o, size_t n);
/* Redis has answered everything before UPTO, which is the end of a command. Frees what was answered. */
void redis_out_answered(struct out *o, uint64_t upto);
/* Appends a copy of the command at START to END, which must not be answered yet. */
void redis_out_repeat(struct out *o, uint64_t start, uint64_t end);
/* A copy of that command, in memory from malloc. */
char *redis_out_copy(const struct out *o, uint64_t start, uint64_t end);
/* Adds a command as it is on the wire. BYTES is memory from malloc, which O owns and frees from here on. */
void redis_out_whole(struct out *o, char *bytes, size_t len);

#endif
