/* Each rule of the configuration: a document in which it is broken, and every line that is told.
 * Single quotes stand for double ones. */
#include "common/config/config.h"

#include "common/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOTHING "'sources':{},'destinations':{}"
/* One destination, and one source, with these keys. */
#define OUT(keys) "{'sources':{},'destinations':{'out':{'postback_url':'http://h/x'," keys "}}}"
#define IN(keys)                                                                                   \
    "{'destinations':{'out':{'postback_url':'http://h/x'}},'sources':{'in':{" keys "}}}"
#define VERIFY(keys) IN("'to':[],'verify':{" keys "}")
#define SIGN(keys) OUT("'sign':{" keys "}")
#define TOP(keys) "{" NOTHING "," keys "}"
#define KEY_RULE "must be a whole number from "

static struct config *parse(const char *quoted, struct config_problems *problems)
{
    struct config *c = NULL;
    char *text = xstrdup(quoted);
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    config_problems_init(problems);
    enum err rc = config_parse(slice_str(text), "/nowhere/test.json", &c, problems);
    assert_int_equal(rc, c ? OK : ERR_INVALID);
    assert_true((problems->count == 0) == (c != NULL));
    free(text);
    return c;
}

struct rule {
    const char *document, *says;
};

static void check(const struct rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct config_problems problems;
        struct config *c = parse(rules[i].document, &problems);
        const char *said = c ? "" : problems.text.ptr;
        if (strcmp(said, rules[i].says) != 0)
            fail_msg("%s\nsays\n%sinstead of\n%s", rules[i].document, said, rules[i].says);
        config_unref(c);
        config_problems_clear(&problems);
    }
}
#define CHECK(rules) check(rules, sizeof(rules) / sizeof *(rules))

static void documents(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"", "/nowhere/test.json: not valid JSON: line 1, column 1: the text ends too early\n"},
        {"{'a':1,'a':2}", "/nowhere/test.json: not valid JSON: line 1, column 8: this key stands "
                          "twice in its object\n"},
        {"[]", "(document): must be an object, not an array\n"},
        {"null", "(document): must be an object, not null\n"},
        {"{}", "sources: missing, and it has no default\n"
               "destinations: missing, and it has no default\n"},
        {"{" NOTHING "}", ""},
    };
    CHECK(rules);
}

static void unknown_keys(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {TOP("'redsi':{}"), "redsi: unknown key; did you mean \"redis\"?\n"},
        {TOP("'comment':'x'"), "comment: unknown key\n"},
        {TOP("'a b\\n':1"), "\"a b\\u000a\": unknown key\n"},
        {TOP("'redis':{'ulr':'x','timeout':1}"), "redis.ulr: unknown key; did you mean \"url\"?\n"
                                                 "redis.timeout: unknown key\n"},
        {TOP("'dispatcher':{'egress':{'alow':[]}}"),
         "dispatcher.egress.alow: unknown key; did you mean \"allow\"?\n"},
        {OUT("'retry':{'schedule':[]}"),
         "destinations.out.retry.schedule: unknown key; did you mean \"schedule_s\"?\n"},
        {OUT("'delay':100"), "destinations.out.delay: unknown key\n"},
        {VERIFY("'scheme':'none','secret':[]"),
         "sources.in.verify.secret: unknown key; did you mean \"secrets\"?\n"},
        {TOP("'scheme':{}"), "scheme: unknown key\n"},
        {TOP("'sources.*':{}"), "\"sources.*\": unknown key; did you mean \"sources\"?\n"},
    };
    CHECK(rules);
}

