/* rules - documents that break a rule of the configuration, and every line that reports it.
 *
 * Single quotes mean double ones. cmocka's includes come before this one. */
#ifndef TESTS_UNIT_COMMON_CONFIG_RULES_H
#define TESTS_UNIT_COMMON_CONFIG_RULES_H

#include "common/base/alloc.h"
#include "common/config/config.h"

#include <stdlib.h>

#define NOTHING "'sources':{},'destinations':{}"
/* One destination, and one source, with these keys. */
#define OUT(keys) "{'sources':{},'destinations':{'out':{'postback_url':'http://h/x'," keys "}}}"
#define IN(keys)                                                                                   \
    "{'destinations':{'out':{'postback_url':'http://h/x'}},'sources':{'in':{" keys "}}}"
#define VERIFY(keys) IN("'to':[],'verify':{" keys "}")
#define SIGN(keys) OUT("'sign':{" keys "}")
#define TOP(keys) "{" NOTHING "," keys "}"
#define KEY_RULE "must be a whole number from "

static inline struct config *parse(const char *quoted, struct config_problems *problems)
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

static inline void check(const struct rule *rules, size_t n)
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

#endif
