#include "common/ops/families.h"

static const struct metric_family families[METRIC_COUNT] = {
#define METRIC_ROW(id, name, type, labels, help) {name, METRIC_##type, labels, help},
    METRIC_FAMILIES(METRIC_ROW)
#undef METRIC_ROW
};

struct metrics *families_metrics(void)
{
    return metrics_new(families, METRIC_COUNT);
}
