#include "dispatcher/egress.h"

/* Bits of the narrowest range of LIST that holds A, or -1. */
static int narrowest(const struct cidr *list, size_t n, const struct addr *a)
{
    int bits = -1;
    for (size_t i = 0; i < n; i++)
        if ((int)list[i].bits > bits && cidr_has(&list[i], a))
            bits = (int)list[i].bits;
    return bits;
}

bool egress_allows(const struct egress *e, const struct addr *a, bool from_api)
{
    if (a->family != 4 && a->family != 6)
        return false;
    int allowed = narrowest(e->allow, e->allow_count, a);
    int denied = narrowest(e->deny, e->deny_count, a);
    if (allowed >= 0 || denied >= 0)
        return allowed >= denied;
    return !from_api || !addr_is_special(a);
}
