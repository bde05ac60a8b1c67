
/*
 * Copyright (C) nginx-entra authors
 *
 * What goes from one store to another, and what does not.
 */

#include <stdlib.h>

#include "entra_store_copy.h"
#include "tap.h"


#define SIZE  (128 * 1024)
#define ALL   (1 << ENTRA_STORE_SHARED | 1 << ENTRA_STORE_CALLER              \
               | 1 << ENTRA_STORE_SIGN_IN)


static void           *memory[2];
static entra_store_t   store, other;
static unsigned char   digest[ENTRA_STORE_DIGEST] = "a secret";
static unsigned char   sign_in[ENTRA_STORE_KEY] = "a sign-in";


static void
begin(void)
{
    unsigned        i;
    entra_store_t  *s;

    for (i = 0; i < 2; i++) {
        s = i ? &other : &store;

        free(memory[i]);
        memory[i] = calloc(1, SIZE);

        if (entra_store_format(memory[i], SIZE) != 0) {
            abort();
        }

        entra_store_open(s, memory[i]);
        s->process = 1;
        s->pid = 101;
    }
}


static entra_store_ref_t
ref_of(unsigned n, entra_store_kind_e kind)
{
    entra_store_ref_t  ref;

    memset(&ref, 0, sizeof(ref));
    memcpy(ref.key, &n, sizeof(n));
    ref.kind = kind;
    ref.index = (uint32_t) -1;

    return ref;
}


static void
put(entra_store_t *s, unsigned n, entra_store_kind_e kind, const char *value,
    int64_t expires)
{
    entra_store_ref_t      ref = ref_of(n, kind);
    entra_store_success_t  success = { .member = "the member" };

    success.value = entra_str_c(value);
    success.digest = digest;
    success.note = "the note";
    success.now = 1000;
    success.expires = expires;
    success.refresh = expires / 2;

    if (entra_store_attach(s, &ref, 1, 1000) != 0
        || entra_store_success(s, &ref, &success) != 0)
    {
        abort();
    }

    entra_store_detach(s, &ref);
}


/* the value, or "" */

static const char *
got(entra_store_t *s, unsigned n, entra_store_kind_e kind, int64_t now)
{
    entra_buf_t          value;
    entra_store_ref_t    ref = ref_of(n, kind);
    entra_store_value_t  v;

    static char  text[64];

    text[0] = '\0';
    entra_buf_init(&value, 8192);

    if (entra_store_read(s, &ref, now, &value, &v) == 1) {
        snprintf(text, sizeof(text), "%s %lld %lld%s", value.data,
                 (long long) v.expires, (long long) v.refresh,
                 memcmp(v.digest, digest, sizeof(digest)) ? " other" : "");
    }

    entra_buf_free(&value);

    return text;
}


static void
export(entra_store_t *s, unsigned kinds, int64_t shift, entra_buf_t *out)
{
    entra_store_copy_t  copy = { .kinds = kinds, .now = 1000, .shift = shift };

    while (entra_store_export(s, &copy, out) == 1) {
        /* void */
    }
}


static int
import(entra_store_t *s, unsigned kinds, int64_t now, int64_t shift,
    entra_str_t text, entra_store_copy_t *copy)
{
    memset(copy, 0, sizeof(entra_store_copy_t));
    copy->kinds = kinds;
    copy->now = now;
    copy->shift = shift;

    return entra_store_import(s, copy, text);
}


static void
test_all(void)
{
    entra_buf_t             out, text;
    entra_store_ref_t       ref;
    entra_store_copy_t      copy;
    entra_store_snapshot_t  snapshot;

    begin();
    entra_buf_init(&out, SIZE);
    entra_buf_init(&text, 100);

    put(&store, 1, ENTRA_STORE_SHARED, "one", 9000);
    put(&store, 2, ENTRA_STORE_CALLER, "two", 8000);
    put(&store, 3, ENTRA_STORE_SHARED, "three", 1500);
    ok(entra_store_put(&store, sign_in, entra_str("in"), 0,
                       1000) == 0, "a sign-in");

    export(&store, ALL, 0, &out);
    ok(entra_buf_ok(&out) && import(&other, ALL, 2000, 0, entra_buf_str(&out),
                                    &copy) == 0, "all of them");
    ok(copy.copied == 3 && copy.dropped == 1, "but the one that has expired");

    is(got(&other, 1, ENTRA_STORE_SHARED, 2000), "one 9000 4500", "a token");
    is(got(&other, 2, ENTRA_STORE_CALLER, 2000), "two 8000 4000",
       "a caller's");
    is(got(&other, 3, ENTRA_STORE_SHARED, 2000), "", "expired");
    is(got(&other, 1, ENTRA_STORE_CALLER, 2000), "", "no other kind");
    ok(entra_store_get(&other, sign_in, 2000, 0, &text),
       "the sign-in");
    is(text.data, "in", "and its text");

    ref = ref_of(1, ENTRA_STORE_SHARED);
    ok(entra_store_snapshot(&other, &ref, 2000, &snapshot, NULL) == 0
       && snapshot.state == ENTRA_STORE_VALID && snapshot.obtained == 1000
       && snapshot.fetches == 0, "valid, and never fetched here");
    is(snapshot.note, "the note", "with its note");
    is(snapshot.member, "the member", "and who gave it");

    ok(import(&other, ALL, 2000, 0, entra_buf_str(&out), &copy) == 0
       && copy.copied == 0, "what is there stays");

    entra_buf_free(&out);
    entra_buf_free(&text);
}


static int
is_one(void *data, entra_store_kind_e kind, const unsigned char *key)
{
    (void) data;

    return kind == ENTRA_STORE_SHARED && key[0] == 1;
}


