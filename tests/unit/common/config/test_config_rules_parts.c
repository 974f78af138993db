/* Rules of sources, destinations and accounts, and of what holds them together. */
#include "common/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/common/config/rules.h"

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
         "sources.in.verify.header: is for the hmac and token schemes only\n"},
        {VERIFY("'scheme':'token','secrets':['12345678'],'encoding':'hex'"),
         "sources.in.verify.scheme: prefix, encoding, digest, signed, id_header and "
         "timestamp_header are for the hmac scheme only\n"},
        {VERIFY("'scheme':'hmac','secrets':['12345678'],'encoding':'hexa'"),
         "sources.in.verify.encoding: hex or base64\n"},
        {VERIFY("'scheme':'none','allow':['10.0.0.0/8','nonsense']"),
         "sources.in.verify.allow[1]: \"nonsense\" is not an IP address or CIDR block\n"},
        {VERIFY("'scheme':'none','tolerance_s':-1"),
         "sources.in.verify.tolerance_s: " KEY_RULE "0 to 86400\n"},
        {SIGN("'scheme':'token','secrets':['12345678']"),
         "destinations.out.sign.scheme: token cannot sign what is sent; use a scheme that signs "
         "the body\n"},
        {SIGN("'scheme':'github','secrets':['12345678'],'allow':['10.0.0.0/8']"),
         "destinations.out.sign.allow: is not used for signing; remove it\n"},
        {SIGN("'scheme':'github','secrets':['12345678']"), ""},
        {VERIFY("'scheme':'none','allow':['203.0.113.0/24','::1']"), ""},
    };
    CHECK(rules);
}

#define HEADER_RULE                                                                                \
    "names no header; write header: and a name of at most 64 letters, digits and '-'\n"
#define CREDENTIAL_RULE                                                                            \
    "names a header that carries a credential; ids and tags are stored and logged, so name "       \
    "another header\n"
#define SIGNATURE_RULE                                                                             \
    "names the header that carries the signature; ids and tags are stored and logged, so name "    \
    "another header\n"
#define FORM_RULE "is a form field, and the payload is not a form; set \"payload\": \"form\"\n"
#define FIELD_RULE "names no form field: use 1 to 256 bytes, and write '/' as ~1 and '~' as ~0\n"

