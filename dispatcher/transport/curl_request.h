/* curl_request - a request as libcurl takes it: its URL, its header lines and its body.   [edge: libcurl]
 */
#ifndef DISPATCHER_CURL_REQUEST_H
#define DISPATCHER_CURL_REQUEST_H

#include "common/base/slice.h"
#include "dispatcher/transport/transport.h"

#include <curl/curl.h>

/* Of one handle of libcurl. Begins as zeros; curl_request_clear after the handle is gone. */
struct curl_request {
    CURLU *url;               /* the last request's URL; NULL if it cannot be parsed */
    char *url_text;           /* the text of URL; NULL: there was no request yet */
    struct curl_slist *lines; /* nodes that point into the caller's header text */
    size_t lines_cap;
};

/* Sets Q on EASY, which sends it with POST if POSTS. False without memory. */
bool curl_request_set(struct curl_request *r, CURL *easy, const struct attempt_request *q,
                      bool posts);
/* The name in the URL of the last request, as the resolver got it. */
struct slice curl_request_host(const struct curl_request *r);
void curl_request_clear(struct curl_request *r);

#endif
