#include "common/ops/families.h"

#include "common/base/process.h"

static const struct metric_family families[METRIC_COUNT] = {
#define METRIC_ROW(id, name, type, labels, help) {name, METRIC_##type, labels, help},
    METRIC_FAMILIES(METRIC_ROW)
#undef METRIC_ROW
};

static void set(struct metrics *m, enum metric family, double value)
{
    metric_set(metrics_series(m, family, SLICE_LIT(""), SLICE_LIT("")), value);
}

struct metrics *families_metrics(const char *program, const char *version)
{
    struct metrics *m = metrics_new(families, METRIC_COUNT);
    metric_set(metrics_series(m, METRIC_BUILD_INFO, slice_str(version), slice_str(program)), 1);
    families_reloaded(m, true);
    return m;
}

void families_reloaded(struct metrics *m, bool taken)
{
    set(m, METRIC_RELOAD, taken);
}

static void set_if_known(struct metrics *m, enum metric family, double value)
{
    metrics_unset(m, family);
    if (value >= 0)
        set(m, family, value);
}

void families_read_process(struct metrics *m)
{
    struct process_usage u;
    process_read_usage(&u);
    set_if_known(m, METRIC_PROCESS_CPU, u.cpu_s);
    set_if_known(m, METRIC_PROCESS_RSS, u.rss_bytes);
    set_if_known(m, METRIC_PROCESS_VIRTUAL, u.virtual_bytes);
    set_if_known(m, METRIC_PROCESS_START, u.started_s);
    set_if_known(m, METRIC_PROCESS_FDS, u.open_files);
    set_if_known(m, METRIC_PROCESS_MAX_FDS, process_files_max());
}
