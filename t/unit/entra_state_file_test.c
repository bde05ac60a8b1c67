
/*
 * Copyright (C) nginx-entra authors
 */

#include <dirent.h>

#include "entra_state_file.h"
#include "fixture.h"
#include "tap.h"


#define KEY    "0123456789abcdef0123456789abcdef"
#define OWNER  "owner"
#define TEXT   "the refresh token"


static int
open_with(const char *key, const char *owner, entra_str_t sealed)
{
    int          rc;
    entra_buf_t  plain;

    entra_buf_init(&plain, ENTRA_STATE_MAX);
    rc = entra_state_open(entra_str_c(key), entra_str_c(owner), sealed,
                          &plain);

    if (rc == 0 && !entra_str_eq_c(entra_buf_str(&plain), TEXT)) {
        rc = 1;
    }

    entra_buf_free(&plain);

    return rc;
}


static void
sealing(void)
{
    char         *copy;
    size_t        i, bad = 0;
    entra_buf_t   one, two, plain;
    entra_str_t   s;

    entra_buf_init(&one, ENTRA_STATE_MAX);
    entra_buf_init(&two, ENTRA_STATE_MAX);

    ok(entra_state_seal(entra_str(KEY), entra_str(OWNER), entra_str(TEXT),
                        &one) == 0, "sealed");
    ok(entra_state_seal(entra_str(KEY), entra_str(OWNER), entra_str(TEXT),
                        &two) == 0, "again");
    ok(one.len == sizeof(TEXT) - 1 + 14 + 16 + 12 + 16, "its length");
    ok(memcmp(one.data, "entra-state 1\n", 14) == 0, "its head");
    ok(memcmp(one.data + 14, two.data + 14, 28) != 0, "salt and nonce");

    for (i = 0; i + 7 <= one.len; i++) {
        bad += memcmp(one.data + i, "refresh", 7) == 0;
    }

    ok(bad == 0, "not readable");

    s = entra_buf_str(&one);
    ok(open_with(KEY, OWNER, s) == 0, "opened");
    ok(open_with(KEY "x", OWNER, s) == -1, "another key");
    ok(open_with(KEY, "other", s) == -1, "another owner");
    ok(open_with(KEY, "", s) == -1, "no owner");

    copy = malloc(one.len);

    for (i = 0; i < one.len; i++) {
        memcpy(copy, one.data, one.len);
        copy[i] ^= 1;
        bad += open_with(KEY, OWNER, (entra_str_t) { one.len, copy }) != -1;
    }

    ok(bad == 0, "any bit changed");

    for (i = 0, bad = 0; i < one.len; i++) {
        bad += open_with(KEY, OWNER, (entra_str_t) { i, one.data }) != -1;
    }

    ok(bad == 0, "cut at any place");

    memcpy(copy, one.data, one.len);
    memcpy(copy + 44, two.data + 44, one.len - 44);
    ok(open_with(KEY, OWNER, (entra_str_t) { one.len, copy }) == -1,
       "put together from two");
    free(copy);

    entra_buf_init(&plain, ENTRA_STATE_MAX);
    entra_buf_free(&one);
    ok(entra_state_seal(entra_str(KEY), entra_str(OWNER), entra_str(""), &one)
       == -1, "nothing is not sealed");

    copy = calloc(1, ENTRA_STATE_MAX);
    ok(entra_state_seal(entra_str(KEY), entra_str(OWNER),
                        (entra_str_t) { ENTRA_STATE_MAX, copy }, &one) == -1,
       "too long");
    ok(entra_state_seal(entra_str(KEY), entra_str(OWNER),
                        (entra_str_t) { ENTRA_STATE_MAX - 58, copy }, &one)
       == 0 && one.len == ENTRA_STATE_MAX, "as long as can be");
    ok(entra_state_open(entra_str(KEY), entra_str(OWNER), entra_buf_str(&one),
                        &plain) == 0 && plain.len == ENTRA_STATE_MAX - 58,
       "and back");
    free(copy);

    entra_buf_free(&one);
    entra_buf_free(&two);
    entra_buf_free(&plain);
}


static unsigned
files_there(void)
{
    DIR            *dir;
    unsigned        n = 0;
    struct dirent  *d;

    dir = opendir(fixture_dir);

    while ((d = readdir(dir)) != NULL) {
        n += d->d_name[0] != '.';
    }

    closedir(dir);

    return n;
}


static int
reads(const char *path, const char *want, entra_err_t *err)
{
    int          rc;
    entra_buf_t  out;

    entra_err_clear(err);
    entra_buf_init(&out, ENTRA_STATE_MAX);
    rc = entra_state_file_read(path, &out, err);

    if (rc == 1 && !entra_str_eq_c(entra_buf_str(&out), want)) {
        rc = 2;
    }

    entra_buf_free(&out);

    return rc;
}


static void
files(void)
{
    char          big[8192], *huge;
    mode_t        old;
    entra_err_t   err;
    const char   *path, *link;
    struct stat   st;

    path = fixture_path("state");
    entra_err_clear(&err);

    ok(reads(path, "", &err) == 0 && err.text[0] == '\0', "no file");
    ok(entra_state_file_remove(path, &err) == 0, "nothing to remove");

    old = umask(0);
    ok(entra_state_file_write(path, entra_str("one"), &err) == 0, "written");
    umask(old);
    ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "mode 0600");
    ok(reads(path, "one", &err) == 1, "read");

    ok(entra_state_file_write(path, entra_str("two"), &err) == 0, "replaced");
    ok(reads(path, "two", &err) == 1, "read");
    ok(files_there() == 1, "nothing else is left there");

    chmod(path, 0640);
    ok(reads(path, "two", &err) == -1
       && strstr(err.text, "is not used, as others than its owner") != NULL,
       "readable for a group");

    ok(entra_state_file_write(path, entra_str("three"), &err) == 0
       && reads(path, "three", &err) == 1, "replaced by a safe one");

    link = fixture_path("link");
    ok(symlink(path, link) == 0, "a symbolic link");
    ok(reads(link, "three", &err) == -1, "is not followed");
    ok(entra_state_file_write(link, entra_str("four"), &err) == 0
       && reads(link, "four", &err) == 1 && reads(path, "three", &err) == 1,
       "but replaced");
    ok(entra_state_file_remove(link, &err) == 0
       && reads(link, "", &err) == 0, "removed");

    ok(reads(fixture_dir, "", &err) == -1, "a directory");
    ok(mkfifo(link, 0600) == 0 && reads(link, "", &err) == -1,
       "a FIFO does not block");

    memset(big, 'x', sizeof(big));
    ok(entra_state_file_write(path, (entra_str_t) { sizeof(big), big }, &err)
       == 0, "more than a block");

    huge = calloc(1, ENTRA_STATE_MAX + 1);
    fixture_bytes("state", huge, ENTRA_STATE_MAX + 1);
    chmod(path, 0600);
    ok(reads(path, "", &err) == -1
       && strstr(err.text, "bytes, at most 32,768") != NULL, "too large");
    free(huge);

    ok(entra_state_file_write("/nonexistent/dir/state", entra_str("x"), &err)
       == -1 && strstr(err.text, "/nonexistent/dir/state") != NULL
       && strstr(err.text, "No such file") != NULL, "%s", err.text);
}


int
main(void)
{
    sealing();
    files();

    return done();
}