static void types_and_ranges(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {TOP("'redis':[]"), "redis: must be an object, not an array\n"},
        {TOP("'redis':null"), "redis: must be an object, not null\n"},
        {"{'sources':[],'destinations':1}", "sources: must be an object, not an array\n"
                                            "destinations: must be an object, not a number\n"},
        {TOP("'redis':{'partitions':0}"), "redis.partitions: " KEY_RULE "1 to 1024\n"},
        {TOP("'redis':{'partitions':1025}"), "redis.partitions: " KEY_RULE "1 to 1024\n"},
        {TOP("'redis':{'partitions':1.0}"), "redis.partitions: " KEY_RULE "1 to 1024\n"},
        {TOP("'redis':{'partitions':'1'}"),
         "redis.partitions: " KEY_RULE "1 to 1024, not a string\n"},
        {TOP("'redis':{'partitions':null}"), "redis.partitions: " KEY_RULE "1 to 1024, not null\n"},
        {TOP("'redis':{'timeout_ms':99999999999999999999}"),
         "redis.timeout_ms: " KEY_RULE "10 to 60000\n"},
        {TOP("'receiver':{'threads':65,'max_body_bytes':0,'max_connections':-1}"),
         "receiver.threads: " KEY_RULE "1 to 64\n"
         "receiver.max_body_bytes: " KEY_RULE "1 to 268435456\n"
         "receiver.max_connections: " KEY_RULE "1 to 1000000\n"},
        {TOP("'retention':{'done_s':0,'dead_s':-1,'dedup_s':1.5}"),
         "retention.done_s: " KEY_RULE "1 to 315360000\n"
         "retention.dead_s: " KEY_RULE "1 to 315360000\n"
         "retention.dedup_s: " KEY_RULE "1 to 315360000\n"},
        {OUT("'concurrency':0,'timeout_ms':0,'connect_timeout_ms':600001"),
         "destinations.out.concurrency: " KEY_RULE "1 to 65536\n"
         "destinations.out.timeout_ms: " KEY_RULE "1 to 600000\n"
         "destinations.out.connect_timeout_ms: " KEY_RULE "1 to 600000\n"},
        {OUT("'verify_tls':'no'"),
         "destinations.out.verify_tls: must be true or false, not a string\n"},
        {OUT("'order':'fiof'"), "destinations.out.order: must be one of requeue|fifo; did you mean "
                                "\"fifo\"?\n"},
        {OUT("'gzip':'x'"), "destinations.out.gzip: must be one of keep|always|never\n"},
        {OUT("'gzip':true"), "destinations.out.gzip: must be a string, not true or false\n"},
        {OUT("'lane':''"), "destinations.out.lane: must not be empty\n"},
        {OUT("'headers':[]"), "destinations.out.headers: must be an object of strings, not an "
                              "array\n"},
        {IN("'verify':{'scheme':'none'},'to':'out'"),
         "sources.in.to: must be an array of strings, not a string\n"},
        {IN("'verify':{'scheme':'none'},'to':[1]"),
         "sources.in.to[0]: must be a string, not a number\n"},
        {IN("'verify':{'scheme':'none'},'to':null"),
         "sources.in.to: must be an array of strings, not null\n"},
        {IN("'to':[],'verify':null"), "sources.in.verify: must be an object, not null\n"},
        {IN("'to':[],'verify':{}"), "sources.in.verify.scheme: missing, and it has no default\n"},
        {"{'destinations':{},'sources':{'in':{}}}",
         "sources.in.verify: missing, and it has no default\n"
         "sources.in.to: missing, and it has no default\n"},
        {"{'destinations':{},'sources':{'in':1}}", "sources.in: must be an object, not a number\n"},
        {"{'sources':{},'destinations':{'out':null}}",
         "destinations.out: must be an object, not null\n"},
    };
    CHECK(rules);
}

static void delays(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {OUT("'delay_ms':75"), "destinations.out.delay_ms: 75 is not allowed: 0, 50, or a multiple "
                               "of 100 up to 1000 (delay_step_ms)\n"},
        {TOP("'delay_ms':-1"),
         "delay_ms: -1 is not allowed: 0, 50, or a multiple of 100 up to 1000 "
         "(delay_step_ms)\n"},
        {TOP("'delay_ms':1100"), "delay_ms: 1100 is not allowed: 0, 50, or a multiple of 100 up to "
                                 "1000 (delay_step_ms)\n"},
        {TOP("'delay_step_ms':1,'delay_ms':1001"),
         "delay_ms: 1001 is not allowed: 0, 50, or a multiple of 1 up to 1000 (delay_step_ms)\n"},
        {TOP("'delay_ms':null"), "delay_ms: must be a whole number of milliseconds, not null\n"},
        {TOP("'delay_ms':50.5"),
         "delay_ms: must be a whole number of milliseconds, not a fraction\n"},
        {TOP("'delay_step_ms':0"), "delay_step_ms: " KEY_RULE "1 to 1000\n"},
        {TOP("'accounts':{'a':{'password':'password','delay_ms':150}}"),
         "accounts.a.delay_ms: 150 is not allowed: 0, 50, or a multiple of 100 up to 1000 "
         "(delay_step_ms)\n"},
        {TOP("'delay_step_ms':1,'delay_ms':75"), ""},
        {TOP("'delay_step_ms':250,'delay_ms':750"), ""},
        {OUT("'delay_ms':50"), ""},
        {OUT("'delay_ms':1000"), ""},
        {OUT("'delay_ms':null"), ""},
    };
    CHECK(rules);
}

