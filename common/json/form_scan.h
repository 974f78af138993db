/* form_scan - reads a form (application/x-www-form-urlencoded) while it arrives, and keeps the values of some fields.   [pure]
 *
 * Fields are divided by `&`, and the first `=` of a field divides its name from its value. `+` is a space and %XX a byte.
 * A form is never refused as a whole: a field that cannot be read is reported when its value is asked for. Nothing
 * grows with the form.
 *
 * A pick is the name of a field ("user_id"), or a name and a JSON pointer ("payload/action") into a field that holds JSON.
 * In the name of a pick `/` is written ~1 and `~` is written ~0, as in pointers.
 */
#ifndef COMMON_JSON_FORM_SCAN_H
#define COMMON_JSON_FORM_SCAN_H

#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/json/json_scan.h"

#define FORM_NAME_MAX 256 /* bytes of the longest name that is looked for */

/* Parsed picks; they never change, so threads may share them. Free them with form_picks_free. */
struct form_picks;
/* At most JSON_PICKS_MAX texts. ERR_INVALID with what is wrong. */
enum err form_picks_new(const char *const *texts, size_t n, struct form_picks **out,
                        struct error *e) MUST_CHECK;
void form_picks_free(struct form_picks *p);

struct form_scan;
/* A scan that is ready for a form. PICKS must outlive it. Free it with form_scan_free. */
struct form_scan *form_scan_new(const struct form_picks *picks);
void form_scan_free(struct form_scan *s);
/* Gets S ready for another form and keeps its memory. */
void form_scan_reset(struct form_scan *s, const struct form_picks *picks);

/* Reads the next bytes. */
void form_scan_feed(struct form_scan *s, struct slice bytes);
/* Call it when the form is over. */
void form_scan_end(struct form_scan *s);

/* Returns what was found for pick number I. Only JSON_PICK_TEXT sets *VALUE; S owns its bytes until reset.
 * JSON_PICK_MISSING: there is no such field, or it is empty. JSON_PICK_OTHER: the field has a malformed percent-escape, or is
 * to be JSON and is not. JSON_PICK_TWICE: the form has the field more than once. */
enum json_pick_state form_scan_pick(const struct form_scan *s, size_t i, struct slice *value);

#endif
