#include "receiver/ingest/respond.h"

#include "common/base/json_write.h"
#include "common/net/http_server.h"
#include "common/queue/queue_put.h"

void respond_json(struct http_request *r, int status, struct slice body)
{
    http_answer(r, status, CONTENT_JSON, SLICE_LIT(""), body, false);
}

void respond_error(struct http_request *r, enum answer a, const char *headers, const char *detail)
{
    const struct answer_row *row = answer_row(a);
    http_answer_error(r, row->status, slice_str(headers), row->code,
                      detail && detail[0] ? detail : row->message);
}

void respond_accepted(struct http_request *r, struct slice id, const struct put_answer *put,
                      struct clock_text *last, struct buf *scratch)
{
    const char *at = clock_iso_again(last, put->received_at);
    buf_reset(scratch);
    struct json_write w = json_write_to(scratch);
    jw_open(&w, NULL, '{');
    jw_plain(&w, "status", SLICE_LIT("ok"));
    jw_plain(&w, "received_at", slice_make(at, CLOCK_ISO_LEN));
    jw_text(&w, "echo", id);
    if (put->result == PUT_DUPLICATE)
        jw_bool(&w, "duplicate", true);
    if (put->requeued)
        jw_int(&w, "requeued", put->requeued);
    jw_close(&w, '}');
    respond_json(r, 200, buf_slice(scratch));
}
