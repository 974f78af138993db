/* The reduced case of a bug of gcc 14, for tests/analysis/folded. In C the operand behind `?` is evaluated only if the
 * condition holds, so this program prints 262144. gcc 14.2.0 makes `has * *length + 262144` of it, at -O0 too, and the
 * program dies of reading through NULL. gcc 12.2 and 13.3 do not. */
#include <stdbool.h>
#include <stdio.h>

static unsigned long linger_bytes(const unsigned long *length)
{
    bool has = length != NULL;
    return 262144 + (has ? *length : 0);
}

int main(int argc, char **argv)
{
    (void)argv;
    unsigned long length = 1;
    printf("%lu\n", linger_bytes(argc > 1 ? &length : NULL));
    return 0;
}