static void sources(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {IN("'verify':{'scheme':'none'},'to':['otu','nobody','out','out']"),
         "sources.in.to[0]: no such destination; did you mean \"out\"?\n"
         "sources.in.to[1]: no such destination\n"
         "sources.in.to[3]: names this destination a second time; remove it\n"},
        {IN("'verify':{'scheme':'none'},'to':[],'id':['id','/~2','/id'],'tag':['']"),
         "sources.in.id[0]: is not a JSON pointer; start it with '/', as in /tasks/0/id, or write "
         "header:<name> or form:<field>\n"
         "sources.in.id[1]: is not a JSON pointer; write '~' as ~0 and '/' as ~1\n"
         "sources.in.tag[0]: is not a JSON pointer; start it with '/', as in /tasks/0/id, or write "
         "header:<name> or form:<field>\n"},
        {IN("'verify':{'scheme':'none'},'to':[],'keep_headers':['x-*','a b','']"),
         "sources.in.keep_headers[1]: is not a header name or a pattern like x-* of at most 64 "
         "characters\nsources.in.keep_headers[2]: is not a header name or a pattern like x-* of at "
         "most 64 characters\n"},
        {IN("'verify':{'scheme':'none'},'to':[],'id':['header:X-Event','/"
            "id'],'tag':['header:x-tag']"),
         ""},
        {IN("'verify':{'scheme':'github','secrets':['12345678']},'to':[],'payload':'form',"
            "'id':['form:payload/id','form:a~1b'],'tag':['form:user[name]']"),
         ""},
        {IN("'verify':{'scheme':'none'},'to':[],'id':['header:','header:a "
            "b','header:Authorization',"
            "'header:x_api_key'],'tag':['header:X-Gitlab-Token','Header:x']"),
         "sources.in.id[0]: " HEADER_RULE "sources.in.id[1]: " HEADER_RULE
         "sources.in.id[2]: " CREDENTIAL_RULE "sources.in.id[3]: " CREDENTIAL_RULE
         "sources.in.tag[0]: " CREDENTIAL_RULE
         "sources.in.tag[1]: is not a JSON pointer; start it with '/', as in /tasks/0/id, or write "
         "header:<name> or form:<field>\n"},
        {IN("'verify':{'scheme':'github','secrets':['12345678']},'to':[],"
            "'id':['header:x-hub-signature-256','header:X-Hub-Signature','header:X-GitHub-Delivery'"
            "]"),
         "sources.in.id[0]: " SIGNATURE_RULE "sources.in.id[1]: " SIGNATURE_RULE},
        {IN("'verify':{'scheme':'none'},'to':[],'id':['form:id'],'tag':['form:tag']"),
         "sources.in.id[0]: " FORM_RULE "sources.in.tag[0]: " FORM_RULE},
        {IN("'verify':{'scheme':'none'},'to':[],'payload':'form','id':['/id','form:','form:a~2',"
            "'form:p/~2']"),
         "sources.in.id[0]: is a JSON pointer, and the payload is a form; write form:<field>, or "
         "form:<field>/<pointer> for a field that holds JSON\n"
         "sources.in.id[1]: " FIELD_RULE "sources.in.id[2]: " FIELD_RULE
         "sources.in.id[3]: \"/~2\" is not a JSON pointer: ~ is written ~0, / is written ~1\n"},
        {"{'destinations':{},'sources':{'../x':{'verify':{'scheme':'none'},'to':[]}}}",
         "sources.\"../x\": is not allowed as a name: use 1 to 64 letters, digits, '_' and '-'\n"},
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
        {FETCH("'fetch':{}"), "sources.in.fetch.url: is missing and has no default\n"},
        {FETCH("'fetch':{" GOOD_URL ",'basci':'me:hunter2'}"),
         "sources.in.fetch.basci: unknown key; did you mean \"basic\"?\n"},
        {FETCH("'fetch':'http://h/$id'"), "sources.in.fetch: must be an object, not a string\n"},
        {FETCH("'fetch':{'url':'http://h/$di'}"), "sources.in.fetch.url: unknown variable $di; did "
                                                  "you mean \"$id\"?\n"},
        {FETCH("'fetch':{'url':'http://h/$tag'}"),
         "sources.in.fetch.url: has no $id; put it where the id of the task belongs\n"},
        {FETCH("'fetch':{" GOOD_URL ",'basic':'hunter22'}"),
         "sources.in.fetch.basic: must be login:password\n"},
        {FETCH("'fetch':{" GOOD_URL ",'basic':':hunter2'}"),
         "sources.in.fetch.basic: must be login:password\n"},
        {FETCH("'fetch':{" GOOD_URL ",'basic':'me:pass'}"),
         "sources.in.fetch.basic: must have at least 8 bytes\n"},
        {FETCH("'fetch':{" GOOD_URL "},'reconcile_s':59"),
         "sources.in.reconcile_s: " KEY_RULE "60 to 86400\n"},
        {FETCH("'reconcile_s':300"),
         "sources.in.reconcile_s: needs `fetch`: it says how to get the results that are found\n"},
        {FETCH("'fetch':{" GOOD_URL "},'tasks_ready_url':'http://h/r'"),
         "sources.in.tasks_ready_url: has no effect without reconcile_s; give reconcile_s, or "
         "remove it\n"},
        {FETCH("'fetch':{'url':'http://h/r/$id'},'reconcile_s':60"),
         "sources.in.tasks_ready_url: is missing, and fetch.url has no /task_get/ from which it "
         "would follow; give it\n"},
        {FETCH("'fetch':{" GOOD_URL "},'reconcile_s':60,'tasks_ready_url':'ftp://h'"),
         "sources.in.tasks_ready_url: must start with http:// or https://\n"},
        {FETCH("'fetch':{'url':'http://h/$source/task_get/$id'},'reconcile_s':60"),
         "sources.in.tasks_ready_url: has a variable; $id, $tag and $source are not allowed "
         "here\n"},
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
         "destinations.acme: has the name of an account and would share its lane; give `lane` (the "
         "same name if that is meant)\n"},
        {ACCOUNT("'acme':{'postback_url':'http://h','lane':'acme'}"), ""},
        {ACCOUNT("'acme':{'postback_url':'http://h','lane':'x','order':'fifo'}"), ""},
        {ACCOUNT("'out':{'postback_url':'http://h','lane':'acme','order':'fifo'}"),
         "destinations.out.order: is fifo, but account acme on the same lane has requeue; give all "
         "destinations of a lane the same order\n"},
        {"{'sources':{},'accounts':{'acme':{'password':'password','order':'fifo'}},'destinations':{"
         "'out':{'postback_url':'http://h','lane':'acme'}}}",
         "destinations.out.order: is requeue, but account acme on the same lane has fifo; give all "
         "destinations of a lane the same order\n"},
        {"{'sources':{},'accounts':{'acme':{'password':'password','order':'fifo'}},'destinations':{"
         "'out':{'postback_url':'http://h','lane':'acme','order':'fifo'}}}",
         ""},
        {ACCOUNT("'postback@acme':{'postback_url':'http://h'}"),
         "destinations.\"postback@acme\": is not allowed as a name: use 1 to 64 letters, digits, "
         "'_' and '-'\n"},
    };
    CHECK(rules);
}

