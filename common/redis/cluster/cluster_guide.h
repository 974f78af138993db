/* cluster_guide - asks the servers of a cluster, one at a time, which of them has what.   [on common/redis]
 *
 * The server in use is asked again every few seconds. After a doubt, or without an answer that can be used, the next one is
 * asked: masters and replicas that the last answer named, then those of redis.url. A server that has missed a failover has a
 * lower epoch. Its answer is not used, unless most servers are as far behind, because the cluster was set up anew.
 */
#ifndef COMMON_REDIS_CLUSTER_CLUSTER_GUIDE_H
#define COMMON_REDIS_CLUSTER_CLUSTER_GUIDE_H

#include "common/redis/cluster/cluster_map.h"

struct cluster_guide;
struct config_redis;
struct loop;

/* Starts asking. CONF is copied. NAME is shown by CLIENT LIST. ON_MAP is called after each answer that is used. */
struct cluster_guide *cluster_guide_new(struct loop *l, const struct config_redis *conf,
                                        const char *name, void (*on_map)(void *ctx), void *ctx);
void cluster_guide_free(struct cluster_guide *g); /* NULL is fine */

/* The last answer; a map of nothing before the first one. Its owner may note what a redirection says. */
struct cluster_map *cluster_guide_map(struct cluster_guide *g);
/* Something does not fit the map: another server is asked soon. */
void cluster_guide_doubt(struct cluster_guide *g);
/* A server that has slots is away, and may get a successor: the server in use is asked again sooner. */
void cluster_guide_hurry(struct cluster_guide *g);
/* Has a server answered since the start? */
bool cluster_guide_knows(const struct cluster_guide *g);
/* Why nobody answers, or NULL. */
const char *cluster_guide_trouble(const struct cluster_guide *g);

#endif
