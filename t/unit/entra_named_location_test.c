
/*
 * Copyright (C) nginx-entra authors
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entra_enc.h"
#include "entra_named_location.h"
#include "tap.h"
#include "words.h"


static char  dir[] = "/tmp/entra_location_XXXXXX";
static char  path[64];
static char  other[64];


static void
put(const char *name, const void *data, size_t len)
{
    FILE  *f;
    char   fresh[80];

    snprintf(fresh, sizeof(fresh), "%s.new", name);

    f = fopen(fresh, "w");
    fwrite(data, 1, len, f);
    fclose(f);

    if (rename(fresh, name) != 0) {
        ok(0, "writes %s: %s", name, strerror(errno));
    }
}


static void
write_file(const char *text)
{
    put(path, text, strlen(text));
}


static int
parse(const char *text, size_t len, const char *select, size_t *n,
    entra_err_t *err)
{
    int                rc;
    entra_cidr_load_t  load;

    entra_err_clear(err);
    memset(&load, 0, sizeof(entra_cidr_load_t));

    do {
        rc = entra_cidr_list_part(&load, (entra_str_t) { len, text },
                                  "corp.cidr", select, 1000, err);
    } while (rc == 1);

    *n = load.set.nv4 + load.set.nv6;
    entra_cidr_set_free(&load.set);

    return rc;
}


static void
reads(const char *what, const char *text, const char *select, size_t want)
{
    size_t       n;
    entra_err_t  err;

    if (parse(text, strlen(text), select, &n, &err) != 0) {
        ok(0, "%s: %s", what, err.text);
        return;
    }

    ok(n == want, "%s: %zu ranges", what, n);
}


static void
refuses(const char *what, const char *text, const char *select,
    const char *says)
{
    size_t       n;
    entra_err_t  err;

    ok(parse(text, strlen(text), select, &n, &err) == -1
       && strstr(err.text, says), "%s: %s", what, err.text);
}


static void
lists(void)
{
    char         *big;
    size_t        n;
    entra_err_t   err;

    reads("CIDRs", "10.0.0.0/8\n2001:db8::/32\n", NULL, 2);
    reads("no new line at the end", "10.0.0.0/8", NULL, 1);
    reads("comments and blank lines", "# corp\n\n  \t10.0.0.0/8 # x\n#y\n",
          NULL, 1);
    reads("CRLF (T12)", "10.0.0.0/8\r\n192.0.2.0/24\r\n", NULL, 2);
    reads("a BOM (T12)", "\xef\xbb\xbf" "10.0.0.0/8\n", NULL, 1);
    reads("single addresses", "10.0.0.1\n2001:db8::1\n", NULL, 2);

    refuses("an empty file (T83)", "", NULL, "no range in it");
    refuses("comments alone (T83)", "# 10.0.0.0/8\n", NULL, "no range in it");
    refuses("host bits (T13)", "10.0.0.0/8\n\n10.0.0.1/28\n", NULL,
            "corp.cidr:3: ");
    refuses("too wide", "0.0.0.0/0\n", NULL, "corp.cidr:1: ");
    refuses("two on a line", "10.0.0.0/8 11.0.0.0/8\n", NULL, ":1: ");
    refuses("a comma", "10.0.0.0/8,\n", NULL, ":1: ");
    refuses("half a line, from a truncated file (T12)", "10.0.0.0/8\n192.0.",
            NULL, ":2: ");
    refuses("control characters", "10.0.0.0/8\x1b[31m\n", NULL, ":1: ");
    refuses("display_name of a plain list", "10.0.0.0/8\n", "Corp", "no JSON");

    ok(parse("10.0.0.0/8\n\0\n", 13, NULL, &n, &err) == -1
       && strstr(err.text, ":2: "), "a NUL (T12): %s", err.text);

    big = malloc(1024 * 1024);
    memset(big, '1', 1024 * 1024);
    ok(parse(big, 1024 * 1024, NULL, &n, &err) == -1, "a line of 1 MB (T12)");
    free(big);

    reads("an ipNamedLocation",
          "{\"@odata.type\":\"#microsoft.graph.ipNamedLocation\","
          "\"displayName\":\"Corp\",\"isTrusted\":true,\"ipRanges\":["
          "{\"@odata.type\":\"#microsoft.graph.iPv4CidrRange\","
          "\"cidrAddress\":\"198.51.100.0/24\"},"
          "{\"@odata.type\":\"#microsoft.graph.iPv6CidrRange\","
          "\"cidrAddress\":\"2001:db8::/48\"},"
          "{\"@odata.type\":\"#microsoft.graph.iPv4Range\","
          "\"lowerAddress\":\"10.0.0.5\",\"upperAddress\":\"10.0.0.9\"}]}",
          NULL, 3);
    reads("a list of one", "{\"value\":[{\"displayName\":\"A\",\"ipRanges\":"
          "[{\"cidrAddress\":\"10.0.0.0/8\"}]}]}", NULL, 1);
    reads("one of a list", "{\"value\":[{\"displayName\":\"A\",\"ipRanges\":"
          "[{\"cidrAddress\":\"10.0.0.0/8\"}]},{\"displayName\":\"B\","
          "\"ipRanges\":[{\"cidrAddress\":\"11.0.0.0/8\"},"
          "{\"cidrAddress\":\"13.0.0.0/8\"}]}]}", "B", 2);

    refuses("several of a list", "{\"value\":[{\"displayName\":\"A\","
            "\"ipRanges\":[{\"cidrAddress\":\"10.0.0.0/8\"}]},"
            "{\"displayName\":\"B\"}]}", NULL, "\"A\", \"B\"");
    refuses("one that is not in the list", "{\"value\":[{\"displayName\":"
            "\"A\"}]}", "C", "no location \"C\"");
    refuses("an empty list", "{\"value\":[]}", NULL, "a list of 0");
    refuses("a page of a list", "{\"@odata.nextLink\":\"x\",\"value\":[]}",
            NULL, "nextLink");
    refuses("a location by country", "{\"countriesAndRegions\":[\"DE\"]}",
            NULL, "country");
    refuses("no ranges", "{\"ipRanges\":[]}", NULL, "no range in it");
    refuses("a range without addresses", "{\"ipRanges\":[{}]}", NULL,
            "element 1");
    refuses("a bad range", "{\"ipRanges\":[{\"cidrAddress\":\"10.0.0.0/8\"},"
            "{\"cidrAddress\":\"10.0.0.1/8\"}]}", NULL, "element 2");
    refuses("a bad address", "{\"ipRanges\":[{\"lowerAddress\":\"10.0.0.05\","
            "\"upperAddress\":\"10.0.0.9\"}]}", NULL, "not an address");
    refuses("ranges that are no objects", "{\"ipRanges\":[1,\"x\",null]}",
            NULL, "element 1");
    refuses("ranges that are no list", "{\"ipRanges\":\"10.0.0.0/8\"}", NULL,
            "no \"ipRanges\"");
    refuses("JSON that ends early (T12)", "{\"ipRanges\":[{\"cidrAddress\":",
            NULL, "not JSON");
    refuses("a member that is there twice", "{\"ipRanges\":[],\"ipRanges\":"
            "[{\"cidrAddress\":\"10.0.0.0/8\"}]}", NULL, "not JSON");
}


static int
line(entra_named_location_t *location, const char *text, entra_err_t *err)
{
    unsigned     n;
    entra_str_t  words[WORDS_MAX];

    entra_err_clear(err);
    n = words_of(text, words);

    return entra_named_location_line(location, words, n, err);
}


static int
has(const entra_named_location_t *location, const char *text)
{
    entra_addr_t  addr;

    if (strcmp(text, "unix:") == 0) {
        entra_addr_unix(&addr);

    } else {
        (void) entra_addr_parse(&addr, entra_str_c(text));
    }

    return entra_cidr_set_has(&location->set, &addr);
}


static void
refuses_block(const char *text, const char *says)
{
    entra_err_t              err;
    entra_named_location_t   location;

    memset(&location, 0, sizeof(entra_named_location_t));
    entra_err_clear(&err);

    ok((line(&location, text, &err) != 0
        || entra_named_location_done(&location, 1, &err) != 0)
       && strstr(err.text, says), "refuses %s: %s", text, err.text);

    entra_named_location_free(&location);
}


/* what is being written is not used: the second look finds it unchanged */

