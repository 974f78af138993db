#include "common/redis/redis_scripts.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

void redis_script_init(struct redis_script *s, const char *name, const unsigned char *text,
                       size_t len)
{
    *s = (struct redis_script){.name = name, .text = text, .len = len};
    unsigned char sha1[DIGEST_MAX];
    digest_once(DIGEST_SHA1, slice_make(text, len), sha1);
    text_hex(sha1, digest_len(DIGEST_SHA1), s->sha);
}

struct loaded *redis_scripts_find(struct loaded_scripts *all, const struct redis_script *s)
{
    for (size_t i = 0; i < all->count; i++)
        if (memcmp(all->list[i].script.sha, s->sha, sizeof s->sha) == 0)
            return &all->list[i];
    if (all->count == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 16;
        all->list = xrealloc(all->list, all->cap, sizeof *all->list);
    }
    struct loaded *added = &all->list[all->count++];
    *added = (struct loaded){.script = *s, .at = UINT64_MAX};
    return added;
}

void redis_scripts_forget(struct loaded_scripts *all)
{
    all->count = 0;
}

void redis_scripts_clear(struct loaded_scripts *all)
{
    free(all->list);
    *all = (struct loaded_scripts){0};
}