static void
test_choice(void)
{
    entra_buf_t         out;
    entra_store_copy_t  copy;

    begin();
    entra_buf_init(&out, SIZE);

    put(&store, 1, ENTRA_STORE_SHARED, "one", 9000);
    put(&store, 2, ENTRA_STORE_SHARED, "two", 9000);
    put(&store, 3, ENTRA_STORE_CALLER, "three", 9000);

    export(&store, 1 << ENTRA_STORE_SHARED, 0, &out);

    memset(&copy, 0, sizeof(copy));
    copy.kinds = ALL;
    copy.now = 2000;
    copy.wanted = is_one;

    ok(entra_store_import(&other, &copy, entra_buf_str(&out)) == 0
       && copy.copied == 1 && copy.dropped == 1, "what is wanted");
    is(got(&other, 1, ENTRA_STORE_SHARED, 2000), "one 9000 4500", "this one");
    is(got(&other, 2, ENTRA_STORE_SHARED, 2000), "", "not that one");

    ok(import(&other, 1 << ENTRA_STORE_CALLER, 2000, 0, entra_buf_str(&out),
              &copy) == 0 && copy.copied == 0, "no kind that was not asked");

    entra_buf_free(&out);
}


static void
test_clocks(void)
{
    entra_buf_t         out;
    entra_store_copy_t  copy;

    begin();
    entra_buf_init(&out, SIZE);

    put(&store, 1, ENTRA_STORE_SHARED, "one", 9000);
    export(&store, ALL, 1000000, &out);

    /* another boot: that clock began later */

    ok(import(&other, ALL, 1500, 1000500, entra_buf_str(&out), &copy) == 0
       && copy.copied == 1, "another clock");
    is(got(&other, 1, ENTRA_STORE_SHARED, 1500), "one 8500 4000",
       "its times are the same");

    begin();
    ok(import(&other, ALL, 9000, 1000000, entra_buf_str(&out), &copy) == 0
       && copy.copied == 0, "too late");
    ok(import(&other, ALL, 1000, 1000000 - 20000, entra_buf_str(&out), &copy)
       == 0 && copy.copied == 0, "one that was obtained in the future");

    entra_buf_reset(&out);
    put(&store, 1, ENTRA_STORE_SHARED, "newer", 99000);
    put(&other, 1, ENTRA_STORE_SHARED, "older", 50000);
    export(&store, ALL, 0, &out);
    ok(import(&other, ALL, 2000, 0, entra_buf_str(&out), &copy) == 0
       && copy.copied == 1, "the one that is valid for longer");
    is(got(&other, 1, ENTRA_STORE_SHARED, 2000), "newer 99000 49500", "wins");

    entra_buf_free(&out);
}


static void
test_damage(void)
{
    size_t               i;
    entra_buf_t          out;
    entra_str_t          text;
    entra_store_copy_t   copy;

    begin();
    entra_buf_init(&out, SIZE);

    put(&store, 1, ENTRA_STORE_SHARED, "one", 9000);
    export(&store, ALL, 0, &out);

    for (i = 1; i < out.len; i++) {
        if (import(&other, ALL, 2000, 0, (entra_str_t) { i, out.data }, &copy)
            != -1 || copy.copied)
        {
            break;
        }
    }

    ok(i == out.len, "half of a record");

    text = entra_buf_str(&out);
    out.data[0] = 0;
    ok(import(&other, ALL, 2000, 0, text, &copy) == -1, "an empty value");
    out.data[0] = 3;
    out.data[8] = ENTRA_STORE_KINDS;
    ok(import(&other, ALL, 2000, 0, text, &copy) == -1, "no kind there is");

    entra_buf_free(&out);
}


/* thousands of bytes each: more than the other store has room for */

static void
test_full(void)
{
    char                 value[4001];
    unsigned             i;
    entra_buf_t          out;
    entra_store_copy_t   copy;

    begin();
    entra_buf_init(&out, 1024 * 1024);
    memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';

    for (i = 0; i < 40; i++) {
        put(&store, i, ENTRA_STORE_SHARED, value, 9000);
        export(&store, ALL, 0, &out);
        begin();
    }

    ok(import(&other, ALL, 2000, 0, entra_buf_str(&out), &copy) == 0
       && copy.copied == 40, "more than there is room for");
    is(got(&other, 0, ENTRA_STORE_SHARED, 2000), "", "the first had to go");
    ok(got(&other, 39, ENTRA_STORE_SHARED, 2000)[0] == 'x', "not the last");

    entra_buf_free(&out);
}


static void
test_message(void)
{
    entra_str_t    records;
    unsigned char  message[ENTRA_STORE_COPY_HEAD + 7];
    entra_str_t    all = { sizeof(message), (char *) message };

    memcpy(message + ENTRA_STORE_COPY_HEAD, "records", 7);
    ok(entra_store_copy_head(entra_str("records"), message) == 0, "a head");

    ok(entra_store_copy_open(all, &records) == 1
       && entra_str_eq_c(records, "records"), "of a message");

    all.len--;
    ok(entra_store_copy_open(all, &records) == -1, "that is cut");
    all.len = 10;
    ok(entra_store_copy_open(all, &records) == -1, "to less than its head");
    all.len = sizeof(message);

    message[sizeof(message) - 1] ^= 1;
    ok(entra_store_copy_open(all, &records) == -1, "that was changed");
    message[sizeof(message) - 1] ^= 1;

    message[16]++;
    ok(entra_store_copy_open(all, &records) == 0, "of another version");
    message[16]--;

    message[0]++;
    ok(entra_store_copy_open(all, &records) == -1, "that is something else");
}


int
main(void)
{
    test_all();
    test_choice();
    test_clocks();
    test_damage();
    test_full();
    test_message();

    free(memory[0]);
    free(memory[1]);

    return done();
}