static int
changed(entra_named_location_t *location, int64_t now, entra_err_t *err)
{
    return entra_named_location_watch(location, now, err) == 0
           ? entra_named_location_watch(location, now, err) : 99;
}


static void
watched(void)
{
    char                     text[128];
    entra_buf_t              hex;
    entra_err_t              err;
    entra_named_location_t   location;

    memset(&location, 0, sizeof(entra_named_location_t));
    write_file("198.51.100.0/24\n");

    snprintf(text, sizeof(text), "file %s", path);
    ok(line(&location, text, &err) == 0
       && line(&location, "192.0.2.0/24 unix", &err) == 0
       && entra_named_location_done(&location, 100, &err) == 0,
       "a file, a range, and unix sockets");
    ok(has(&location, "198.51.100.1") && has(&location, "192.0.2.1")
       && has(&location, "unix:") && !has(&location, "10.0.0.1"), "are in it");
    ok(entra_named_location_entries(&location) == 2
       && location.loaded_at == 100 && !location.incomplete
       && entra_named_location_ipv4_only(&location), "and counted");

    entra_buf_init(&hex, 100);
    entra_enc_hex(&hex, location.sha256, 32);
    is(entra_buf_str(&hex).data, "8e504a6590805a781217351446963e7d5c31e86360664"
       "a7951c10dbed5c8c181", "the digest is that of sha256sum");
    entra_buf_free(&hex);

    ok(entra_named_location_watch(&location, 110, &err) == 0, "nothing new");
    ok(entra_named_location_watch(&location, 111, &err) == 0, "nor later");

    write_file("203.0.113.0/24\n");
    ok(changed(&location, 120, &err) == 1
       && has(&location, "203.0.113.1") && !has(&location, "198.51.100.1")
       && has(&location, "192.0.2.1") && location.loaded_at == 120,
       "another file: another list");

    write_file("203.0.113.0/24\n10.0.0.1/8\n");
    ok(changed(&location, 130, &err) == -1
       && strstr(err.text, ":2: ") && location.failures == 1,
       "a bad file is told, with its line: %s", err.text);
    ok(has(&location, "203.0.113.1") && !has(&location, "10.0.0.1")
       && location.loaded_at == 120 && location.error[0],
       "the last good list stays (T12)");
    ok(entra_named_location_watch(&location, 131, &err) == 0
       && entra_named_location_watch(&location, 132, &err) == 0,
       "and it is told once");

    write_file("");
    ok(changed(&location, 140, &err) == -1
       && has(&location, "203.0.113.1"), "empty: %s", err.text);

    (void) unlink(path);
    ok(entra_named_location_watch(&location, 150, &err) == -1
       && has(&location, "203.0.113.1"), "gone: %s", err.text);

    (void) mkdir(path, 0700);
    ok(changed(&location, 160, &err) == -1
       && has(&location, "203.0.113.1"), "a directory (T12): %s", err.text);
    (void) rmdir(path);

    put(other, "10.0.0.0/8\n", 11);
    ok(symlink(other, path) == 0
       && changed(&location, 170, &err) == 1
       && has(&location, "10.0.0.1") && location.error[0] == '\0',
       "a symlink swapped in (T12)");

    (void) unlink(path);
    ok(entra_named_location_watch(&location, 180, &err) == -1
       && location.error[0], "gone again");
    ok(symlink(other, path) == 0
       && entra_named_location_watch(&location, 190, &err) == 0
       && location.error[0] == '\0', "back with the same: no longer an error");

    entra_named_location_free(&location);
    (void) unlink(path);
    (void) unlink(other);
}


