
/*
 * Copyright (C) nginx-entra authors
 */

#include "fixture.h"
#include "tap.h"


static const char *
value(const char *text, const char *name)
{
    entra_err_t   err;
    entra_env_t  *env, *outer;

    static char   copy[1100];

    outer = entra_env_create(NULL, 0);
    (void) entra_env_set(outer, entra_str("OUT"), entra_str("er"));

    env = entra_env_create(outer, 0);
    entra_err_clear(&err);

    if (entra_env_parse(env, entra_str_c(text), NULL, &err) != 0) {
        snprintf(copy, sizeof(copy), "error: %s", err.text);

    } else if (entra_env_get(env, name) == NULL) {
        snprintf(copy, sizeof(copy), "unset");

    } else {
        snprintf(copy, sizeof(copy), "%s", entra_env_get(env, name));
    }

    entra_env_free(env);
    entra_env_free(outer);

    return copy;
}


/* each was compared with python-dotenv */

static void
test_syntax(void)
{
    is(value("A=b", "A"), "b", "plain");
    is(value("  A = b  ", "A"), "b", "blanks around");
    is(value("A=b\r\nB=c\r\n", "A"), "b", "CRLF");
    is(value("A=b c", "A"), "b c", "blanks inside");
    is(value("A=b #c", "A"), "b", "comment");
    is(value("A=b#c", "A"), "b#c", "no comment");
    is(value("A=#c", "A"), "#c", "no comment at the start");
    is(value("A= # c", "A"), "# c", "nor after blanks");
    is(value("# A=b\n\n \nA=c", "A"), "c", "lines without");
    is(value("export A=b", "A"), "b", "export");
    is(value("exporting=b", "exporting"), "b", "a name that begins so");
    is(value("'A'=b", "A"), "b", "quoted name");
    is(value("A='b c' # d", "A"), "b c", "single quotes");
    is(value("A='b\\'c\\\\d\\n'", "A"), "b'c\\d\\n", "and their escapes");
    is(value("A=\"b \\\"c\\\"\\n\\t\\\\ \\x\"", "A"), "b \"c\"\n\t\\ \\x",
       "double quotes");
    is(value("A=\"b\nc\"\nB=d", "A"), "b\nc", "several lines");
    is(value("A=\"b\nc\"\nB=d", "B"), "d", "and what follows");
    is(value("A=", "A"), "unset", "empty is unset");
    is(value("A", "A"), "unset", "a name alone");
    is(value("A=1\nA", "A"), "unset", "and it unsets");
    is(value("A # c\nB=1", "B"), "1", "with a comment");
    is(value("A=1\nA=2", "A"), "2", "the last one counts");
    is(value("\xef\xbb\xbf" "A=1", "A"), "1", "byte order mark");
    is(value("A=b'c'", "A"), "b'c'", "quotes inside");
}


static void
test_expansion(void)
{
    is(value("A=x\nB=${A}y", "B"), "xy", "expanded");
    is(value("A=x\nB='${A}'", "B"), "x", "in single quotes too");
    is(value("A=x\nB=\"${A}${A}\"", "B"), "xx", "twice");
    is(value("B=${OUT}", "B"), "er", "of the outer environment");
    is(value("B=-${NOPE}-", "B"), "--", "unset");
    is(value("B=${NOPE:-d e}", "B"), "d e", "default");
    is(value("A=x\nB=${A:-d}", "B"), "x", "no default needed");
    is(value("A=\nB=${A:-d}", "B"), "unset", "nor when it is empty");
    is(value("B=$A $ ${", "B"), "$A $ ${", "not a reference");
    is(value("B=${A:x}", "B"), "${A:x}", "another operator");
    is(value("OUT=${OUT}2", "OUT"), "er2", "its outer self");
}


/* as python-dotenv does, with a warning for each */

static void
odd(const char *text, const char *name, const char *want, const char *says)
{
    entra_buf_t   lines;
    entra_err_t   err;
    entra_env_t  *env;

    env = entra_env_create(NULL, 0);
    entra_err_clear(&err);
    entra_buf_init(&lines, 1024);

    ok(entra_env_parse(env, entra_str_c(text), &lines, &err) == 0
       && strcmp(entra_env_get(env, name) ? entra_env_get(env, name) : "unset",
                 want) == 0, "%s", says);
    is(lines.len ? lines.data : "", says, "what is said");

    entra_buf_free(&lines);
    entra_env_free(env);
}


static void
test_odd(void)
{
    odd("A=1\nB='x\nC=2", "C", "2", "line 2 is skipped: unterminated quote");
    odd("A=\"x\ny\nB=1", "B", "1", "line 1 is skipped: unterminated quote");
    odd("A=1\n\nB c\nC=3", "C", "3",
        "line 3 is skipped: no \"=\" after the name");
    odd("A='b'c\nB=2", "B", "2",
        "line 1 is skipped: text after a quoted value");
    odd("=x\nB=2", "B", "2", "line 1 is skipped: no name");
    odd("'A=x\nB=2", "B", "2", "line 1 is skipped: unterminated name");
    odd("export \nB=2", "B", "2", "line 1 is skipped: no name");
    odd("set -a\nMY KEY=1\nThe values of the tenant:\nA=1\nx y\nu v\nB=2", "B",
        "2", "line 1 is skipped: no \"=\" after the name; line 2 is skipped: no"
        " \"=\" after the name; line 3 is skipped: no \"=\" after the name; and"
        " 2 more");
    odd("A=1\nB=2", "A", "1", "");
}


static void
test_errors(void)
{
    char          big[70000];
    char          text[3000];
    int           i, n = 0;
    entra_err_t   err;
    entra_env_t  *env;

    env = entra_env_create(NULL, 0);
    entra_err_clear(&err);
    memset(big, 'a', sizeof(big));
    ok(entra_env_parse(env, (entra_str_t) { sizeof(big), big }, NULL,
                       &err) != 0,
       "too large");
    ok(entra_env_parse(env, entra_str("A=\0"), NULL, &err) != 0, "NUL");

    /* each line twice as long as the one before */

    n += sprintf(text + n, "A0=0123456789\n");
    for (i = 1; i < 60; i++) {
        n += sprintf(text + n, "A%d=${A%d}${A%d}\n", i, i - 1, i - 1);
    }
    ok(entra_env_parse(env, entra_str_c(text), NULL, &err) != 0, "a bomb");

    entra_env_free(env);
}


static void
test_process(void)
{
    entra_env_t  *env;

    setenv("ENTRA_TEST_VARIABLE", "here", 1);
    setenv("ENTRA_TEST_EMPTY", "", 1);
    env = entra_env_create(NULL, 1);
    setenv("ENTRA_TEST_VARIABLE", "later", 1);

    is(entra_env_get(env, "ENTRA_TEST_VARIABLE"), "here", "as it was");
    ok(entra_env_get(env, "ENTRA_TEST_EMPTY") == NULL, "empty is unset");
    ok(entra_env_get(env, "ENTRA_TEST_NOPE") == NULL, "unset");
    ok(entra_env_get(NULL, "X") == NULL, "no environment at all");

    entra_env_free(env);
    entra_env_free(NULL);
}


int
main(void)
{
    test_syntax();
    test_expansion();
    test_odd();
    test_errors();
    test_process();

    return done();
}