static void top_level(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {TOP("'redis':{'url':'redis://:hunter2@h:x'}"), "redis.url: the port must be 1 to 65535\n"},
        {TOP("'redis':{'prefix':'a{b}'}"),
         "redis.prefix: may hold only letters, digits, '_', '.', ':' and '-'\n"},
        {TOP("'receiver':{'listen':'8080'},'admin':{'listen':'::1:80'},'dispatcher':{'listen':'a "
             "b:1'}"),
         "receiver.listen: must be host:port, with a port from 0 (any free one) to 65535\n"
         "admin.listen: an IPv6 address must stand in brackets: [::1]:8080\n"
         "dispatcher.listen: the host is neither an address nor a name\n"},
        {TOP("'receiver':{'tls':{'cert':'c.pem'}}"),
         "receiver.tls.key: missing, and it has no default\n"
         "receiver.tls.cert: cannot open the file /nowhere/c.pem: No such file or directory\n"},
        {TOP("'receiver':{'tls':{'cert':'/dev/null','key':'/dev/null'}}"),
         "receiver.tls: TLS certificate /dev/null: error:0480006C:PEM routines::no start line\n"},
        {TOP("'dispatcher':{'egress':{'allow':['10.0.0.0/8','10.0.0.1/"
             "8'],'deny':['x'],'proxy':'p:1'}}"),
         "dispatcher.egress.proxy: must start with http://, https://, socks5:// or socks5h://\n"
         "dispatcher.egress.allow[1]: \"10.0.0.1/8\" has bits set behind its /8\n"
         "dispatcher.egress.deny[0]: \"x\" is not an IP address or CIDR block\n"},
        {TOP("'accounts':{'a "
             "b':{'password':'password'},'c':{'password':'short'},'d':{'password':'password','role'"
             ":'root'},'e':{}}"),
         "accounts.\"a b\": a name is 1 to 64 letters, digits, '_' and '-'\n"
         "accounts.c.password: must have at least 8 bytes\n"
         "accounts.d.role: must be one of admin|user\n"
         "accounts.e.password: missing, and it has no default\n"},
        {TOP("'accounts':{'a':{'password':'password','sign':{'scheme':'basic','secrets':['me:"
             "hunter2']}}}"),
         "accounts.a.sign.scheme: basic cannot sign what is sent\n"},
        {TOP("'receiver':{'tls':null},'accounts':{'a':{'password':'password','sign':null}}"), ""},
    };
    CHECK(rules);
}

