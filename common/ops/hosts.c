#include "common/ops/hosts.h"

static bool is_ipv4(struct slice host)
{
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9'))
            return false;
    return true;
}

bool hosts_fit(struct host_names names, struct slice host)
{
    if (!names.count || slice_starts(host, SLICE_LIT("[")))
        return true;
    struct slice name = slice_cut(&host, ':');
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (is_ipv4(name) || slice_eq_nocase(name, SLICE_LIT("localhost")))
        return true;
    for (size_t i = 0; i < names.count; i++)
        if (slice_eq_nocase(name, slice_str(names.items[i])))
            return true;
    return false;
}
