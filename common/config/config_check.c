#include "common/config/config_check.h"

#include "common/base/text.h"
#include "common/config/config_problems.h"
#include "common/net/http_rules.h"
#include "common/webhook/special_headers.h"

#include <ctype.h>
#include <stdio.h>

bool delay_is_allowed(int64_t delay_ms, int64_t step_ms)
{
    return delay_ms == 0 || delay_ms == 50 ||
           (delay_ms > 0 && delay_ms <= 1000 && delay_ms % step_ms == 0);
}

/* A brace would move keys to another hash slot, a space breaks every shell loop over redis-cli. */
const char *config_prefix_fault(struct slice redis_prefix)
{
    for (size_t i = 0; i < redis_prefix.len; i++) {
        unsigned char c = (unsigned char)redis_prefix.ptr[i];
        if (c >= 0x80 || !(isalnum(c) || (c && strchr("_.:-", c))))
            return "may hold only letters, digits, '_', '.', ':' and '-'";
    }
    return NULL;
}

/* RFC 6901 3 */
const char *config_pointer_fault(struct slice json_pointer)
{
    if (json_pointer.len == 0 || json_pointer.ptr[0] != '/')
        return "is no JSON pointer: it must start with '/'";
    for (size_t i = 0; i < json_pointer.len; i++) {
        char next = i + 1 < json_pointer.len ? json_pointer.ptr[i + 1] : 0;
        if (json_pointer.ptr[i] == '~' && next != '0' && next != '1')
            return "is no JSON pointer: after '~' must stand 0 or 1";
    }
    return NULL;
}

const char *config_pattern_fault(struct slice header_pattern)
{
    if (!http_is_token(header_pattern) || header_pattern.len > 64)
        return "is no header name or pattern like x-* (at most 64 characters)";
    return NULL;
}

const char *config_header_fault(struct slice name, struct slice value)
{
    if (!http_is_token(name) || name.len > 128)
        return "is no header name";
    if (special_header(name) & HEADERS_OF_A_REQUEST)
        return "is set by the dispatcher itself";
    if (text_has_control(value))
        return "the value holds a control character";
    return NULL;
}

static void report_order(struct config_problems *problems, const struct destination *d,
                         const struct destination *other)
{
    static const char *const words[] = {[ORDER_REQUEUE] = "requeue", [ORDER_FIFO] = "fifo"};
    char path[160];
    snprintf(path, sizeof path, "destinations.%s.order", d->name);
    config_problems_add(problems, slice_str(path), "is %s, but %s%s, on the same lane, has %s",
                        words[d->order], other->account ? "account " : "destinations.",
                        other->account ? other->account->name : other->name, words[other->order]);
}

void config_check_lanes(const struct config *c, struct config_problems *problems)
{
    struct map firsts; /* lane -> its first destination */
    map_init(&firsts);
    struct config_walk walk = {0};
    struct destination *d;
    while (config_next_destination(c, &walk, &d)) {
        struct destination *first = map_get(&firsts, slice_str(d->lane));
        if (!first)
            map_set(&firsts, slice_str(d->lane), d);
        else if (d->order == first->order)
            continue;
        else if (!d->account)
            report_order(problems, d, first);
        else if (d->kind == DELIVERY_POSTBACK) /* an account has two destinations and one lane */
            report_order(problems, first, d);
    }
    map_clear(&firsts);
}
