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
    ((1ul << OPTION_URL) | (1ul << OPTION_LOGIN) | (1ul << OPTION_CONFIG) |                        \
     (1ul << OPTION_ENV_FILE) | (1ul << OPTION_JSON) | (1ul << OPTION_HELP) |                      \
     (1ul << OPTION_VERSION))

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

/* TEXT in single quotes, as fish writes them. */
static void print_fish_text(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        printf(strchr("'\\", *text) ? "\\%c" : "%c", *text);
    putchar('\'');
}

static void print_fish_option(const struct command *c, const struct option_row *row)
{
    printf("complete -c hookpace -n '__fish_seen_subcommand_from %s' -l %s%s -d ", c->name,
           row->name + 2, row->value ? " -r" : "");
    print_fish_text(row->help);
    putchar('\n');
}

static void print_fish(void)
{
    printf("complete -c hookpace -f\n");
    for (const struct command *c = commands; c->name; c++) {
        printf("complete -c hookpace -n __fish_use_subcommand -a %s -d ", c->name);
        print_fish_text(c->help);
        putchar('\n');
        for (enum option o = 0; o < OPTION_COUNT; o++)
            if ((c->options | EVERYWHERE) & (1ul << o))
                print_fish_option(c, option_row(o));
    }
}

/* As the inside of '...'. A bracket ends a help text of _arguments, a colon the name of a value. */
static void print_zsh_text(const char *text)
{
    for (; *text; text++)
        printf(*text == '\'' ? "'\\''" : strchr("[]:\\", *text) ? "\\%c" : "%c", *text);
}

static void print_zsh_options(unsigned long which)
{
    for (enum option o = 0; o < OPTION_COUNT; o++) {
        const struct option_row *row = option_row(o);
        if (!(which & (1ul << o)))
            continue;
        printf(" \\\n            '%s[", row->name);
        print_zsh_text(row->help);
        printf("]");
        if (row->value) {
            printf(":");
            print_zsh_text(row->value);
            printf(strcmp(row->value, "FILE") == 0 ? ":_files" : ":");
        }
        printf("'");
    }
}

/* A function for the folders of zsh's $fpath, where the first line names the command. */
static void print_zsh(void)
{
    printf("#compdef hookpace\n"
           "_hookpace() {\n"
           "    if (( CURRENT == 2 )); then\n"
           "        local -a known=(\n");
    for (const struct command *c = commands; c->name; c++) {
        printf("            '%s:", c->name);
        print_zsh_text(c->help);
        printf("'\n");
    }
    printf("        )\n"
           "        _describe command known\n"
           "        return\n"
           "    fi\n"
           "    case $words[2] in\n");
    for (const struct command *c = commands; c->name; c++) {
        printf("    %s)\n        _arguments", c->name);
        print_zsh_options(c->options | EVERYWHERE);
        printf(" '1: :' '*:argument:%s' ;;\n",
               strcmp(c->name, "completion") == 0 ? "(bash zsh fish)" : "");
    }
    /* Read by $fpath the file is the function's body; read by eval it defines the function. */
    printf("    esac\n"
           "}\n"
           "if [ \"$funcstack[1]\" = _hookpace ]; then _hookpace \"$@\"; else compdef _hookpace "
           "hookpace; fi\n");
}

int command_completion(struct cli *c)
{
    const char *shell = c->options.arguments[0];
    if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh();
    } else if (strcmp(shell, "fish") == 0) {
        print_fish();
    } else {
        return cli_fail(EXIT_MISUSED, "the shells are bash, zsh and fish",
                        "there is no script for %s", shell);
    }
    return EXIT_DONE;
}
