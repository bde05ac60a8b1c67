
/*
 * TAP for C, so that prove runs unit tests and nginx tests alike.
 *
 *     int main(void) { ok(1 + 1 == 2, "adds"); return done(); }
 */

#ifndef TAP_H
#define TAP_H


#include <stdarg.h>
#include <stdio.h>
#include <string.h>


static int  tap_count;
static int  tap_failed;


__attribute__((format(printf, 3, 4), unused))
static int
tap_ok(int pass, const char *where, const char *fmt, ...)
{
    va_list  args;

    tap_count++;
    tap_failed += !pass;

    printf("%sok %d - ", pass ? "" : "not ", tap_count);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");

    if (!pass) {
        printf("#   failed at %s\n", where);
    }

    fflush(stdout);

    return pass;
}


__attribute__((unused))
static int
tap_is(const char *got, const char *want, const char *where, const char *name)
{
    int  pass = got && want ? strcmp(got, want) == 0 : got == want;

    tap_ok(pass, where, "%s", name);

    if (!pass) {
        printf("#   got:  %s\n#   want: %s\n", got ? got : "(null)",
               want ? want : "(null)");
    }

    return pass;
}


#define TAP_STR2(x)  #x
#define TAP_STR(x)   TAP_STR2(x)
#define TAP_WHERE    __FILE__ ":" TAP_STR(__LINE__)

#define ok(pass, ...)           tap_ok(!!(pass), TAP_WHERE, __VA_ARGS__)
#define is(got, want, name)     tap_is(got, want, TAP_WHERE, name)


__attribute__((unused))
static int
done(void)
{
    printf("1..%d\n", tap_count);

    return tap_failed != 0;
}


#endif /* TAP_H */
