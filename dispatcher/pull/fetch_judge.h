/* fetch_judge - is the answer to a fetch a result?   [pure]
 *
 * Providers also answer 200 if there is no result. The code in the envelope's first task says whether there is one
 * (reference: DataForSEO's task_get). A body that is no such envelope is a result. The judge reads a body in slices, so
 * that a large one does not keep the loop from other work.
 */
#ifndef DISPATCHER_FETCH_JUDGE_H
#define DISPATCHER_FETCH_JUDGE_H

#include "common/base/slice.h"
#include "common/json/json_scan.h"
#include "common/webhook/envelope.h"
#include "dispatcher/transport/transport.h"

#define FETCH_CODE_OK 20000
#define FETCH_CODE_HANDED 40601 /* not ready yet */
#define FETCH_CODE_QUEUED 40602 /* likewise */
#define FETCH_CODE_ERRORS 40000 /* from here on no result */

struct fetch_judge_rules {
    bool must_be_json;   /* the source takes nothing else */
    size_t inflated_max; /* ceiling of a body that is gzip */
};

struct fetch_judge;

/* The picks that all judges share. Free them with json_picks_free after the last judge. */
struct json_picks *fetch_judge_picks(void);

/* A judge of BODY, which must live as long as the judge. */
struct fetch_judge *fetch_judge_new(const struct json_picks *picks, struct slice body,
                                    const struct fetch_judge_rules *rules);
void fetch_judge_free(struct fetch_judge *j);
/* Reads about MOST more plain bytes. True when nothing is left. */
bool fetch_judge_some(struct fetch_judge *j, size_t most);

struct fetch_verdict {
    enum attempt_end end; /* END_ANSWERED: a result */
    int code;             /* of the task, with END_NO_RESULT */
};
/* The verdict. Call it when fetch_judge_some has returned true. */
struct fetch_verdict fetch_judge_end(struct fetch_judge *j);
/* The envelope's tag (tasks[0].data.tag), or empty; borrowed from J. */
struct slice fetch_judge_tag(const struct fetch_judge *j);
/* The envelope's engine, "google organic"; see envelope_engine. */
struct slice fetch_judge_engine(const struct fetch_judge *j, char out[ENVELOPE_ENGINE_MAX]);

#endif
