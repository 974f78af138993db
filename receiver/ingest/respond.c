#include "receiver/ingest/respond.h"

#include "common/net/http_server.h"

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

void respond_accepted(struct http_request *r, wall_ms received_at, struct slice id, bool duplicate,
                      struct buf *scratch)
{
    char at[CLOCK_ISO_LEN + 1];
    clock_iso(received_at, at);
    buf_reset(scratch);
    buf_add_str(scratch, "{\"status\":\"ok\",\"received_at\":\"");
    buf_add(scratch, at, CLOCK_ISO_LEN);
    buf_add_str(scratch, "\",\"echo\":\"");
    buf_add_slice(scratch, id); /* its characters need no escaping: see id_is_valid */
    buf_add_str(scratch, duplicate ? "\",\"duplicate\":true}" : "\"}");
    respond_json(r, 200, buf_slice(scratch));
}
