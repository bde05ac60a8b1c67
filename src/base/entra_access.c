
/*
 * Copyright (C) nginx-entra authors
 */

#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#if (__linux__)
#include <sys/xattr.h>
#endif
#include <unistd.h>

#include "entra_access.h"


#define ENTRA_ACCESS_PATH   4096            /* bytes, as PATH_MAX of Linux */
#define ENTRA_ACCESS_LINKS  40              /* as Linux */
#define ENTRA_ACCESS_SHOWN  512             /* bytes, of a path in a message */


typedef struct entra_access_s  entra_access_t;

struct entra_access_s {
    char           done[ENTRA_ACCESS_PATH];         /* free of links */
    char           rest[ENTRA_ACCESS_PATH];
    unsigned       links;
    unsigned       mounted:1;       /* a volume of Kubernetes */
    unsigned       closed:1;        /* others cannot get here */

    uid_t          owner;
    gid_t          group;
    entra_err_t   *err;
    entra_buf_t   *out;

    const entra_access_user_t  *user;
    const char                 *path;       /* as given */

    /* of each part of the path; not 0 ends the walk with it */
    int          (*look)(entra_access_t *a, const struct stat *st);
};


static void entra_access_line(entra_access_t *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


/* to the directory above */

static void
entra_access_up(entra_access_t *a)
{
    char  *slash = strrchr(a->done, '/');

    slash[slash == a->done] = '\0';
}


/* the next name of rest goes to the end of done; 0 when there is none */

static int
entra_access_next(entra_access_t *a)
{
    char    *name;
    size_t   n, len;

    name = a->rest + strspn(a->rest, "/");
    n = strcspn(name, "/");
    len = strlen(a->done);

    if (n == 0 || len + 1 + n >= ENTRA_ACCESS_PATH) {
        return 0;
    }

    if (strncmp(name, "..", n) == 0) {

        if (n == 2) {
            entra_access_up(a);
        }

        memmove(a->rest, name + n, strlen(name + n) + 1);

        return entra_access_next(a);
    }

    /* ..2024_01_31_12_00_00.123456789, which the link ..data points to */

    if (n > 3 && strncmp(name, "..2", 3) == 0) {
        a->mounted = 1;
    }

    if (len > 1) {
        a->done[len++] = '/';
    }

    memcpy(a->done + len, name, n);
    a->done[len + n] = '\0';

    memmove(a->rest, name + n, strlen(name + n) + 1);

    return 1;
}


/* what it points to goes to the beginning of rest; -1 when that is too much */

static int
entra_access_link(entra_access_t *a)
{
    char     target[2 * ENTRA_ACCESS_PATH];
    size_t   len;
    ssize_t  n;

    len = strlen(a->rest) + 1;
    n = readlink(a->done, target, ENTRA_ACCESS_PATH);

    if (n <= 0 || n + len > ENTRA_ACCESS_PATH
        || ++a->links > ENTRA_ACCESS_LINKS)
    {
        return -1;
    }

    memcpy(target + n, a->rest, len);
    memcpy(a->rest, target, (size_t) n + len);

    if (target[0] == '/') {
        memcpy(a->done, "/", 2);

    } else {
        entra_access_up(a);
    }

    return 0;
}


static int
entra_access_walk(entra_access_t *a, const char *path)
{
    int          rc;
    struct stat  st;

    if (path[0] != '/' || strlen(path) >= ENTRA_ACCESS_PATH) {
        return 0;
    }

    memcpy(a->done, "/", 2);
    memcpy(a->rest, path, strlen(path) + 1);

    do {
        if (lstat(a->done, &st) != 0) {
            return 0;
        }

        if (S_ISLNK(st.st_mode)) {
            rc = entra_access_link(a);

        } else {
            rc = a->look(a, &st);
        }

        if (rc != 0) {
            return rc;
        }

    } while (entra_access_next(a));

    return 0;
}


static int
entra_access_look_program(entra_access_t *a, const struct stat *st)
{
    const char  *who;

    if (st->st_uid != 0 && st->st_uid != a->owner) {
        return entra_err_set(a->err, ENTRA_ERR_CONFIG,
                             "can be replaced by user %u, to whom \"%.400s\""
                             " belongs: \"chown root %.400s\"",
                             (unsigned) st->st_uid, a->done, a->done);
    }

    if ((st->st_mode & (S_IWGRP | S_IWOTH)) == 0) {
        return 0;
    }

    who = st->st_mode & S_IWOTH ? "everybody on this machine" : "a group";

    if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)) {
        return entra_err_set(a->err, ENTRA_ERR_CONFIG,
                             "is in \"%.400s\", in which %s can make files:"
                             " keep it where only root can, as in"
                             " /usr/local/bin", a->done, who);
    }

    return entra_err_set(a->err, ENTRA_ERR_CONFIG,
                         "can be replaced by %s, as \"%.400s\" has the mode"
                         " %04o: \"chmod %s %.400s\"", who, a->done,
                         (unsigned) st->st_mode & 07777,
                         st->st_mode & S_IWOTH ? "go-w" : "g-w", a->done);
}