static void schemes(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {VERIFY("'scheme':'gitub','secrets':['hunter2!']"),
         "sources.in.verify.scheme: unknown scheme \"gitub\"; did you mean \"github\"?\n"},
        {VERIFY("'scheme':'github'"), "sources.in.verify.secrets: at least one is needed\n"},
        {VERIFY("'scheme':'github','secrets':['hunter2']"),
         "sources.in.verify.secrets[0]: must have at least 8 bytes\n"},
        {VERIFY("'scheme':'github','secrets':['hunter2!','']"),
         "sources.in.verify.secrets[1]: must not be empty\n"},
        {VERIFY("'scheme':'standard-webhooks','secrets':['whsec_*hunter2*']"),
         "sources.in.verify.secrets[0]: not base64 (standard alphabet) after an optional whsec_\n"},
        {VERIFY("'scheme':'github','secrets':['12345678'],'header':'X-Y'"),
         "sources.in.verify.scheme: header, prefix, encoding, digest, signed, id_header and "
         "timestamp_header are for the hmac scheme only\n"},
        {VERIFY("'scheme':'hmac','secrets':['12345678'],'encoding':'hexa'"),
         "sources.in.verify.encoding: hex or base64\n"},
        {VERIFY("'scheme':'none','allow':['10.0.0.0/8','nonsense']"),
         "sources.in.verify.allow[1]: \"nonsense\" is not an IP address or CIDR block\n"},
        {VERIFY("'scheme':'none','tolerance_s':-1"),
         "sources.in.verify.tolerance_s: " KEY_RULE "0 to 86400\n"},
        {SIGN("'scheme':'token','secrets':['12345678']"),
         "destinations.out.sign.scheme: token cannot sign what is sent\n"},
        {SIGN("'scheme':'github','secrets':['12345678'],'allow':['10.0.0.0/8']"),
         "destinations.out.sign.allow: belongs to a source's verify only\n"},
        {SIGN("'scheme':'github','secrets':['12345678']"), ""},
        {VERIFY("'scheme':'none','allow':['203.0.113.0/24','::1']"), ""},
    };
    CHECK(rules);
}

static void sources(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {IN("'verify':{'scheme':'none'},'to':['otu','nobody','out','out']"),
         "sources.in.to[0]: no such destination; did you mean \"out\"?\n"
         "sources.in.to[1]: no such destination\n"
         "sources.in.to[3]: names this destination a second time\n"},
        {IN("'verify':{'scheme':'none'},'to':[],'id':['id','/~2','/id'],'tag':['']"),
         "sources.in.id[0]: is no JSON pointer: it must start with '/'\n"
         "sources.in.id[1]: is no JSON pointer: after '~' must stand 0 or 1\n"
         "sources.in.tag[0]: is no JSON pointer: it must start with '/'\n"},
        {IN("'verify':{'scheme':'none'},'to':[],'keep_headers':['x-*','a b','']"),
         "sources.in.keep_headers[1]: is no header name or pattern like x-* (at most 64 "
         "characters)\n"
         "sources.in.keep_headers[2]: is no header name or pattern like x-* (at most 64 "
         "characters)\n"},
        {"{'destinations':{},'sources':{'../x':{'verify':{'scheme':'none'},'to':[]}}}",
         "sources.\"../x\": a name is 1 to 64 letters, digits, '_' and '-'\n"},
    };
    CHECK(rules);
}

#define FETCH(keys) IN("'verify':{'scheme':'none'},'to':[]," keys)
#define GOOD_URL "'url':'https://h/v3/serp/task_get/$id'"

static void fetches(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {FETCH("'fetch':{" GOOD_URL ",'basic':'me:hunter2'},'reconcile_s':300"), ""},
        {FETCH("'fetch':null,'reconcile_s':null,'tasks_ready_url':null"), ""},
        {FETCH("'fetch':{}"), "sources.in.fetch.url: missing, and it has no default\n"},
        {FETCH("'fetch':{" GOOD_URL ",'basci':'me:hunter2'}"),
         "sources.in.fetch.basci: unknown key; did you mean \"basic\"?\n"},
        {FETCH("'fetch':'http://h/$id'"), "sources.in.fetch: must be an object, not a string\n"},
        {FETCH("'fetch':{'url':'http://h/$di'}"), "sources.in.fetch.url: unknown variable $di; did "
                                                  "you mean \"$id\"?\n"},
        {FETCH("'fetch':{'url':'http://h/$tag'}"),
         "sources.in.fetch.url: must hold $id, where the id of the task goes\n"},
        {FETCH("'fetch':{" GOOD_URL ",'basic':'hunter22'}"),
         "sources.in.fetch.basic: must be login:password\n"},
        {FETCH("'fetch':{" GOOD_URL ",'basic':':hunter2'}"),
         "sources.in.fetch.basic: must be login:password\n"},
        {FETCH("'fetch':{" GOOD_URL ",'basic':'me:pass'}"),
         "sources.in.fetch.basic: must have at least 8 bytes\n"},
        {FETCH("'fetch':{" GOOD_URL "},'reconcile_s':59"),
         "sources.in.reconcile_s: " KEY_RULE "60 to 86400\n"},
        {FETCH("'reconcile_s':300"),
         "sources.in.reconcile_s: needs `fetch`, which says how to get what is found\n"},
        {FETCH("'fetch':{" GOOD_URL "},'tasks_ready_url':'http://h/r'"),
         "sources.in.tasks_ready_url: is only asked where reconcile_s says how often\n"},
        {FETCH("'fetch':{'url':'http://h/r/$id'},'reconcile_s':60"),
         "sources.in.tasks_ready_url: is needed: it does not follow from fetch.url, which has no "
         "/task_get/\n"},
        {FETCH("'fetch':{" GOOD_URL "},'reconcile_s':60,'tasks_ready_url':'ftp://h'"),
         "sources.in.tasks_ready_url: must start with http:// or https://\n"},
        {FETCH("'fetch':{'url':'http://h/$source/task_get/$id'},'reconcile_s':60"),
         "sources.in.tasks_ready_url: must not hold $id, $tag or $source\n"},
        {FETCH("'fetch':{'url':1},'reconcile_s':60"),
         "sources.in.fetch.url: must be a string, not a number\n"},
    };
    CHECK(rules);
}

