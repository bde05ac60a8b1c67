
/*
 * Copyright (C) nginx-entra authors
 *
 * Files and the directories above them, as others may have left them.  What
 * concerns programs is tested where all directories are root's or ours, and
 * skipped where there is no such place.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entra_access.h"
#include "tap.h"


#define OTHERS  4711        /* a group and a user that are not ours */


static char  dir[PATH_MAX];


static const char *
at(const char *name)
{
    static char      path[4][PATH_MAX + 64];
    static unsigned  n;

    n = (n + 1) % 4;
    snprintf(path[n], sizeof(path[n]), "%s/%s", dir, name);

    return path[n];
}


static void
make(const char *name, mode_t mode)
{
    FILE  *f = fopen(at(name), "w");

    fputs("x", f);
    fclose(f);
    chmod(at(name), mode);
}


static void
make_dir(const char *name, mode_t mode)
{
    (void) mkdir(at(name), 0700);
    chmod(at(name), mode);
}


static const char *
secret(const char *name, gid_t group)
{
    static char  text[4096];
    entra_buf_t  b;

    entra_buf_init(&b, sizeof(text));
    entra_access_secret(at(name), group, &b);
    snprintf(text, sizeof(text), "%s", b.len ? b.data : "");
    entra_buf_free(&b);

    return text;
}


static const char *
program(const char *name, uid_t owner)
{
    static entra_err_t  err;

    entra_err_clear(&err);

    if (entra_access_program(at(name), owner, &err) == 0) {
        return "";
    }

    return err.text;
}


static void
secrets(void)
{
    entra_buf_t  b;

    make("s", 0640);
    is(secret("s", getegid()), "", "0640 and the workers' group");
    is(secret("s", ENTRA_ACCESS_NO_GROUP), "", "or nobody knows which");
    is(secret("none", 0), "", "not there");

    make("s", 0644);
    ok(strstr(secret("s", getegid()), "/s\" can be read by everybody on this"
              " machine: \"ch"), "0644: %s", secret("s", getegid()));
    ok(geteuid() != 0
       || (strstr(secret("s", 0), "\"chown root:root ")
           && strstr(secret("s", 0), "/s; chmod 640 ")), "the commands");
    ok(strstr(secret("s", ENTRA_ACCESS_NO_GROUP), "\"chmod 6"),
       "as far as they are known");

    make("s", 0602);
    ok(strstr(secret("s", 0), "can be written by everybody"), "0602");
    make("s", 0606);
    ok(strstr(secret("s", 0), "can be read and written by every"), "0606");
    make("s", 0660);
    ok(strstr(secret("s", getegid()), "can be written by its group"), "0660");
    make("s", 0600);
    is(secret("s", 0), "", "0600");

    make_dir("open", 0777);
    make("open/s", 0600);
    ok(strstr(secret("open/s", 0), "/open\" can be written by everybody on"
              " this machine, who can replace what is in it: \"chmod go-w "),
       "a directory: %s", secret("open/s", 0));
    make_dir("open", 01777);
    is(secret("open/s", 0), "", "a sticky one");

    make_dir("closed", 0700);
    make_dir("closed/open", 0777);
    make("closed/open/s", 0666);
    is(secret("closed/open/s", 0), "", "where others do not come");
    make_dir("closed", 0711);
    ok(strchr(secret("closed/open/s", 0), '\n') != NULL, "where they do");

    make_dir("open", 0777);

    (void) symlink("open/../open/s", at("link"));
    ok(strstr(secret("link", 0), "/open\" can be written"), "behind a link");

    entra_buf_init(&b, 4096);
    entra_access_secret(at("link"), 0, &b);
    entra_access_secret(at("open/s"), 0, &b);
    entra_access_directory(at("open/none"), 0, &b);
    ok(strchr(entra_buf_str(&b).data, '\n') == NULL, "told once");
    entra_buf_free(&b);

    (void) symlink("loop", at("loop"));
    is(secret("loop", 0), "", "a link to itself ends");

    make_dir("..2024_01_31", 0755);
    make("..2024_01_31/s", 0644);
    (void) symlink("..2024_01_31", at("..data"));
    (void) symlink("..data/s", at("mounted"));
    is(secret("mounted", 0), "", "a volume of Kubernetes");
    make("..2024_01_31/s", 0646);
    ok(strstr(secret("mounted", 0), "can be written by every"), "writable");
}


static const char *
readable(const char *name, const entra_access_user_t *user, int write)
{
    static char  text[4096];
    entra_buf_t  b;

    entra_buf_init(&b, sizeof(text));

    if (write) {
        entra_access_writable(at(name), user, &b);

    } else {
        entra_access_readable(at(name), user, &b);
    }

    snprintf(text, sizeof(text), "%s", b.len ? b.data : "");
    entra_buf_free(&b);

    return text;
}


/* nginx's workers, who are somebody else than root */

