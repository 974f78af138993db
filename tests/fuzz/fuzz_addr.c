/* Addresses, CIDR blocks, listen addresses, Redis URLs: against inet_pton and arithmetic on bits. */
#include "common/base/text.h"
#include "common/config/config_redis.h"
#include "common/config/config_url.h"
#include "common/net/addr.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static bool bit(const struct addr *a, unsigned i)
{
    return a->ip[i / 8] >> (7 - i % 8) & 1;
}

static bool naive_has(const struct cidr *c, const struct addr *a)
{
    if (c->base.family != a->family || !a->family)
        return false;
    for (unsigned i = 0; i < c->bits; i++)
        if (bit(&c->base, i) != bit(a, i))
            return false;
    return true;
}

/* Writes C and reads it again. */
static void there_and_back(const struct cidr *c)
{
    char ip[ADDR_TEXT], text[ADDR_TEXT + 8];
    struct cidr again;
    addr_text(&c->base, ip);
    snprintf(text, sizeof text, "%s/%u", ip, c->bits);
    INSIST(cidr_parse(slice_str(text), &again, NULL) == OK);
    INSIST(again.bits == c->bits && memcmp(again.base.ip, c->base.ip, 16) == 0 &&
           again.base.family == c->base.family);
}

static void blocks(struct slice text, const struct addr *some)
{
    struct cidr c;
    struct error e;
    if (cidr_parse(text, &c, &e) != OK)
        return;
    INSIST(c.bits <= (c.base.family == 4 ? 32 : 128));
    for (unsigned i = c.bits; i < (c.base.family == 4 ? 32 : 128); i++)
        INSIST(!bit(&c.base, i));
    INSIST(cidr_has(&c, &c.base));
    INSIST(cidr_has(&c, some) == naive_has(&c, some));
    there_and_back(&c);
}

/* Addresses to which nobody outside may make us connect, in the plainest terms. */
static bool is_inside(const unsigned char *ip)
{
    return ip[0] == 0 || ip[0] == 10 || ip[0] == 127 || ip[0] >= 224 ||
           (ip[0] == 169 && ip[1] == 254) || (ip[0] == 172 && ip[1] >= 16 && ip[1] < 32) ||
           (ip[0] == 192 && ip[1] == 168) || (ip[0] == 100 && ip[1] >= 64 && ip[1] < 128);
}

static void special(const unsigned char ip[16])
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct addr a4, a6, mapped;
    memcpy(&in4.sin_addr, ip, 4);
    addr_from_sockaddr((struct sockaddr *)&in4, &a4);
    INSIST(!is_inside(ip) || addr_is_special(&a4));

    memcpy(&in6.sin6_addr, ip, 16);
    addr_from_sockaddr((struct sockaddr *)&in6, &a6);
    if (a6.family == 6 && memcmp(ip, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12) != 0)
        INSIST((ip[0] & 0xe0) == 0x20 || addr_is_special(&a6));

    memset(&in6.sin6_addr, 0, 10);
    memset((char *)&in6.sin6_addr + 10, 0xff, 2);
    memcpy((char *)&in6.sin6_addr + 12, ip, 4);
    addr_from_sockaddr((struct sockaddr *)&in6, &mapped);
    INSIST(mapped.family == 4 && addr_is_special(&mapped) == addr_is_special(&a4));

    memcpy(&in6.sin6_addr, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12);
    addr_from_sockaddr((struct sockaddr *)&in6, &mapped);
    INSIST(addr_is_special(&mapped) == addr_is_special(&a4));
}

#define PASSWORD "Zq7-paSSword"

static void redis_url(struct slice text)
{
    struct config_redis r = {0};
    struct error e = {""};
    if (config_redis_parse(text, &r, &e) == OK) {
        INSIST(r.shown && !r.node_count == !!r.unix_path && r.node_count <= REDIS_NODES_MAX);
        INSIST(!r.master == (r.mode != REDIS_SENTINEL) && !(r.db && r.mode == REDIS_CLUSTER));
        for (size_t i = 0; i < r.node_count; i++)
            INSIST(r.nodes[i].host[0] && r.nodes[i].port >= 1 && r.nodes[i].port <= 65535);
        INSIST(!text_has_control(slice_str(r.shown)));
    } else {
        INSIST(e.text[0] && !text_has_control(slice_str(e.text)));
    }
    config_redis_clear(&r);

    /* a password is never shown, whatever stands behind it */
    if (text.len && memmem(text.ptr, text.len, PASSWORD, strlen(PASSWORD)))
        return;
    static const char *const schemes[] = {"redis", "rediss", "redis+sentinel", "redis+cluster"};
    char url[512];
    snprintf(url, sizeof url, "%s://:" PASSWORD "%.*s", schemes[text.len % 4],
             (int)(text.len < 300 ? text.len : 300), text.len ? text.ptr : "");
    r = (struct config_redis){0};
    enum err rc = config_redis_parse(slice_str(url), &r, &e);
    INSIST(rc == OK ? !strstr(r.shown, PASSWORD) : !strstr(e.text, PASSWORD));
    config_redis_clear(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(data, size);
    unsigned char ip[16] = {0};
    memcpy(ip, data, size < 16 ? size : 16);
    struct addr some = {.family = size % 2 ? 4 : 6};
    memcpy(some.ip, ip, size % 2 ? 4 : 16);
    special(ip);
    blocks(text, &some);
    redis_url(text);
    if (!config_listen_fault(text)) {
        const char *colon = memrchr(text.ptr, ':', text.len);
        INSIST(colon && !memchr(text.ptr, 0, text.len) && !text_has_control(text));
    }
    const char *fault = config_proxy_fault(text);
    INSIST(!fault || *fault);
    return 0;
}