#define ACCOUNT(destinations)                                                                      \
    "{'sources':{},'accounts':{'acme':{'password':'password'}},'destinations':{" destinations "}}"

static void lanes_of_accounts(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {ACCOUNT("'acme':{'postback_url':'http://h'}"),
         "destinations.acme: has the name of an account, on whose lane it would be paced: write "
         "`lane`, the same name if that is meant\n"},
        {ACCOUNT("'acme':{'postback_url':'http://h','lane':'acme'}"), ""},
        {ACCOUNT("'acme':{'postback_url':'http://h','lane':'x','order':'fifo'}"), ""},
        {ACCOUNT("'out':{'postback_url':'http://h','lane':'acme','order':'fifo'}"),
         "destinations.out.order: is fifo, but account acme, on the same lane, has requeue\n"},
        {ACCOUNT("'postback@acme':{'postback_url':'http://h'}"),
         "destinations.\"postback@acme\": a name is 1 to 64 letters, digits, '_' and '-'\n"},
    };
    CHECK(rules);
}

static void destinations(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"{'sources':{},'destinations':{'out':{}}}",
         "destinations.out: needs postback_url or pingback_url\n"},
        {OUT("'pingback_url':'http://h/y'"),
         "destinations.out: has both postback_url and pingback_url: make two destinations of it, "
         "and name both in `to`\n"},
        {"{'sources':{},'destinations':{'a':{'postback_url':'http://me:hunter2@h/'},"
         "'b':{'pingback_url':'ftp://h/hunter2'}}}",
         "destinations.a.postback_url: must not hold a user name or password\n"
         "destinations.b.pingback_url: must start with http:// or https://\n"},
        {OUT("'lane':'a}{b'"),
         "destinations.out.lane: a name is 1 to 64 letters, digits, '_' and '-'\n"},
        {OUT("'ca_file':'none.pem'"), "destinations.out.ca_file: cannot open the file "
                                      "/nowhere/none.pem: No such file or directory\n"},
        {OUT("'headers':{'X-A':'1','x-a':'2','Host':'h','content-length':'1','Expect':'x','"
             "Hookpace-Id':'1','a b':'1'}"),
         "destinations.out.headers.x-a: stands twice, if case is ignored\n"
         "destinations.out.headers.Host: is set by the dispatcher itself\n"
         "destinations.out.headers.content-length: is set by the dispatcher itself\n"
         "destinations.out.headers.Expect: is set by the dispatcher itself\n"
         "destinations.out.headers.Hookpace-Id: is set by the dispatcher itself\n"
         "destinations.out.headers.a b: is no header name\n"},
        {OUT("'headers':{'X-A':'1\\r\\nX-B: 2'}"),
         "destinations.out.headers.X-A: must be text (UTF-8) without control characters\n"},
        {OUT("'headers':{'x-signature':'1'},'sign':{'scheme':'semscraper','secrets':['12345678']}"),
         "destinations.out.headers.x-signature: is set by the signature (sign)\n"},
        {OUT("'retry':{'schedule_s':[5,0,-1,604801,'5'],'jitter':1.5}"),
         "destinations.out.retry.schedule_s[1]: must be a number of seconds above 0, at most "
         "604800\n"
         "destinations.out.retry.schedule_s[2]: must be a number of seconds above 0, at most "
         "604800\n"
         "destinations.out.retry.schedule_s[3]: must be a number of seconds above 0, at most "
         "604800\n"
         "destinations.out.retry.schedule_s[4]: must be a number of seconds above 0, at most "
         "604800\n"
         "destinations.out.retry.jitter: must be a number from 0 to 1\n"},
        {OUT("'retry':{'schedule_s':[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
             "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}"),
         "destinations.out.retry.schedule_s: may have at most 50 entries\n"},
        {"{'sources':{},'destinations':{'a':{'postback_url':'http://h','lane':'x'},"
         "'b':{'postback_url':'http://h','lane':'x','order':'fifo'},"
         "'x':{'postback_url':'http://h'},'y':{'postback_url':'http://h','order':'fifo'}}}",
         "destinations.b.order: is fifo, but destinations.a, on the same lane, has requeue\n"},
    };
    CHECK(rules);
}

