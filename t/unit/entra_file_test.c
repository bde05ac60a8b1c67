
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_file.h"
#include "fixture.h"
#include "tap.h"


static entra_err_t  err;


static int
refresh(entra_file_t *file)
{
    entra_err_clear(&err);

    return entra_file_refresh(file, &err);
}


static const char *
text(const entra_file_t *file)
{
    static char  copy[256];

    snprintf(copy, sizeof(copy), "%.*s", (int) entra_file_text(file).len,
             entra_file_text(file).data);

    return copy;
}


static void
write_in_place(const char *path, const char *content)
{
    FILE  *f = fopen(path, "w");

    fputs(content, f);
    fclose(f);
    (void) fixture_written(path, 60);
}


/* a step at a time */

static void
unfinished(const char *path)
{
    FILE          *f;
    entra_file_t   file;

    fixture_write("file", "old");
    (void) entra_file_init(&file, path, 100);
    ok(refresh(&file) == 1, "a first content");

    f = fopen(path, "w");
    ok(refresh(&file) == 0 && refresh(&file) == 0, "empty: not told of");
    fputs("new-", f);
    fflush(f);
    ok(refresh(&file) == 0 && refresh(&file) == 0, "a half: not taken");
    is(text(&file), "old", "the last good one");
    fputs("secret", f);
    fclose(f);
    ok(refresh(&file) == 0, "all of it, just now");
    (void) fixture_written(path, 2);
    ok(refresh(&file) == 1, "a while ago");
    is(text(&file), "new-secret", "all of it");
    ok(refresh(&file) == 0, "once");

    f = fopen(path, "w");
    fputs("later", f);
    fclose(f);
    (void) fixture_written(path, -1000);
    ok(refresh(&file) == 0 && refresh(&file) == 1,
       "written in the future: two looks");
    is(text(&file), "later", "the same");

    entra_file_free(&file);

    f = fopen(path, "w");
    fputs("first", f);
    fclose(f);
    (void) entra_file_init(&file, path, 100);
    ok(refresh(&file) == 1, "without any content, what there is");
    entra_file_free(&file);
    unlink(path);
}


/* what is of another form is like what is unreadable */

static void
wanted(void)
{
    entra_file_t                    file;
    static const entra_file_want_t  want = { .what = "a word" };

    (void) fixture_write("file", "good");
    (void) entra_file_init(&file, fixture_path("file"), 100);
    file.want = &want;
    ok(refresh(&file) == 1, "of the form that is wanted");

    (void) fixture_write("file", "\"bad\"");
    ok(refresh(&file) == -1 && strstr(err.text, "quotes") && file.stale,
       "of another");
    is(text(&file), "good", "the last good one");
    ok(refresh(&file) == 0 && file.stale, "told once");

    (void) fixture_write("file", "better");
    ok(refresh(&file) == 1 && !file.stale, "mended");
    entra_file_free(&file);
}


int
main(void)
{
    char          big[200];
    const char   *path;
    entra_file_t  file;

    path = fixture_path("file");
    unfinished(path);
    ok(entra_file_init(&file, path, 100) == 0, "init");
    ok(refresh(&file) == -1 && strstr(err.text, path), "not there");
    ok(err.class == ENTRA_ERR_CONFIG, "class");
    ok(refresh(&file) == 0, "told once");

    fixture_write("file", "  one\r\n");
    ok(refresh(&file) == 1, "new");
    is(text(&file), "one", "trimmed");
    ok(refresh(&file) == 0 && refresh(&file) == 0, "the same");

    /* same size, same inode, perhaps within one tick of the clock */

    write_in_place(path, "  two\r\n");
    (void) refresh(&file);
    write_in_place(path, "  six\r\n");
    (void) refresh(&file);
    (void) refresh(&file);
    is(text(&file), "six", "written in place");

    fixture_write("file", "  six\r\n");
    ok(refresh(&file) == 0, "another file with the same content");

    fixture_write("file", " \n\t");
    ok(refresh(&file) == -1 && strstr(err.text, "is empty"), "white space");
    ok(refresh(&file) == 0, "told once");
    is(text(&file), "six", "the last good one");

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    fixture_write("file", big);
    ok(refresh(&file) == -1 && strstr(err.text, "is 199 bytes, at most 100"),
       "large");
    ok(refresh(&file) == 0, "told once");

    big[100] = '\0';
    fixture_write("file", big);
    ok(refresh(&file) == 1, "exactly as large as allowed");

    unlink(path);
    ok(refresh(&file) == -1, "removed");
    ok(mkdir(path, 0700) == 0 && refresh(&file) == -1
       && strstr(err.text, "not a regular file"), "a directory");
    rmdir(path);

    ok(mkfifo(path, 0600) == 0 && refresh(&file) == -1
       && strstr(err.text, "not a regular file"), "a FIFO does not block");
    unlink(path);
    ok(refresh(&file) == -1, "removed again");

    fixture_write("file", "back");
    ok(refresh(&file) == 1, "back");
    is(text(&file), "back", "content");

    if (geteuid() != 0) {
        chmod(path, 0);
        ok(refresh(&file) == -1 && err.advice, "unreadable");
    }

    entra_file_free(&file);
    wanted();

    return done();
}
