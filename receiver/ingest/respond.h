/* respond - writes the answers to webhooks.   [on common/net/http_server] */
#ifndef RECEIVER_INGEST_RESPOND_H
#define RECEIVER_INGEST_RESPOND_H

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "receiver/ingest/judge.h"

struct http_request;
struct put_answer;

#define CONTENT_JSON SLICE_LIT("application/json")

/* Each function answers and ends R. */
void respond_json(struct http_request *r, int status, struct slice body);
/* Answers with row A of the table, with header lines HEADERS. DETAIL, if it is not NULL, replaces the row's message. */
void respond_error(struct http_request *r, enum answer a, const char *headers, const char *detail);
/* Answers 200 for the event ID, which PUT accepted or knew. LAST keeps the text of its time for the next answer. The body is
 * written in SCRATCH. */
void respond_accepted(struct http_request *r, struct slice id, const struct put_answer *put,
                      struct clock_text *last, struct buf *scratch);

#endif
