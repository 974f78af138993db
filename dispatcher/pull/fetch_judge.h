/* fetch_judge - is what a fetch brought a result?   [pure]
 *
 * Providers answer 200 also where there is no result: the verdict stands in the envelope's first task
 * (reference: DataForSEO's task_get). A body that is no such envelope is a result as it is. Looked at in
 * slices, so that a large body does not keep the loop from its other work.
 */
#ifndef DISPATCHER_FETCH_JUDGE_H
#define DISPATCHER_FETCH_JUDGE_H

#include "common/base/slice.h"
#include "common/json/json_scan.h"
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

/* The picks of all judges: free them with json_picks_free, after the last one. */
struct json_picks *fetch_judge_picks(void);

/* Begins to look at BODY, which must live as long as the judge. */
struct fetch_judge *fetch_judge_new(const struct json_picks *picks, struct slice body,
                                    const struct fetch_judge_rules *rules);
void fetch_judge_free(struct fetch_judge *j);
/* Looks at about MOST more plain bytes. True when there is nothing left to look at. */
bool fetch_judge_some(struct fetch_judge *j, size_t most);

struct fetch_verdict {
    enum attempt_end end; /* END_ANSWERED: a result */
    int code;             /* of the task, with END_NO_RESULT */
};
/* After fetch_judge_some said that it is done. */
struct fetch_verdict fetch_judge_end(struct fetch_judge *j);
/* The tag that stands in the envelope (tasks[0].data.tag), or empty; borrowed from J. */
struct slice fetch_judge_tag(const struct fetch_judge *j);

#endif