static void destinations(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"{'sources':{},'destinations':{'out':{}}}",
         "destinations.out: has no URL; give postback_url or pingback_url\n"},
        {OUT("'pingback_url':'http://h/y'"),
         "destinations.out: has both postback_url and pingback_url: make two destinations of it, "
         "and name both in `to`\n"},
        {"{'sources':{},'destinations':{'a':{'postback_url':'http://me:hunter2@h/'},"
         "'b':{'pingback_url':'ftp://h/hunter2'}}}",
         "destinations.a.postback_url: must not hold a user name or password\n"
         "destinations.b.pingback_url: must start with http:// or https://\n"},
        {OUT("'lane':'a}{b'"), "destinations.out.lane: is not allowed as a name: use 1 to 64 "
                               "letters, digits, '_' and '-'\n"},
        {OUT("'ca_file':'none.pem'"), "destinations.out.ca_file: cannot open the file "
                                      "/nowhere/none.pem: No such file or directory\n"},
        {OUT("'headers':{'X-A':'1','x-a':'2','Host':'h','content-length':'1','Expect':'x','"
             "Hookpace-Id':'1','a b':'1'}"),
         "destinations.out.headers.x-a: is given twice (upper and lower case are the same); remove "
         "one\n"
         "destinations.out.headers.Host: is set by the dispatcher itself; remove it here\n"
         "destinations.out.headers.content-length: is set by the dispatcher itself; remove it "
         "here\n"
         "destinations.out.headers.Expect: is set by the dispatcher itself; remove it here\n"
         "destinations.out.headers.Hookpace-Id: is set by the dispatcher itself; remove it here\n"
         "destinations.out.headers.a b: is not a header name; use at most 128 letters, digits and "
         "'-'\n"},
        {OUT("'headers':{'X-A':'1\\r\\nX-B: 2'}"),
         "destinations.out.headers.X-A: must be text (UTF-8) without control characters\n"},
        {OUT("'headers':{'x-signature':'1'},'sign':{'scheme':'semscraper','secrets':['12345678']}"),
         "destinations.out.headers.x-signature: is set by the signature; remove it here, or remove "
         "sign\n"},
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
        {OUT("'retry':{'give_up_on':[400,399,599,600,'410',410.5,200]}"),
         "destinations.out.retry.give_up_on[1]: must be an HTTP status from 400 to 599\n"
         "destinations.out.retry.give_up_on[3]: must be an HTTP status from 400 to 599\n"
         "destinations.out.retry.give_up_on[4]: must be an HTTP status from 400 to 599\n"
         "destinations.out.retry.give_up_on[5]: must be an HTTP status from 400 to 599\n"
         "destinations.out.retry.give_up_on[6]: must be an HTTP status from 400 to 599\n"},
        {OUT("'retry':{'give_up_on':410}"), "destinations.out.retry.give_up_on: must be an array "
                                            "of HTTP statuses, not a number\n"},
        {OUT("'retry':{'schedule_s':[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
             "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}"),
         "destinations.out.retry.schedule_s: may have at most 50 entries\n"},
        {"{'sources':{},'destinations':{'a':{'postback_url':'http://h','lane':'x'},"
         "'b':{'postback_url':'http://h','lane':'x','order':'fifo'},"
         "'x':{'postback_url':'http://h'},'y':{'postback_url':'http://h','order':'fifo'}}}",
         "destinations.b.order: is fifo, but destinations.a on the same lane has requeue; give all "
         "destinations of a lane the same order\n"},
    };
    CHECK(rules);
}

