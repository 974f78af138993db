/* Addresses that proxies name: the PROXY header in pieces, X-Forwarded-For and Forwarded.
 *
 * The input: a byte that chooses. Even: a PROXY header. Odd: lines, each a value of one of the two headers. */
#include "common/net/forwarded.h"
#include "common/net/proxy_header.h"
#include "tests/fuzz/fuzz.h"

static void proxy_header(struct slice bytes)
{
    struct proxy_header whole, part;
    const char *why = NULL;
    enum proxy_verdict v = proxy_header_read(bytes, &whole, &why);
    INSIST((v == PROXY_BAD) == (why != NULL));
    INSIST(v != PROXY_DONE || (whole.len <= bytes.len && whole.len <= PROXY_V2_MAX));
    INSIST(v != PROXY_MORE || bytes.len < PROXY_V2_MAX);
    size_t n = bytes.len < 300 ? bytes.len : 300;
    for (size_t i = 0; i < n; i++) { /* later bytes change no verdict */
        enum proxy_verdict before = proxy_header_read(slice_head(bytes, i), &part, &why);
        INSIST(before == PROXY_MORE || before == v);
        INSIST(before != PROXY_DONE || (part.len == whole.len && part.len <= i));
    }
}

static void forwarded(struct slice lines)
{
    struct http_field fields[16];
    struct http_head head = {.fields = fields};
    struct cidr list[2];
    struct trusted_proxies trusted = {list, 2};
    struct addr peer, client = {0}, alone = {0};
    char text[ADDR_TEXT];
    INSIST(cidr_parse(SLICE_LIT("10.0.0.0/8"), &list[0], NULL) == OK);
    INSIST(cidr_parse(SLICE_LIT("fd00::/8"), &list[1], NULL) == OK);
    INSIST(addr_parse(SLICE_LIT("10.0.0.1"), &peer) == OK);
    while (lines.len && head.count < 15) {
        struct slice value = fuzz_line(&lines);
        bool is_element = fuzz_byte(&value) % 2;
        fields[head.count++] = (struct http_field){
            is_element ? SLICE_LIT("Forwarded") : SLICE_LIT("x-forwarded-for"), slice_trim(value)};
    }
    enum http_fault f = forwarded_client(&head, &peer, &trusted, &client);
    INSIST(f == FAULT_NONE || f == FAULT_FORWARDED);
    if (f == FAULT_NONE) {
        struct addr again;
        INSIST(client.family == 4 || client.family == 6);
        addr_text(&client, text);
        INSIST(addr_parse(slice_str(text), &again) == OK && addr_same(&again, &client));
    }
    /* The entry of the last proxy decides, whatever a client wrote before it. */
    for (size_t i = 0; i < head.count; i++)
        fields[i].name = SLICE_LIT("Forwarded");
    fields[head.count++] =
        (struct http_field){SLICE_LIT("Forwarded"), SLICE_LIT("for=192.0.2.9;proto=https")};
    INSIST(forwarded_client(&head, &peer, &trusted, &alone) == FAULT_NONE);
    addr_text(&alone, text);
    INSIST(slice_eq(slice_str(text), SLICE_LIT("192.0.2.9")));
    /* The same on one line. */
    if (head.count < 2)
        return;
    char line[4096];
    struct slice first = fields[0].value;
    if (first.len > sizeof line - 64)
        return;
    if (first.len)
        memcpy(line, first.ptr, first.len);
    memcpy(line + first.len, ", for=192.0.2.9", 15);
    fields[0].value = slice_make(line, first.len + 15);
    head.count = 1;
    INSIST(forwarded_client(&head, &peer, &trusted, &alone) == FAULT_NONE);
    addr_text(&alone, text);
    INSIST(slice_eq(slice_str(text), SLICE_LIT("192.0.2.9")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make(data, size);
    if (fuzz_byte(&in) % 2)
        forwarded(in);
    else
        proxy_header(in);
    return 0;
}
