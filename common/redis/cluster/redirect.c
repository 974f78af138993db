#include "common/redis/cluster/redirect.h"

#include "common/base/text.h"
#include "common/redis/cluster/slots.h"
#include "common/redis/redis.h"

#define PORT_MAX 65535
#define HOST_MAX 255
#define SCRIPT_KEY 3 /* EVALSHA, digest, number of keys, first key */
#define COMMAND_KEY 1

/* Reads "<slot> <host>:<port>". An IPv6 address has no brackets there. */
static bool read_place(struct slice text, struct redirect *out)
{
    uint64_t slot = 0, port = 0;
    struct slice address = text;
    struct slice number = slice_cut(&address, ' ');
    const char *colon = address.len ? memrchr(address.ptr, ':', address.len) : NULL;
    if (!colon || text_u64(number, SLOTS - 1, &slot) != OK)
        return false;
    size_t len = (size_t)(colon - address.ptr);
    if (len > HOST_MAX || text_u64(slice_skip(address, len + 1), PORT_MAX, &port) != OK || !port)
        return false;
    out->slot = (unsigned)slot;
    out->host = slice_make(address.ptr, len);
    out->port = (unsigned)port;
    return true;
}

struct redirect redirect_read(const struct redis_reply *r)
{
    static const struct {
        struct slice word;
        enum redirect_kind kind;
    } words[] = {{SLICE_LIT("MOVED"), REDIRECT_MOVED},
                 {SLICE_LIT("ASK"), REDIRECT_ASK},
                 {SLICE_LIT("TRYAGAIN"), REDIRECT_AGAIN},
                 {SLICE_LIT("CLUSTERDOWN"), REDIRECT_DOWN}};
    struct redirect out = {.kind = REDIRECT_NONE};
    if (redis_kind(r) != REDIS_FAILED)
        return out;
    struct slice rest = redis_text(r);
    struct slice word = slice_cut(&rest, ' ');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_eq(word, words[i].word))
            out.kind = words[i].kind;
    bool has_place = out.kind == REDIRECT_MOVED || out.kind == REDIRECT_ASK;
    if (has_place && !read_place(rest, &out))
        out.kind = REDIRECT_NONE;
    return out;
}

/* Cuts "<mark><number>\r\n" off *BYTES. False if it is something else. */
static bool cut_number(struct slice *bytes, char mark, uint64_t *out)
{
    struct slice line = slice_cut(bytes, '\n');
    return line.len > 2 && line.ptr[0] == mark && line.ptr[line.len - 1] == '\r' &&
           text_u64(slice_make(line.ptr + 1, line.len - 2), SIZE_MAX, out) == OK;
}

struct slice redirect_argument(struct slice bytes, size_t n)
{
    uint64_t count, len;
    if (!cut_number(&bytes, '*', &count) || n >= count)
        return (struct slice){0};
    for (size_t i = 0;; i++) {
        if (!cut_number(&bytes, '$', &len) || len > bytes.len)
            return (struct slice){0};
        if (i == n)
            return slice_head(bytes, (size_t)len);
        bytes = slice_skip(bytes, (size_t)len + 2);
    }
}

unsigned redirect_slot(struct slice bytes, bool is_script)
{
    return slot_of_key(redirect_argument(bytes, is_script ? SCRIPT_KEY : COMMAND_KEY));
}