static void
workers(void)
{
    entra_access_user_t  user;

    ok(entra_access_user(&user, "nobody-of-this-name", 0) != 0, "no user");

    if (geteuid() != 0) {
        return;
    }

    ok(entra_access_user(&user, "root", 0) == 0 && user.uid == 0, "root");
    make("s", 0000);
    is(readable("s", &user, 0), "", "reads everything");

    memset(&user, 0, sizeof(entra_access_user_t));
    strcpy(user.name, "workers");
    user.uid = 4712;
    user.groups[0] = OTHERS;
    user.ngroups = 1;

    chmod(at("."), 0755);
    make_dir("for", 0755);

    make("for/s", 0600);
    ok(strstr(readable("for/s", &user, 0), "/for/s\" is read again when it"
              " changes, which user \"workers\" of nginx's workers cannot do:"
              " \"chown root:"), "root's alone: %s",
       readable("for/s", &user, 0));
    make("for/s", 0640);
    ok(readable("for/s", &user, 0)[0], "another group");
    ok(chown(at("for/s"), 0, OTHERS) == 0, "their group");
    is(readable("for/s", &user, 0), "", "reads it");
    chmod(at("for/s"), 0604);
    ok(readable("for/s", &user, 0)[0], "their group may not, others may");
    ok(chown(at("for/s"), 4712, 0) == 0, "their own");
    chmod(at("for/s"), 0044);
    ok(readable("for/s", &user, 0)[0], "whom the owner's bits forbid");
    chmod(at("for/s"), 0400);
    is(readable("for/s", &user, 0), "", "or allow");

    make_dir("for", 0700);
    ok(strstr(readable("for/s", &user, 0), "cannot enter the directory"),
       "a directory");
    (void) symlink("for/s", at("for-link"));
    ok(strstr(readable("for-link", &user, 0), "/for\": \"chown"),
       "behind a link");
    is(readable("for/none", &user, 1)[0] ? "told" : "", "told", "not theirs");
    ok(chown(at("for"), 4712, 0) == 0, "theirs");
    is(readable("for/none", &user, 1), "", "to write");
}


static void
groups(void)
{
    if (geteuid() != 0) {
        return;
    }

    make("s", 0640);
    ok(chown(at("s"), 0, OTHERS) == 0, "a group");
    is(secret("s", OTHERS), "", "the workers'");
    ok(strstr(secret("s", OTHERS + 1), "can be read by a group that is not"
              " nginx's"), "another");
    is(secret("s", ENTRA_ACCESS_NO_GROUP), "", "not known");

    make_dir("h", 0750);
    make("h/s", 0644);
    ok(chown(at("h"), 0, OTHERS) == 0, "a directory of a group");
    is(secret("h/s", OTHERS), "", "the workers'");
    ok(strstr(secret("h/s", OTHERS + 1), "can be read by every"), "another");

    make_dir("g", 0770);
    make("g/s", 0600);
    ok(chown(at("g"), 0, OTHERS) == 0, "a directory");
    is(secret("g/s", OTHERS), "", "the workers'");
    ok(strstr(secret("g/s", OTHERS + 1), "/g\" can be written by a group that"
              " is not nginx's"), "another");
}


static void
programs(void)
{
    make_dir("bin", 0755);
    make("bin/t", 0755);

    if (program("bin/t", geteuid())[0]) {
        printf("# not tested here: %s\n", program("bin/t", geteuid()));
        return;
    }

    is(program("bin/t", geteuid()), "", "ours");
    is(program("none/t", geteuid()), "", "not there");

    make("bin/t", 0775);
    ok(strstr(program("bin/t", geteuid()), "can be replaced by a group, as \"")
       && strstr(program("bin/t", geteuid()), "/bin/t\" has the mode 0775:"
                 " \"chmod g-w /"), "%s", program("bin/t", geteuid()));
    make("bin/t", 0757);
    ok(strstr(program("bin/t", geteuid()), "by everybody on this machine, as")
       && strstr(program("bin/t", geteuid()), "\"chmod go-w /"), "0757");
    make("bin/t", 0755);

    (void) symlink("bin/t", at("u"));
    is(program("u", geteuid()), "", "a link");
    make_dir("bin", 0775);
    ok(strstr(program("u", geteuid()), "/bin\" has the mode 0775"),
       "a directory behind it");
    make_dir("bin", 01777);
    ok(strstr(program("u", geteuid()), "/bin\", in which everybody on this"
              " machine can make files: keep it"), "a sticky one");
    make_dir("bin", 0755);

    make_dir("links", 0777);
    (void) symlink(at("bin/t"), at("links/t"));
    ok(strstr(program("links/t", geteuid()), "/links\" has the mode 0777"),
       "the directory of the link");

    if (geteuid() == 0) {
        ok(chown(at("bin/t"), OTHERS, 0) == 0, "a user");
        ok(strstr(program("bin/t", 0), "can be replaced by user 4711, to whom"
                  " \"") && strstr(program("bin/t", 0), "\"chown root /"),
           "%s", program("bin/t", 0));
        is(program("bin/t", OTHERS), "", "who started nginx");
        ok(chown(at("bin/t"), 0, 0) == 0 && chown(at("bin"), OTHERS, 0) == 0,
           "a directory's user");
        ok(strstr(program("bin/t", 0), "/bin\" belongs: \"chown root /"),
           "too");
    }
}


int
main(void)
{
    char         template[PATH_MAX], command[PATH_MAX + 16];
    const char  *build = getenv("ENTRA_BUILD");

    umask(022);
    snprintf(template, sizeof(template), "%s/access-XXXXXX",
             build ? build : "build");

    if (mkdtemp(template) == NULL || realpath(template, dir) == NULL) {
        perror(template);
        return 1;
    }

    chmod(dir, 0755);

    secrets();
    groups();
    workers();
    programs();

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    (void) !system(command);

    return done();
}
