/* limits - how many connections and files the receiver's listeners may use.   [edge: the limit of open files] */
#ifndef RECEIVER_LIMITS_H
#define RECEIVER_LIMITS_H

#include "common/net/http_server.h"

struct config;

struct receiver_files {
    unsigned open;      /* files that the process may have open */
    unsigned clients;   /* of these, connections of clients, over all threads */
    unsigned operators; /* connections of the operators' listener, and as many of the API's */
    unsigned
        refusals; /* connections that are only told to come later, of each thread and each of these listeners */
};

/* Shares the files. Some are kept for Redis, logs, names, certificates and the listeners of operators and of the API, so that a
 * crowd outside cannot starve the receiver itself. */
struct receiver_files limits_share_files(const struct config *conf);
/* The limits of one worker's HTTP server. */
struct http_limits limits_of_worker(const struct config *conf);
/* The limits of the operators' listener, and of the API's: each has as many. Their calls limit their bodies themselves. */
struct http_limits limits_of_operators(const struct config *conf);

#endif
