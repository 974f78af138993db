/* dial - a connection to a server of this process, over a pair of sockets: TCP would fill the machine's tables of
 * connections. For targets that speak HTTP to one. */
#ifndef TESTS_FUZZ_DIAL_H
#define TESTS_FUZZ_DIAL_H

#include "common/net/http_server.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static int dial_served = -1; /* the server's end of the last connection */

/* True while the server has the last connection open. Nothing else may have opened a descriptor since. */
static inline bool dial_is_served(void)
{
    return fcntl(dial_served, F_GETFD) >= 0;
}

/* From an address of its own each time. Returns the client's end. */
static int dial(struct http_server *server)
{
    static uint32_t host;
    struct addr peer = {.family = 4, .ip = {10}};
    int ends[2];
    host++;
    memcpy(peer.ip + 1, &host, 3);
    INSIST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    INSIST(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    dial_served = ends[1];
    http_server_take(server, ends[1], &peer);
    return ends[0];
}

#endif
