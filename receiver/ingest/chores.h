/* chores - long work in slices, one a turn of the loop.   [edge: loop]
 *
 * Some kilobytes of gzip can be a second of inflating. However many such bodies there are, what
 * happens on the loop besides them (short webhooks, answers of Redis) waits for one slice at a time.
 * Chores take turns. Those that were put aside get one turn in four while others wait, and there
 * may only be a few of them.
 */
#ifndef RECEIVER_CHORES_H
#define RECEIVER_CHORES_H

#include <stdbool.h>

struct loop;

#define CHORES_ASIDE_MAX 8

struct chore { /* part of what is worked on; zero when not under way */
    struct chore *prev, *next;
    bool is_queued, is_aside;
};

/* Does one slice. May remove or put aside the chore it is called for. */
typedef void (*chore_step)(void *ctx, struct chore *chore);

struct chores;
struct chores *chores_new(struct loop *l, chore_step step, void *ctx);
void chores_free(struct chores *c); /* NULL is fine; none may be queued */
void chores_add(struct chores *c, struct chore *chore);
/* False if there are CHORES_ASIDE_MAX already. */
bool chores_put_aside(struct chores *c, struct chore *chore);
void chores_remove(struct chores *c, struct chore *chore); /* not queued is fine */

#endif
