/* router - finds the row of a table of routes that a request asks for.   [pure]
 *
 * A pattern is a path of segments. A segment is one of:
 *
 *     word      the same bytes. An escaped spelling (%77ord) is another path, so that a proxy that blocks a path by its
 *               name cannot be passed with an escape.
 *     {name}    any segment that is not empty. Its decoded text is a parameter.
 *               The key of an account's task may also be two segments: @acme/1 is the same parameter as @acme%2F1. A path
 *               that fits a pattern with the first segment alone keeps that meaning.
 *     ...       the last segment only: everything below, and the path above it ("/v3/..." matches /v3, /v3/ and /v3/a/b).
 *
 * The slash at the end counts: /healthz/ is not /healthz. Empty segments (//) match nothing.
 * Exception: above a `...` they are ignored, because some clients append "/v3" to a base URL that ends in a slash.
 *
 * The first pattern that matches a path owns it: the methods that the path takes are those of all rows with this pattern.
 */
#ifndef COMMON_OPS_ROUTER_H
#define COMMON_OPS_ROUTER_H

#include "common/base/buf.h"
#include "common/base/slice.h"

#define ROUTE_PARAMS_MAX 4
#define ROUTE_TEXT_MAX 512 /* bytes of all decoded parameters of a path */

enum route_method {                 /* bits */
                    METHOD_GET = 1, /* takes HEAD too */
                    METHOD_POST = 2,
                    METHOD_PUT = 4,
                    METHOD_PATCH = 8,
                    METHOD_DELETE = 16,
                    METHOD_ANY = 63, /* also methods that have no bit: the handler decides */
};

enum route_role { /* bits */
                  ROLE_ADMIN = 1,
                  ROLE_VIEWER = 2,
                  ROLE_USER = 4,
};

struct ops_handler;

struct route {
    unsigned methods;
    const char *pattern;
    unsigned roles; /* roles that may call; 0: no login is needed */
    const struct ops_handler *handler;
};

struct route_match {
    const struct route *route;
    unsigned methods;                      /* that the path takes */
    struct slice params[ROUTE_PARAMS_MAX]; /* in the order of the pattern; they point into `text` */
    size_t param_count;
    char text[ROUTE_TEXT_MAX];
};

enum route_verdict {
    ROUTE_FOUND,
    ROUTE_NONE, /* no pattern matches the path, or its parameters are longer than ROUTE_TEXT_MAX */
    ROUTE_METHOD,    /* the path does not take this method: M->methods says which */
    ROUTE_MALFORMED, /* a parameter holds a broken escape or %00 */
};

/* Finds METHOD and PATH (raw, without the query) in ROWS. ROUTE_FOUND fills *M; its parameters stay valid as long as
 * *M stays where it is. Allocates nothing. */
enum route_verdict route_find(const struct route *rows, size_t count, struct slice method,
                              struct slice path, struct route_match *m);
/* Appends "Allow: GET, HEAD, POST\r\n" for METHODS. */
void route_add_allow(unsigned methods, struct buf *out);

#endif
