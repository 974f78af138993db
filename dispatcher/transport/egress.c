#include "dispatcher/transport/egress.h"

static bool is_own(const struct egress *e, const struct addr *a)
{
    struct addr target = addr_behind_nat64(a);
    for (size_t i = 0; i < e->own_count; i++)
        if (addr_same(&e->own[i], &target))
            return true;
    return false;
}

struct egress egress_of(const struct config_dispatcher *conf)
{
    return (struct egress){.allow = conf->allow,
                           .allow_count = conf->allow_count,
                           .deny = conf->deny,
                           .deny_count = conf->deny_count};
}

bool egress_allows(const struct egress *e, const struct addr *a, bool from_api)
{
    if (a->family != 4 && a->family != 6)
        return false;
    if (cidr_any(e->allow, e->allow_count, a))
        return true;
    if (cidr_any(e->deny, e->deny_count, a))
        return false;
    return !from_api || (!addr_is_special(a) && !is_own(e, a));
}
