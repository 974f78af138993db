/* The command completion: scripts for shells, made from the tables. */
#include "cli/commands.h"

#include <string.h>

static void print_words(FILE *to)
{
    for (const struct command *c = commands; c->name; c++)
        fprintf(to, "%s ", c->name);
}

static void print_options(FILE *to, unsigned long which)
{
    for (enum option o = 0; o < OPTION_COUNT; o++)
        if (which & (1ul << o))
            fprintf(to, "%s ", option_row(o)->name);
}

#define EVERYWHERE                                                                                 \
    ((1ul << OPTION_URL) | (1ul << OPTION_LOGIN) | (1ul << OPTION_CONFIG) | (1ul << OPTION_JSON) | \
     (1ul << OPTION_HELP))

/* zsh takes bash's script through bashcompinit. */
static void print_bash(void)
{
    printf("_hookpace() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W \"");
    print_words(stdout);
    printf("\" -- \"$word\"))\n"
           "        return\n"
           "    fi\n"
           "    case $command in\n");
    for (const struct command *c = commands; c->name; c++) {
        printf("    %s) COMPREPLY=($(compgen -W \"", c->name);
        print_options(stdout, c->options | EVERYWHERE);
        if (strcmp(c->name, "completion") == 0)
            printf("bash zsh fish");
        printf("\" -- \"$word\")) ;;\n");
    }
    printf("    esac\n"
           "}\n"
           "complete -F _hookpace hookpace\n");
}

static void print_fish(void)
{
    printf("complete -c hookpace -f\n");
    for (const struct command *c = commands; c->name; c++) {
        printf("complete -c hookpace -n __fish_use_subcommand -a %s -d '%s'\n", c->name, c->help);
        for (enum option o = 0; o < OPTION_COUNT; o++)
            if ((c->options | EVERYWHERE) & (1ul << o))
                printf("complete -c hookpace -n '__fish_seen_subcommand_from %s' -l %s%s -d '%s'\n",
                       c->name, option_row(o)->name + 2, option_row(o)->value ? " -r" : "",
                       option_row(o)->help);
    }
}

int command_completion(struct cli *c)
{
    const char *shell = c->options.arguments[0];
    if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else if (strcmp(shell, "zsh") == 0) {
        printf("autoload -U +X bashcompinit && bashcompinit\n");
        print_bash();
    } else if (strcmp(shell, "fish") == 0) {
        print_fish();
    } else {
        return cli_fail(EXIT_MISUSED, "the shells are bash, zsh and fish",
                        "there is no script for %s", shell);
    }
    return EXIT_DONE;
}
