/* http_call - one request at libcurl: its options, what libcurl asks while it runs, how it ended.
 * [edge: libcurl]  The inside of http_client; nobody else includes this.
 */
#ifndef DISPATCHER_HTTP_CALL_H
#define DISPATCHER_HTTP_CALL_H

#include "dispatcher/transport/http_client.h"
#include "dispatcher/transport/http_sockets.h"
#include "dispatcher/transport/response.h"

#include <curl/curl.h>

struct http_call { /* Owned by its pool: in `idle`, or under way and linked in no list, or in
                      `waiting`. */
    struct http_pool *pool;
    struct http_profile *profile; /* that it is, or was last, sent for */
    struct http_call *next;       /* in idle or waiting */
    CURL *easy;
    struct curl_slist *lines; /* nodes over the caller's header text */
    size_t lines_cap;
    void *ctx;
    mono_us started;
    unsigned passes;          /* of the pre-request hook */
    enum attempt_end refusal; /* said by may_send */
    unsigned opened, blocked; /* sockets */
    bool local_error;         /* no descriptor or memory for a socket */
    bool must_wait;           /* for a name that another call looks up */
    bool is_resolving;        /* looks a name up itself */
    struct response response;
    struct buf body; /* where the whole of it is wanted */
};

/* The calls of all profiles that have the same options: a thousand destinations that are sent to in turns
 * need no more of them than run at a time. */
struct http_pool { /* Owned by its client. */
    struct http_client *client;
    struct http_pool *next;
    struct http_profile_options options;
    char *ca_file;
    struct http_call *idle;
    size_t idle_count;
    bool used; /* since the last trim */
};

struct http_profile { /* Owned by its client. */
    struct http_client *client;
    struct http_profile *next;
    struct http_pool *pool;
    unsigned resolving; /* calls that look their host up now */
};

struct http_client { /* Owned by its maker; http_client_free. */
    struct loop *loop;
    struct http_hooks hooks;
    CURLM *multi;
    char *proxy;
    struct loop_timer *timer; /* libcurl's */
    struct loop_timer *trimmer;
    struct http_sockets *sockets;
    struct http_profile *profiles;
    struct http_pool *pools;
    struct http_call *waiting; /* for a name */
    struct http_call **waiting_tail;
    size_t running; /* calls under way, waiting ones included */
    size_t resolving;
    bool name_found; /* waiting calls may have become free to go */
};

/* A call of P with the options that never change; NULL without memory. */
struct http_call *http_call_new(struct http_pool *p);
void http_call_free(struct http_call *call);
/* Forgets the last request, before the same or another is started. */
void http_call_reset(struct http_call *call);
/* Sets what is of this request alone. False without memory. */
bool http_call_prepare(struct http_call *call, const struct http_request_parts *parts);
/* What a transfer that ended with RC means. */
enum attempt_end http_call_end(const struct http_call *call, CURLcode rc);
/* The status is a 2xx whose whole body goes into `body`. */
bool http_call_wants_body(const struct http_call *call);
/* No further lookup may begin for P now. */
bool http_call_must_wait(const struct http_profile *p);
/* The lookup of the host's name is over, if this call did one. */
void http_call_resolved(struct http_call *call);

#endif
