/* api_turns - lets each account have one costly step under way, so that no account's calls wait for those of another.
 * [edge: loop]
 *
 * Used for two kinds of steps: calls that read much from Redis, and bodies that take long to read. The others wait
 * here. The next step is the first that waits and whose account has no turn. If there is a choice, it is a step of
 * another account than the last one.
 */
#ifndef RECEIVER_API_TURNS_H
#define RECEIVER_API_TURNS_H

#include "common/base/list.h"

#include <stdbool.h>

struct loop;
struct api_turns;

struct api_turn { /* a member of what waits or runs; zero when it does neither */
    struct list_link link;
    const char *account; /* outlives the turn */
    void (*go)(struct api_turn *turn);
    bool is_running;
};

/* At most MOST turns run at a time. */
struct api_turns *api_turns_new(struct loop *l, unsigned most);
/* NULL is fine. No turn may wait or run. */
void api_turns_free(struct api_turns *t);
/* Calls TURN->go, at once or later. TURN runs until api_turns_end. */
void api_turns_ask(struct api_turns *t, struct api_turn *turn);
/* TURN is over, or does not wait any longer. One that neither waits nor runs is fine. */
void api_turns_end(struct api_turns *t, struct api_turn *turn);
/* The first that waits, or NULL. */
struct api_turn *api_turns_waiting(const struct api_turns *t);

#endif