int
entra_access_program(const char *path, uid_t owner, entra_err_t *err)
{
    entra_access_t  a;

    memset(&a, 0, sizeof(entra_access_t));

    a.owner = owner;
    a.err = err;
    a.look = entra_access_look_program;

    return entra_access_walk(&a, path);
}


/* a line that is there already is of another file in the same directory */

static void
entra_access_line(entra_access_t *a, const char *fmt, ...)
{
    char     text[3 * ENTRA_ACCESS_SHOWN], line[sizeof(text)];
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    entra_err_clean(line, sizeof(line), entra_str_c(text));

    if (a->out->len && strstr(a->out->data, line)) {
        return;
    }

    entra_buf_addf(a->out, "%s%s", a->out->len ? "\n" : "", line);
}


static int
entra_access_other(const entra_access_t *a, gid_t group)
{
    return a->group != ENTRA_ACCESS_NO_GROUP && group != a->group
           && group != 0;
}


/* in a sticky one, others can do nothing to what is not theirs */

static int
entra_access_look_directory(entra_access_t *a, const struct stat *st)
{
    int  all = st->st_mode & S_IWOTH ? 1 : 0;

    if (!S_ISDIR(st->st_mode) || a->closed) {
        return 0;
    }

    a->closed = !(st->st_mode & S_IXOTH)
                && !((st->st_mode & S_IXGRP)
                     && entra_access_other(a, st->st_gid));

    if (st->st_mode & S_ISVTX) {
        return 0;
    }

    if (all
        || ((st->st_mode & S_IWGRP) && entra_access_other(a, st->st_gid)))
    {
        entra_access_line(a, "the directory \"%.400s\" can be written by %s,"
                          " who can replace what is in it: \"chmod %s"
                          " %.400s\"", a->done,
                          all ? "everybody on this machine"
                              : "a group that is not nginx's",
                          all ? "go-w" : "g-w", a->done);
    }

    return 0;
}


/* with the command to write, as far as it can be known */

static void
entra_access_file(entra_access_t *a, const char *what, const char *who)
{
    char           chown[ENTRA_ACCESS_SHOWN] = "";
    struct group  *group;

    if (geteuid() != 0) {
        entra_access_line(a, "\"%.400s\" can be %s by %s: \"chmod 600"
                          " %.400s\"", a->done, what, who, a->done);
        return;
    }

    group = a->group == ENTRA_ACCESS_NO_GROUP ? NULL : getgrgid(a->group);

    if (group) {
        (void) snprintf(chown, sizeof(chown), "chown root:%.64s %.400s; ",
                        group->gr_name, a->done);
    }

    entra_access_line(a, "\"%.400s\" can be %s by %s: \"%schmod 640"
                      " %.400s\"%s", a->done, what, who, chown, a->done,
                      group ? "" : ", with the group of nginx's workers");
}


static int
entra_access_look_secret(entra_access_t *a, const struct stat *st)
{
    mode_t  mode = st->st_mode;

    if (!S_ISREG(mode) || a->closed) {
        return entra_access_look_directory(a, st);
    }

    if (a->mounted) {
        mode &= ~(mode_t) (S_IRGRP | S_IROTH);
    }

    if (mode & (S_IROTH | S_IWOTH)) {
        entra_access_file(a, !(mode & S_IWOTH) ? "read"
                             : !(mode & S_IROTH) ? "written"
                             : "read and written",
                          "everybody on this machine");

    } else if (mode & S_IWGRP) {
        entra_access_file(a, "written", "its group");

    } else if ((mode & S_IRGRP) && entra_access_other(a, st->st_gid)) {
        entra_access_file(a, "read", "a group that is not nginx's");
    }

    return 0;
}


