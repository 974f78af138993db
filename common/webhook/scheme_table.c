/* scheme_table - the known schemes, one row each.   [pure] */
#include "common/webhook/scheme_model.h"

/* Tolerances are judged in both directions. Stripe's and Slack's libraries refuse only the past;
 * a timestamp far ahead would let a captured request be replayed until its day has come. */
#define TOLERANCE_S 300

const struct scheme_rules scheme_rows[] = {
    {.name = "serphouse",
     .signature = {"x-serphouse-signature", NULL},
     .prefix = "",
     .encoding = ENCODING_HEX,
     .digest = DIGEST_SHA256,
     .signed_text = "{body}",
     .id_picks = {"/id"},
     .tag_picks = {"/tag"}},
    {.name = "semscraper",
     .signature = {"X-Signature", NULL},
     .prefix = "",
     .encoding = ENCODING_HEX,
     .digest = DIGEST_SHA256,
     .signed_text = "{body}",
     .id_picks = {"/id"}},
    {.name = "standard-webhooks", /* and Svix, whose own names win where both are sent */
     .signature = {"webhook-signature", "svix-signature"},
     .id = {"webhook-id", "svix-id"},
     .timestamp = {"webhook-timestamp", "svix-timestamp"},
     .prefix = "v1,",
     .encoding = ENCODING_BASE64,
     .digest = DIGEST_SHA256,
     .list = LIST_SPACES,
     .signed_text = "{id}.{timestamp}.{body}",
     .tolerance_s = TOLERANCE_S,
     .secret_is_base64 = true,
     .sends_id = true,
     .id_picks = {"header:svix-id", "header:webhook-id"}},
    {.name = "github",
     .signature = {"X-Hub-Signature-256", NULL},
     .id = {"X-GitHub-Delivery", NULL},
     .prefix = "sha256=",
     .encoding = ENCODING_HEX,
     .digest = DIGEST_SHA256,
     .signed_text = "{body}",
     .also_own = "X-Hub-Signature",
     .id_picks = {"header:x-github-delivery"}},
    {.name = "stripe", /* the secret is the text as shown, "whsec_" included */
     .signature = {"Stripe-Signature", NULL},
     .prefix = "v1=",
     .encoding = ENCODING_HEX,
     .digest = DIGEST_SHA256,
     .list = LIST_STRIPE,
     .signed_text = "{timestamp}.{body}",
     .tolerance_s = TOLERANCE_S,
     .id_picks = {"/id"}},
    {.name = "slack",
     .signature = {"X-Slack-Signature", NULL},
     .timestamp = {"X-Slack-Request-Timestamp", NULL},
     .prefix = "v0=",
     .encoding = ENCODING_HEX,
     .digest = DIGEST_SHA256,
     .signed_text = "v0:{timestamp}:{body}",
     .tolerance_s = TOLERANCE_S,
     .challenge = CHALLENGE_URL_VERIFICATION,
     .id_picks = {"/event_id"}},
    {.name = "shopify",
     .signature = {"X-Shopify-Hmac-Sha256", "shopify-hmac-sha256"},
     .id = {"X-Shopify-Webhook-Id", "shopify-event-id"},
     .prefix = "",
     .encoding = ENCODING_BASE64,
     .digest = DIGEST_SHA256,
     .signed_text = "{body}",
     .sends_id = true,
     .id_picks = {"header:shopify-event-id", "header:x-shopify-webhook-id"}},
    {.name = "token",
     .kind = SCHEME_TOKEN,
     .takes_any_id = true,
     .authenticate = "WWW-Authenticate: Bearer realm=\"hookpace\"\r\n"},
    {.name = "basic",
     .kind = SCHEME_BASIC,
     .takes_any_id = true,
     .authenticate = "WWW-Authenticate: Basic realm=\"hookpace\"\r\n"},
    {.name = "none", .kind = SCHEME_NONE, .takes_any_id = true},
    {.name = "hmac", /* the defaults of a custom scheme */
     .signature = {"X-Signature", NULL},
     .prefix = "",
     .encoding = ENCODING_HEX,
     .digest = DIGEST_SHA256,
     .signed_text = "{body}",
     .tolerance_s = TOLERANCE_S,
     .sends_id = true,
     .takes_any_id = true},
};

const size_t scheme_row_count = sizeof(scheme_rows) / sizeof(*scheme_rows);

const struct scheme_rules *scheme_row(struct slice name)
{
    for (size_t i = 0; i < scheme_row_count; i++)
        if (slice_eq(name, slice_str(scheme_rows[i].name)))
            return &scheme_rows[i];
    return NULL;
}
