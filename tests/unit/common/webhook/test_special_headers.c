#include "common/webhook/special_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

/* F: cannot carry a signature; R: the configuration may not set it; S: never travels with an event; P: of proxies. */
static void each_name_has_its_uses(void **state)
{
    (void)state;
    static const struct {
        const char *name, *uses;
    } rows[] = {
        {"Host", "FRS"},
        {"content-length", "FRS"},
        {"Content-Type", "FRS"},
        {"content-encoding", "FRS"},
        {"transfer-encoding", "FRS"},
        {"connection", "FRS"},
        {"TE", "FRS"},
        {"upgrade", "FRS"},
        {"expect", "FRS"},
        {"keep-alive", "RS"},
        {"trailer", "RS"},
        {"proxy-connection", "RS"},
        {"User-Agent", "RS"},
        {"hookpace-delivery", "RS"},
        {"content-md5", "S"},
        {"content-disposition", "S"},
        {"proxy-authorization", "S"},
        {"authorization", "S"},
        {"cookie", "S"},
        {"set-cookie", "S"},
        {"accept-encoding", "S"},
        {"date", "S"},
        {"http2-settings", "S"},
        {"if-none-match", "S"},
        {"range", "S"},
        {"x-forwarded-for", "P"},
        {"X-Real-IP", "P"},
        {"x-real-ips", ""},
        {"x_real_ip", "P"},
        {"X-HTTP-Method-Override", "P"},
        {"x-original-url", "P"},
        {"x-forwarded", "P"},
        {"x-remote-user", "P"},
        {"X-Api-Key", "S"},
        {"x_api_key", "S"},
        {"x-gitlab-token", "S"},
        {"x-telegram-bot-api-secret-token", "S"},
        {"-token", "S"},
        {"token", ""},
        {"x-token-count", ""},
        {"hosts", ""},
        {"contents", ""},
        {"x-host", ""},
        {"accept", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned flags = special_header(slice_str(rows[i].name));
        const char *uses = rows[i].uses;
        if (!(flags & HEADER_FRAMING) != !strchr(uses, 'F') ||
            !(flags & HEADERS_OF_A_REQUEST) != !strchr(uses, 'R') ||
            !(flags & HEADERS_THAT_STAY) != !strchr(uses, 'S') ||
            !(flags & HEADER_PROXY) != !strchr(uses, 'P'))
            fail_msg("%s: %u", rows[i].name, flags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_name_has_its_uses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