#define SIGNED(scheme) "'sign':{'scheme':'" scheme "','secrets':['12345678']}"

/* Keys that destinations and accounts share, and the messages about them after the path of either. */
static const struct {
    const char *keys, *says[3];
} settings[] = {
    {"'gzip':null,'verify_tls':false,'timeout_ms':1,'connect_timeout_ms':1,'concurrency':1,'order':"
     "'fifo',"
     "'headers':{'X-A':'1'},'retry':{'schedule_s':[],'jitter':1,'give_up_on':[]},'sign':null,'"
     "delay_ms':50",
     {0}},
    {"'delay_ms':75",
     {"delay_ms: 75 is not allowed; use 0, 50, or a multiple of 100 up to 1000 (delay_step_ms)"}},
    {"'gzip':'Never'",
     {"gzip: must be one of keep|always|never, or null; did you mean \"never\"?"}},
    {"'verify_tls':null", {"verify_tls: must be true or false, not null"}},
    {"'ca_file':'none.pem'",
     {"ca_file: cannot open the file /nowhere/none.pem: No such file or directory"}},
    {"'timeout_ms':0,'connect_timeout_ms':600001,'concurrency':65537",
     {"concurrency: " KEY_RULE "1 to 65536", "timeout_ms: " KEY_RULE "1 to 600000",
      "connect_timeout_ms: " KEY_RULE "1 to 600000"}},
    {"'order':'fif'", {"order: must be one of requeue|fifo; did you mean \"fifo\"?"}},
    {"'headers':{'Host':'h','X-A':'1','x-a':'2'}",
     {"headers.Host: is set by the dispatcher itself; remove it here",
      "headers.x-a: is given twice (upper and lower case are the same); remove one"}},
    {"'headers':{'x-signature':'1'}," SIGNED("semscraper"),
     {"headers.x-signature: is set by the signature; remove it here, or remove sign"}},
    {SIGNED("token"),
     {"sign.scheme: token cannot sign what is sent; use a scheme that signs the body"}},
    {"'sign':{'scheme':'github','secrets':['short']}",
     {"sign.secrets[0]: must have at least 8 bytes"}},
    {"'retry':{'schedule_s':[0],'jitter':2}",
     {"retry.schedule_s[0]: must be a number of seconds above 0, at most 604800",
      "retry.jitter: must be a number from 0 to 1"}},
    {"'retry':{'give_up_on':[99]}",
     {"retry.give_up_on[0]: must be an HTTP status from 400 to 599"}},
    {"'retry':{'jiter':0}", {"retry.jiter: unknown key; did you mean \"jitter\"?"}},
    {"'timeuot_ms':1", {"timeuot_ms: unknown key; did you mean \"timeout_ms\"?"}},
};

