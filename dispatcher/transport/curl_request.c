#include "dispatcher/transport/curl_request.h"

#include "common/base/alloc.h"
#include "common/webhook/url_template.h"

#include <stdlib.h>
#include <string.h>

/* libcurl asks a server before it sends more than 1 MiB to it (Expect: 100-continue), and many servers do not answer the
 * question. A header line forbids it. The line costs libcurl about 900 instructions, so smaller bodies go without it. */
#define UNASKED_BYTES ((size_t)512 * 1024)

static struct curl_slist *line_at(struct curl_request *r, size_t i)
{
    if (i >= r->lines_cap) {
        r->lines_cap = r->lines_cap ? r->lines_cap * 2 : 16;
        r->lines = xrealloc(r->lines, r->lines_cap, sizeof(*r->lines));
    }
    return &r->lines[i];
}

/* Makes a list that points into the caller's text, without copies. libcurl reads "Name:" as "leave Name out" and
 * "Name;" as "Name with an empty value". */
static struct curl_slist *make_lines(struct curl_request *r, const struct attempt_request *q)
{
    static char no_expect[] = "Expect:";
    size_t count = 0;
    char *text = q->headers, *end = text + q->headers_len;
    while (text < end) {
        char *eol = memchr(text, '\r', (size_t)(end - text));
        if (!eol)
            break;
        *eol = '\0';
        char *colon = memchr(text, ':', (size_t)(eol - text));
        if (colon && colon[1 + strspn(colon + 1, " \t")] == '\0') {
            colon[0] = ';';
            colon[1] = '\0';
        }
        line_at(r, count++)->data = text;
        text = eol + 2;
    }
    if (q->body.len > UNASKED_BYTES)
        line_at(r, count++)->data = no_expect;
    for (size_t i = 0; i < count; i++)
        r->lines[i].next = i + 1 < count ? &r->lines[i + 1] : NULL;
    return count ? r->lines : NULL;
}

/* libcurl would parse a text anew for each attempt, and print what it has parsed. Most attempts have the URL of the one
 * before, so it is parsed once. If the text cannot be parsed, libcurl reports what is wrong with it. */
static CURLcode set_url(struct curl_request *r, CURL *easy, const char *text)
{
    if (r->url && strcmp(r->url_text, text) == 0)
        return CURLE_OK;
    curl_url_cleanup(r->url);
    free(r->url_text);
    r->url_text = xstrdup(text);
    r->url = curl_url();
    if (!r->url)
        return CURLE_OUT_OF_MEMORY;
    if (curl_url_set(r->url, CURLUPART_URL, text, CURLU_PATH_AS_IS) != CURLUE_OK) {
        curl_url_cleanup(r->url);
        r->url = NULL;
    }
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_CURLU, r->url);
    if (rc == CURLE_OK) /* libcurl's own copy must not be that of an earlier request */
        rc = curl_easy_setopt(easy, CURLOPT_URL, text);
    return rc;
}

static CURLcode set_body(CURL *easy, struct slice body)
{
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.len ? body.ptr : "");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    return rc;
}

bool curl_request_set(struct curl_request *r, CURL *easy, const struct attempt_request *q,
                      bool posts)
{
    struct curl_slist *lines = make_lines(r, q);
    return set_url(r, easy, q->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines) == CURLE_OK &&
           (!posts || set_body(easy, q->body) == CURLE_OK);
}

struct slice curl_request_host(const struct curl_request *r)
{
    struct slice rest = url_origin(slice_str(r->url_text));
    slice_cut(&rest, '/');
    slice_cut(&rest, '/');
    return slice_cut(&rest, ':');
}

void curl_request_clear(struct curl_request *r)
{
    curl_url_cleanup(r->url);
    free(r->url_text);
    free(r->lines);
    *r = (struct curl_request){0};
}
