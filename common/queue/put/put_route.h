/* put_route - the partitions that an event goes to.   [pure]
 */
#ifndef COMMON_QUEUE_PUT_ROUTE_H
#define COMMON_QUEUE_PUT_ROUTE_H

#include "common/queue/queue_put.h"

/* Is destination I the first of its partition? It represents it. */
bool put_is_first_of_partition(const struct put_request *req, size_t i);
/* The destination whose deliveries are in the last of the partitions. */
size_t put_last_partition(const struct put_request *req);
/* Where the event is listed and counted: with its first postback, whose delivery makes it fetched. */
unsigned put_home_partition(const struct config *conf, const struct put_request *req);

#endif