/* a long list is read in pieces, in any order, and sorted */

static void
pieces(void)
{
    int                      rc;
    char                     name[64], text[128];
    unsigned                 i, n, bad, calls;
    entra_buf_t              list;
    entra_err_t              err;
    entra_named_location_t   location;

    memset(&location, 0, sizeof(entra_named_location_t));
    write_file("192.0.2.0/24\n");
    snprintf(text, sizeof(text), "file %s", path);
    ok(line(&location, text, &err) == 0
       && entra_named_location_done(&location, 1, &err) == 0, "a short list");

    entra_buf_init(&list, 1 << 20);
    n = 10 * ENTRA_LOCATION_LINES;

    for (i = 0; i < n; i++) {
        entra_buf_addf(&list, "10.%u.%u.%u/31\n", (i * 7919 % n) >> 14,
                       (i * 7919 % n) >> 6 & 255, (i * 7919 % n) << 2 & 255);
    }

    write_file(entra_buf_str(&list).data);
    ok(entra_named_location_watch(&location, 2, &err) == 0
       && !location.busy, "a long list is seen");

    for (calls = 1; ; calls++) {
        rc = entra_named_location_watch(&location, 3, &err);

        if (!location.busy) {
            break;
        }

        if (rc != 0 || !has(&location, "192.0.2.1")
            || has(&location, "10.0.0.0"))
        {
            calls = 1000;
        }
    }

    ok(rc == 1 && calls >= 10 && calls <= 14,
       "it is read in pieces, and used when all of it is there: %u", calls);
    ok(entra_named_location_entries(&location) == n
       && !has(&location, "192.0.2.1"), "then in place of the other");

    bad = 0;

    for (i = 0; i < 4 * n; i++) {
        snprintf(name, sizeof(name), "10.%u.%u.%u", i >> 16, i >> 8 & 255,
                 i & 255);
        bad += has(&location, name) != (i % 4 < 2);
    }

    ok(bad == 0, "each address of it: %u", bad);

    entra_buf_addf(&list, "oops\n");
    write_file(entra_buf_str(&list).data);
    rc = changed(&location, 4, &err);

    while (location.busy) {
        rc = entra_named_location_watch(&location, 5, &err);
    }

    ok(rc == -1 && strstr(err.text, ":20001: ")
       && has(&location, "10.0.0.0"), "a mistake at its end: %s", err.text);

    entra_buf_free(&list);
    entra_named_location_free(&location);
    (void) unlink(path);
}