void
entra_access_secret(const char *path, gid_t group, entra_buf_t *out)
{
    entra_access_t  a;

    memset(&a, 0, sizeof(entra_access_t));

    a.group = group;
    a.out = out;
    a.look = entra_access_look_secret;

    (void) entra_access_walk(&a, path);
}


void
entra_access_directory(const char *path, gid_t group, entra_buf_t *out)
{
    entra_access_t  a;

    memset(&a, 0, sizeof(entra_access_t));

    a.group = group;
    a.out = out;
    a.look = entra_access_look_directory;

    (void) entra_access_walk(&a, path);
}


int
entra_access_user(entra_access_user_t *user, const char *name, gid_t group)
{
    struct passwd  *pwd;

    memset(user, 0, sizeof(entra_access_user_t));

    pwd = getpwnam(name);
    if (pwd == NULL) {
        return -1;
    }

    (void) snprintf(user->name, sizeof(user->name), "%s", name);

    user->uid = pwd->pw_uid;
    user->ngroups = ENTRA_ACCESS_GROUPS_MAX;

    /* of more than that it is not known which ones */

    return getgrouplist(name, group, user->groups, &user->ngroups) < 0 ? -1 : 0;
}


/* which bits of the mode, of those for others, are about the user */

static int
entra_access_may(const entra_access_user_t *user, const struct stat *st,
    mode_t bits)
{
    int  i;

    if (user->uid == 0) {
        return 1;
    }

    if (st->st_uid == user->uid) {
        return (st->st_mode & bits << 6) == bits << 6;
    }

    for (i = 0; i < user->ngroups; i++) {
        if (st->st_gid == user->groups[i]) {
            return (st->st_mode & bits << 3) == bits << 3;
        }
    }

    return (st->st_mode & bits) == bits;
}


static int
entra_access_has_list(const char *path)
{
#if (__linux__)
    return getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
#else
    return 0;
#endif
}


static const char *
entra_access_group_name(const entra_access_user_t *user)
{
    struct group  *group;

    group = user->ngroups ? getgrgid(user->groups[0]) : NULL;

    return group ? group->gr_name : user->name;
}


static int
entra_access_look_readable(entra_access_t *a, const struct stat *st)
{
    int     dir = S_ISDIR(st->st_mode);
    mode_t  bits = dir ? S_IXOTH : S_IROTH;

    if (entra_access_may(a->user, st, bits) || entra_access_has_list(a->done))
    {
        return 0;
    }

    if (dir) {
        entra_access_line(a, "\"%.400s\" is read again when it changes, which"
                          " user \"%s\" of nginx's workers cannot do: they"
                          " cannot enter the directory \"%.400s\": \"chown"
                          " root:%.64s %.400s; chmod 750 %.400s\"", a->path,
                          a->user->name, a->done,
                          entra_access_group_name(a->user), a->done, a->done);

    } else {
        entra_access_line(a, "\"%.400s\" is read again when it changes, which"
                          " user \"%s\" of nginx's workers cannot do: \"chown"
                          " root:%.64s %.400s; chmod 640 %.400s\"", a->done,
                          a->user->name, entra_access_group_name(a->user),
                          a->done, a->done);
    }

    return 1;
}


void
entra_access_readable(const char *path, const entra_access_user_t *user,
    entra_buf_t *out)
{
    entra_access_t  a;

    memset(&a, 0, sizeof(entra_access_t));

    a.user = user;
    a.path = path;
    a.out = out;
    a.look = entra_access_look_readable;

    (void) entra_access_walk(&a, path);
}


void
entra_access_writable(const char *path, const entra_access_user_t *user,
    entra_buf_t *out)
{
    struct stat     st;
    entra_access_t  a;

    memset(&a, 0, sizeof(entra_access_t));

    if (strlen(path) >= sizeof(a.done) || path[0] != '/') {
        return;
    }

    memcpy(a.done, path, strlen(path) + 1);
    entra_access_up(&a);

    if (stat(a.done, &st) != 0
        || entra_access_may(user, &st, S_IWOTH | S_IXOTH)
        || entra_access_has_list(a.done))
    {
        return;
    }

    a.out = out;

    entra_access_line(&a, "\"%.400s\" cannot be written by user \"%s\" of"
                      " nginx's workers: \"chown %s %.400s; chmod 700"
                      " %.400s\"", path, user->name, user->name, a.done,
                      a.done);
}