static void destinations_and_accounts_share_settings(void **state)
{
    (void)state;
    static const char *const documents[][2] = {
        {"destinations.out.", "{'sources':{},'destinations':{'out':{'postback_url':'http://h',"},
        {"accounts.me.", "{" NOTHING ",'accounts':{'me':{'password':'password',"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        for (size_t j = 0; j < 2; j++) {
            struct buf document, says;
            buf_init(&document, 4096);
            buf_init(&says, 4096);
            buf_addf(&document, "%s%s}}}", documents[j][1], settings[i].keys);
            for (size_t k = 0; k < 3 && settings[i].says[k]; k++)
                buf_addf(&says, "%s%s\n", documents[j][0], settings[i].says[k]);
            struct rule rule = {document.ptr, says.len ? says.ptr : ""};
            check(&rule, 1);
            buf_clear(&document);
            buf_clear(&says);
        }
}

static void payloads(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {TOP("'accounts':{'a':{'password':'password','payload':'envelope'},"
             "'b':{'password':'password','payload':'result'}}"),
         ""},
        {TOP("'accounts':{'a':{'password':'password','payload':'results'}}"),
         "accounts.a.payload: must be one of envelope|result; did you mean \"result\"?\n"},
        {TOP("'accounts':{'a':{'password':'password','payload':null}}"),
         "accounts.a.payload: must be a string, not null\n"},
        {OUT("'payload':'result'"), "destinations.out.payload: unknown key\n"},
    };
    CHECK(rules);
}

#define SIGNED_GZIP(mode)                                                                          \
    ".gzip: warning: is " mode                                                                     \
    " although `sign` is set, and receivers that verify the plain bytes refuse a signature over "  \
    "gzip; use null or never\n"
#define PING(keys) "{'sources':{},'destinations':{'out':{'pingback_url':'http://h/x'," keys "}}}"
#define OF_ACCOUNT(keys) TOP("'accounts':{'me':{'password':'password'," keys "}}")

static void warnings(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {OUT("'gzip':'keep'," SIGNED("github")), "destinations.out" SIGNED_GZIP("keep")},
        {OUT("'gzip':'always'," SIGNED("stripe")), "destinations.out" SIGNED_GZIP("always")},
        {OUT("'gzip':'never'," SIGNED("github")), ""},
        {OUT("'gzip':null," SIGNED("github")), ""},
        {OUT(SIGNED("github")), ""},
        {OUT("'gzip':'always'"), ""},
        {PING("'gzip':'always'," SIGNED("slack")), ""}, /* it has no body */
        {OF_ACCOUNT("'gzip':'keep'," SIGNED("slack")), "accounts.me" SIGNED_GZIP("keep")},
        {OF_ACCOUNT("'gzip':'always'," SIGNED("slack")), "accounts.me" SIGNED_GZIP("always")},
        {OF_ACCOUNT(SIGNED("slack")), ""},
        {OF_ACCOUNT("'gzip':'always'"), ""},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct config_problems problems;
        struct config *c = parse(rules[i].document, &problems);
        assert_non_null(c);
        const char *said = problems.warnings.len ? problems.warnings.ptr : "";
        if (strcmp(said, rules[i].says) != 0)
            fail_msg("%s\nsays\n%sinstead of\n%s", rules[i].document, said, rules[i].says);
        config_unref(c);
        config_problems_clear(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes),      cmocka_unit_test(sources),
        cmocka_unit_test(fetches),      cmocka_unit_test(lanes_of_accounts),
        cmocka_unit_test(destinations), cmocka_unit_test(destinations_and_accounts_share_settings),
        cmocka_unit_test(payloads),     cmocka_unit_test(warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
