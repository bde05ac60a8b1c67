
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_json.h"
#include "tap.h"


static int
parses(const char *text, unsigned flags)
{
    entra_json_t  *root;

    root = entra_json_parse(entra_str_c(text), 0, flags);
    entra_json_free(root);

    return root != NULL;
}


static void
test_parse(void)
{
    char           deep[200];
    entra_json_t  *root;

    ok(parses("{}", 0), "object");
    ok(parses(" [1, \"a\", null, true] \n", 0), "array and white space");
    ok(parses("1", 0) && !parses("1", ENTRA_JSON_OBJECT), "only objects");
    ok(!parses("", 0) && !parses("  ", 0), "nothing");
    ok(!parses("{", 0) && !parses("}", 0) && !parses("{]", 0), "brackets");
    ok(!parses("{}x", 0) && !parses("{}{}", 0) && !parses("{} ,", 0),
       "something after it");
    ok(!parses("<html>", 0), "HTML");
    ok(!parses("{\"a\":\"b\nc\"}", 0), "newline in a string");
    ok(!parses("{\"a\":\"b\\u0000c\"}", 0), "NUL as an escape");
    ok(parses("{\"a\":\"b\\\\u0000c\"}", 0), "an escaped backslash is not");
    ok(!parses("{\"a\":\"b\\", 0), "ends in a backslash");
    ok(entra_json_parse(entra_str("{\"a\":\"b\0c\"}"), 0, 0) == NULL, "NUL");
    ok(entra_json_parse(entra_str("{}\0"), 0, 0) == NULL, "NUL after it");
    ok(entra_json_parse(entra_str("{\"a\":1}"), 6, 0) == NULL, "too long");

    root = entra_json_parse(entra_str("{\"a\":1}xyz"), 0, 0);
    ok(root == NULL, "xyz");
    root = entra_json_parse((entra_str_t) { 7, "{\"a\":1}xyz" }, 0, 0);
    ok(root != NULL, "only its length counts");
    entra_json_free(root);

    memset(deep, '[', 32);
    memset(deep + 32, ']', 32);
    deep[64] = '\0';
    ok(parses(deep, 0), "32 deep");
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    deep[66] = '\0';
    ok(!parses(deep, 0), "33 deep");

    ok(parses("{\"a\":1,\"a\":2}", 0), "the same name twice");
    ok(!parses("{\"a\":1,\"a\":2}", ENTRA_JSON_UNIQUE), "is refused");
    ok(!parses("{\"a\":1,\"b\":2,\"\\u0061\":2}", ENTRA_JSON_UNIQUE),
       "also as an escape");
    ok(!parses("{\"x\":[{\"y\":{\"a\":1,\"a\":2}}]}", ENTRA_JSON_UNIQUE),
       "also inside");
    ok(parses("{\"x\":{\"a\":1},\"y\":{\"a\":1},\"A\":1}",
              ENTRA_JSON_UNIQUE), "but not in different objects");
}


/* 20,000 members: sorted, not compared with each other */

static void
test_large(void)
{
    char          *text;
    size_t         n = 0;
    unsigned       i;
    entra_json_t  *root;

    text = malloc(1000000);
    text[n++] = '{';
    for (i = 0; i < 20000; i++) {
        n += (size_t) sprintf(text + n, "\"m%u\":%u,", i, i);
    }
    n += (size_t) sprintf(text + n, "\"z\":\"z\"}");

    root = entra_json_parse((entra_str_t) { n, text }, 0, ENTRA_JSON_UNIQUE);
    ok(entra_json_count(root) == 20001, "many members");
    entra_json_free(root);
    free(text);
}


static void
test_get(void)
{
    int                  flag;
    int64_t              n;
    unsigned             i;
    entra_str_t          text;
    entra_json_t        *root;
    const entra_json_t  *v, *item;

    root = entra_json_parse(entra_str(
        "{\"s\":\"t\\u00e4\",\"n\":3599,\"d\":\"1578523094\",\"f\":1.5,"
        "\"big\":9007199254740993,\"huge\":1e400,\"neg\":-5,\"t\":true,"
        "\"z\":null,\"a\":[\"x\",2],\"o\":{\"p\":\"q\"},\"e\":\"\"}"), 0, 0);

    ok(entra_json_string(entra_json_member(root, "s"), &text) == 0, "string");
    is(text.data, "t\xc3\xa4", "decoded");
    ok(entra_json_string(entra_json_member(root, "n"), &text) != 0, "number");
    ok(entra_json_member(root, "S") == NULL, "names have their case");
    ok(entra_json_member_string(root, "z").data == NULL, "null");
    ok(entra_json_member_string(root, "e").len == 0, "empty");

    ok(entra_json_member_int64(root, "n", &n) == 0 && n == 3599, "number");
    ok(entra_json_member_int64(root, "d", &n) == 0 && n == 1578523094,
       "number in a string");
    ok(entra_json_member_int64(root, "neg", &n) == 0 && n == -5, "negative");
    ok(entra_json_member_int64(root, "f", &n) != 0, "fraction");
    ok(entra_json_member_int64(root, "huge", &n) != 0, "infinity");
    ok(entra_json_member_int64(root, "s", &n) != 0, "text");
    ok(entra_json_member_int64(root, "nope", &n) != 0, "not there");

    ok(entra_json_bool(entra_json_member(root, "t"), &flag) == 0 && flag == 1,
       "true");
    ok(entra_json_bool(entra_json_member(root, "n"), &flag) != 0,
       "a number is no truth");

    v = entra_json_member(root, "a");
    ok(entra_json_type(v) == ENTRA_JSON_IS_ARRAY, "array");
    for (i = 0, item = entra_json_first(v); item;
         item = entra_json_next(item), i++) { /* void */ }
    ok(i == 2 && entra_json_count(v) == 2, "its items");
    is(entra_json_name(entra_json_first(entra_json_member(root, "o"))), "p",
       "name of a member");
    ok(entra_json_member(v, "x") == NULL, "an array has no members");

    ok(entra_json_member(NULL, "x") == NULL
       && entra_json_first(NULL) == NULL
       && entra_json_type(NULL) == ENTRA_JSON_IS_NULL
       && entra_json_string(NULL, &text) != 0
       && entra_json_count(NULL) == 0, "nothing gives nothing");

    entra_json_free(root);
    entra_json_free(NULL);
}


static void
test_merge(void)
{
    entra_buf_t    out;
    entra_json_t  *a, *b;

    a = entra_json_parse(entra_str("{\"x\":{\"p\":1,\"q\":[1]},\"y\":\"s\"}"),
                         0, 0);
    b = entra_json_parse(entra_str("{\"x\":{\"q\":[2],\"r\":null},\"y\":{},"
                                   "\"z\":\"\\\"\"}"), 0, 0);
    entra_buf_init(&out, 1000);

    ok(entra_json_merge(a, b) == 0 && entra_json_print(a, &out) == 0,
       "merged");
    is(out.data, "{\"x\":{\"p\":1,\"q\":[2],\"r\":null},\"y\":{},"
                 "\"z\":\"\\\"\"}", "deeply, the second wins");
    ok(entra_json_merge(a, entra_json_first(a)) == 0, "with a part of itself");

    entra_buf_free(&out);
    entra_buf_init(&out, 5);
    ok(entra_json_print(a, &out) != 0, "no room");
    entra_buf_free(&out);
    entra_json_free(a);
    entra_json_free(b);
}


int
main(void)
{
    test_parse();
    test_large();
    test_get();
    test_merge();

    return done();
}