static void every_problem_is_told_and_none_follows_from_another(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"{'delay_ms':1,'redis':{'prot':1},'sources':{'in':{'verify':{'scheme':'github','secrets':"
         "['env:HOOKPACE_TEST_NONE']},'to':['out'],'id':[1]}},'destinations':{'out':{'postback_url'"
         ":"
         "'env:HOOKPACE_TEST_NONE','order':'x'}}}",
         "redis.prot: unknown key\n"
         "sources.in.verify.secrets[0]: the environment variable HOOKPACE_TEST_NONE is not set\n"
         "sources.in.id[0]: must be a string, not a number\n"
         "destinations.out.postback_url: the environment variable HOOKPACE_TEST_NONE is not set\n"
         "destinations.out.order: must be one of requeue|fifo\n"
         "delay_ms: 1 is not allowed: 0, 50, or a multiple of 100 up to 1000 (delay_step_ms)\n"},
        {"{'sources':{'in':{'verify':{'scheme':'none'},'to':['otu']}},'destinations':{'out':{"
         "'postback_url':'http://h','delay_ms':1}}}",
         "destinations.out.delay_ms: 1 is not allowed: 0, 50, or a multiple of 100 up to 1000 "
         "(delay_step_ms)\n"
         "sources.in.to[0]: no such destination; did you mean \"out\"?\n"},
        {"{'sources':{'in':{'verify':{'scheme':'none'},'to':['out']}}}",
         "destinations: missing, and it has no default\n"},
    };
    CHECK(rules);
}

static void very_many_problems_end(void **state)
{
    (void)state;
    struct buf text;
    struct config_problems problems;
    struct config *c = NULL;
    buf_init(&text, 1 << 20);
    buf_add_str(&text, "{\"sources\":{},\"destinations\":{}");
    for (unsigned i = 0; i < 1000; i++)
        buf_addf(&text, ",\"key%u\":1", i);
    buf_add_char(&text, '}');
    config_problems_init(&problems);
    assert_int_equal(config_parse(buf_slice(&text), "x", &c, &problems), ERR_INVALID);
    assert_int_equal(problems.count, 1000);
    size_t lines = 0;
    for (struct slice rest = buf_slice(&problems.text); rest.len; lines++)
        slice_cut(&rest, '\n');
    assert_int_equal(lines, CONFIG_PROBLEMS_MAX + 1);
    config_problems_clear(&problems);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(types_and_ranges),
        cmocka_unit_test(delays),
        cmocka_unit_test(top_level),
        cmocka_unit_test(schemes),
        cmocka_unit_test(sources),
        cmocka_unit_test(fetches),
        cmocka_unit_test(lanes_of_accounts),
        cmocka_unit_test(destinations),
        cmocka_unit_test(every_problem_is_told_and_none_follows_from_another),
        cmocka_unit_test(very_many_problems_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
