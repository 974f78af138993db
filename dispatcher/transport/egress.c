#include "dispatcher/transport/egress.h"

/* The addresses that lead to this machine although no interface has them: loopback, and "this host". */
static const struct cidr loopbacks[] = {
    {{{127}, 4, 0}, 8}, {{{0}, 4, 0}, 8}, {{{0}, 6, 0}, 127}, /* :: and ::1 */
};

static bool is_own(const struct egress *e, const struct addr *a)
{
    for (size_t i = 0; i < e->own_count; i++)
        if (addr_same(&e->own[i], a))
            return true;
    return cidr_any(loopbacks, sizeof loopbacks / sizeof loopbacks[0], a);
}

/* Is A itself in the list, and not only a range that has it? */
static bool is_listed_alone(const struct cidr *list, size_t n, const struct addr *a)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].bits == (a->family == 4 ? 32 : 128) && addr_same(&list[i].base, a))
            return true;
    return false;
}

struct egress egress_of(const struct config_dispatcher *conf)
{
    return (struct egress){.allow = conf->allow,
                           .allow_count = conf->allow_count,
                           .allow_accounts = conf->allow_accounts,
                           .allow_accounts_count = conf->allow_accounts_count,
                           .deny = conf->deny,
                           .deny_count = conf->deny_count};
}

static bool is_open(const struct egress *e, const struct addr *a)
{
    return cidr_any(e->allow, e->allow_count, a) || !cidr_any(e->deny, e->deny_count, a);
}

static bool is_open_to_accounts(const struct egress *e, const struct addr *a)
{
    if (is_own(e, a))
        return is_listed_alone(e->allow_accounts, e->allow_accounts_count, a);
    if (cidr_any(e->allow_accounts, e->allow_accounts_count, a))
        return true;
    if (cidr_any(e->deny, e->deny_count, a))
        return false;
    return addr_is_nat64(a) || !addr_is_special(a); /* the address inside is judged on its own */
}

bool egress_allows(const struct egress *e, const struct addr *a, bool from_api)
{
    bool (*judge)(const struct egress *, const struct addr *) =
        from_api ? is_open_to_accounts : is_open;
    struct addr inner[ADDR_EMBEDDED_MAX];
    if ((a->family != 4 && a->family != 6) || !judge(e, a))
        return false;
    size_t n = addr_embedded(a, inner);
    for (size_t i = 0; i < n; i++)
        if (!judge(e, &inner[i]))
            return false;
    return true;
}
