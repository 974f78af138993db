/* Rules of the document as a whole and of its top level. */
#include "common/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/common/config/rules.h"

static void documents(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"", "/nowhere/test.json: not valid JSON: line 1, column 1: the text ends too early\n"},
        {"{'a':1,'a':2}",
         "/nowhere/test.json: not valid JSON: line 1, column 8: the object has this key twice\n"},
        {"[]", "(document): must be an object, not an array\n"},
        {"null", "(document): must be an object, not null\n"},
        {"{}", "sources: is missing and has no default\n"
               "destinations: is missing and has no default\n"},
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
        {TOP("'delivery':{}"), "delivery: unknown key\n"},
        {OUT("'':1"), "destinations.out.\"\": unknown key\n"},
        {OUT("'delivery':{}"), "destinations.out.delivery: unknown key\n"},
        {OUT("'verify_tsl':true"),
         "destinations.out.verify_tsl: unknown key; did you mean \"verify_tls\"?\n"},
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
        {OUT("'gzip':'x'"), "destinations.out.gzip: must be one of keep|always|never, or null\n"},
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
        {IN("'to':[],'verify':{}"), "sources.in.verify.scheme: is missing and has no default\n"},
        {"{'destinations':{},'sources':{'in':{}}}",
         "sources.in.verify: is missing and has no default\n"
         "sources.in.to: is missing and has no default\n"},
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
        {OUT("'delay_ms':75"),
         "destinations.out.delay_ms: 75 is not allowed; use 0, 50, or a multiple "
         "of 100 up to 1000 (delay_step_ms)\n"},
        {TOP("'delay_ms':-1"),
         "delay_ms: -1 is not allowed; use 0, 50, or a multiple of 100 up to 1000 "
         "(delay_step_ms)\n"},
        {TOP("'delay_ms':1100"),
         "delay_ms: 1100 is not allowed; use 0, 50, or a multiple of 100 up to "
         "1000 (delay_step_ms)\n"},
        {TOP("'delay_step_ms':1,'delay_ms':1001"), "delay_ms: 1001 is not allowed; use 0, 50, or a "
                                                   "multiple of 1 up to 1000 (delay_step_ms)\n"},
        {TOP("'delay_ms':null"), "delay_ms: must be a whole number of milliseconds, not null\n"},
        {TOP("'delay_ms':50.5"),
         "delay_ms: must be a whole number of milliseconds, not a fraction\n"},
        {TOP("'delay_step_ms':0"), "delay_step_ms: " KEY_RULE "1 to 1000\n"},
        {TOP("'accounts':{'a':{'password':'password','delay_ms':150}}"),
         "accounts.a.delay_ms: 150 is not allowed; use 0, 50, or a multiple of 100 up to 1000 "
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
        {TOP("'redis':{'url':'redis://h','tls':{'ca_file':null,'cert':null,'key':null,'verify':"
             "true},'wait_replicas':0}"),
         ""},
        {TOP("'redis':{'url':'redis://h','tls':{'verify':false}}"),
         "redis.tls: has no effect without TLS: begin redis.url with rediss, or remove it\n"},
        {TOP("'redis':{'url':'rediss://h','tls':{'ca_file':'x','cert':'y'}}"),
         "redis.tls.cert: needs redis.tls.key, the file of its private key\n"},
        {TOP("'redis':{'url':'rediss://h','tls':{'ca_file':'x'}}"),
         "redis.tls.ca_file: cannot open the file /nowhere/x: No such file or directory\n"},
        {TOP("'redis':{'url':'rediss://h','tls':{'ca_file':'/dev/null'}}"),
         "redis.tls.ca_file: /dev/null is not a file of at most 16777216 bytes\n"},
        {TOP("'redis':{'url':'rediss://h','tls':{'key':'y'}}"),
         "redis.tls.key: needs redis.tls.cert, the file of its certificate\n"},
        {TOP("'redis':{'url':'rediss://h','tls':{'verify':false,'ca_file':"
             "'/dev/null'}}"),
         "redis.tls.ca_file: has no effect with \"verify\": false; remove one of them\n"},
        {TOP("'redis':{'wait_replicas':9}"), "redis.wait_replicas: " KEY_RULE "0 to 8\n"},
        {TOP("'redis':{'sentinel_user':'u','sentinel_password':'p'}"),
         "redis.sentinel_user: has no effect without redis+sentinel:// in redis.url; remove it\n"
         "redis.sentinel_password: has no effect without redis+sentinel:// in redis.url; remove "
         "it\n"},
        {TOP("'redis':{'url':'redis+sentinel://h/m','sentinel_user':'u'}"),
         "redis.sentinel_user: needs redis.sentinel_password\n"},
        {TOP("'redis':{'url':'redis+sentinel://h','prefix':'a{b}'}"),
         "redis.url: the name of the master is missing behind the addresses: write "
         "redis+sentinel://host:26379/<master name>/<db>\n"
         "redis.prefix: has a character that is not allowed; use letters, digits, '_', '.', ':' "
         "and "
         "'-'\n"},
        {TOP("'redis':{'prefix':'a{b}'}"), "redis.prefix: has a character that is not allowed; use "
                                           "letters, digits, '_', '.', ':' and '-'\n"},
        {TOP("'receiver':{'listen':'8080'},'admin':{'listen':'::1:80'},'dispatcher':{'listen':'a "
             "b:1'}"),
         "receiver.listen: must be host:port, with a port from 0 (any free one) to 65535\n"
         "admin.listen: write an IPv6 address in brackets: [::1]:8080\n"
         "dispatcher.listen: the host is neither an address nor a name\n"},
        {TOP("'receiver':{'tls':{'cert':'c.pem'}}"),
         "receiver.tls.key: is missing and has no default\n"
         "receiver.tls.cert: cannot open the file /nowhere/c.pem: No such file or directory\n"},
        {TOP("'receiver':{'tls':{'cert':'/dev/null','key':'/dev/null'}}"),
         "receiver.tls: TLS certificate /dev/null: error:0480006C:PEM routines::no start line\n"},
        {TOP("'admin':{'tls':{'key':'k.pem','cert':5,'ca':'x'}},'api':{'tls':{}}"),
         "admin.tls.ca: unknown key\nadmin.tls.cert: must be a string, not a number\n"
         "api.tls.cert: is missing and has no default\napi.tls.key: is missing and has no default\n"
         "admin.tls.key: cannot open the file /nowhere/k.pem: No such file or directory\n"},
        {TOP("'api':{'listen':'8083','tls':{'cert':'/dev/null','key':'/dev/null'}}"),
         "api.listen: must be host:port, with a port from 0 (any free one) to 65535\n"
         "api.tls: TLS certificate /dev/null: error:0480006C:PEM routines::no start line\n"},
        {TOP("'dispatcher':{'egress':{'allow':['10.0.0.0/8','10.0.0.1/"
             "8'],'deny':['x'],'proxy':'p:1'}}"),
         "dispatcher.egress.proxy: must start with http://, https://, socks5:// or socks5h://\n"
         "dispatcher.egress.allow[1]: \"10.0.0.1/8\" has bits set behind its /8\n"
         "dispatcher.egress.deny[0]: \"x\" is not an IP address or CIDR block\n"},
        {TOP("'accounts':{'a "
             "b':{'password':'password'},'c':{'password':'short'},'d':{'password':'password','role'"
             ":'root'},'e':{}}"),
         "accounts.\"a b\": is not allowed as a name: use 1 to 64 letters, digits, '_' and '-'\n"
         "accounts.c.password: must have at least 8 bytes\n"
         "accounts.d.role: must be one of admin|user|viewer\n"
         "accounts.e.password: is missing and has no default\n"},
        {TOP("'accounts':{'a':{'password':'password','sign':{'scheme':'basic','secrets':['me:"
             "hunter2']}}}"),
         "accounts.a.sign.scheme: basic cannot sign what is sent; use a scheme that signs the "
         "body\n"},
        {TOP("'receiver':{'tls':null},'accounts':{'a':{'password':'password','sign':null}}"), ""},
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
         "delay_ms: 1 is not allowed; use 0, 50, or a multiple of 100 up to 1000 "
         "(delay_step_ms)\n"},
        {"{'sources':{'in':{'verify':{'scheme':'none'},'to':['otu']}},'destinations':{'out':{"
         "'postback_url':'http://h','delay_ms':1}}}",
         "destinations.out.delay_ms: 1 is not allowed; use 0, 50, or a multiple of 100 up to 1000 "
         "(delay_step_ms)\n"
         "sources.in.to[0]: no such destination; did you mean \"out\"?\n"},
        {"{'sources':{'in':{'verify':{'scheme':'none'},'to':['out']}}}",
         "destinations: is missing and has no default\n"},
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
        cmocka_unit_test(every_problem_is_told_and_none_follows_from_another),
        cmocka_unit_test(very_many_problems_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