static void
several(void)
{
    char                     text[128];
    entra_err_t              err;
    entra_named_location_t   location;

    memset(&location, 0, sizeof(entra_named_location_t));
    write_file("{\"value\":[{\"displayName\":\"Head office\",\"ipRanges\":"
               "[{\"cidrAddress\":\"10.0.0.0/8\"}]},{\"displayName\":\"X\","
               "\"ipRanges\":[{\"cidrAddress\":\"11.0.0.0/8\"}]}]}");
    put(other, "2001:db8::/32\n", 14);

    snprintf(text, sizeof(text), "file %s \"display_name=Head office\"", path);
    ok(line(&location, text, &err) == 0, "one of a list of Graph");
    snprintf(text, sizeof(text), "file %s", other);
    ok(line(&location, text, &err) == 0
       && entra_named_location_done(&location, 1, &err) == 0,
       "and a second file: %s", err.text);
    ok(has(&location, "10.0.0.1") && !has(&location, "11.0.0.1")
       && has(&location, "2001:db8::1")
       && !entra_named_location_ipv4_only(&location), "both are in it");

    put(other, "2001:db9::/32\n", 14);
    ok(changed(&location, 2, &err) == 1
       && has(&location, "10.0.0.1") && !has(&location, "2001:db8::1")
       && has(&location, "2001:db9::1"), "each is watched");

    entra_named_location_free(&location);
    (void) unlink(path);
    (void) unlink(other);
}


int
main(void)
{
    if (mkdtemp(dir) == NULL) {
        return 1;
    }

    snprintf(path, sizeof(path), "%s/corp.cidr", dir);
    snprintf(other, sizeof(other), "%s/other.cidr", dir);

    lists();
    watched();
    pieces();
    several();

    refuses_block("file \"\"", "write \"file PATH\"");
    refuses_block("file", "write \"file PATH\"");
    refuses_block("file /a /b", "write \"file PATH\"");
    refuses_block("file /a display_name=", "write \"file PATH\"");
    refuses_block("file /nonexistent/corp.cidr", "cannot open");
    refuses_block("10.0.0.0/8 corp", "not an address");
    refuses_block("", "empty list");

    (void) rmdir(dir);

    return done();
}
