#include "common/program/program.h"
#include "receiver/receiver.h"

int main(int argc, char **argv)
{
    struct config *conf;
    const char *path;
    int code =
        program_start(argc, argv, "hookpace-receiver",
                      "takes webhooks in, verifies them and puts them on the queue", &conf, &path);
    return code >= 0 ? code : receiver_run(conf, path);
}
