
/*
 * Copyright (C) nginx-entra authors
 */

#include "ngx_http_entra_inotify.h"

#include <ngx_event.h>

#if (NGX_LINUX)

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>


#define NGX_HTTP_ENTRA_INOTIFY_READS    16      /* of events, in a turn */
#define NGX_HTTP_ENTRA_INOTIFY_SYMLINKS 40      /* as the kernel */
#define NGX_HTTP_ENTRA_INOTIFY_BUCKETS  1024


/*
 * Of a directory on the way, and of the one that the file is in.  Without
 * IN_MODIFY: a log in the same directory would wake workers with each line,
 * and one at debug level would write of that; whoever writes a secret closes
 * it.
 */

#define NGX_HTTP_ENTRA_INOTIFY_DIRECTORY                                      \
    (IN_ONLYDIR|IN_MASK_ADD|IN_ATTRIB|IN_CREATE|IN_DELETE                     \
     |IN_MOVED_FROM|IN_MOVED_TO)
#define NGX_HTTP_ENTRA_INOTIFY_FILE                                           \
    (NGX_HTTP_ENTRA_INOTIFY_DIRECTORY|IN_CLOSE_WRITE)


/* a directory */

typedef struct ngx_http_entra_watched_s  ngx_http_entra_watched_t;

struct ngx_http_entra_watched_s {
    ngx_http_entra_watched_t   *next;           /* of its bucket */
    int                         wd;
    ngx_uint_t                  links;
};


/* a name in it, by hash: another name of the same hash is one look more */

typedef struct ngx_http_entra_link_s  ngx_http_entra_link_t;

struct ngx_http_entra_link_s {
    ngx_http_entra_link_t      *next;           /* of its bucket */
    ngx_http_entra_link_t     **prev;
    ngx_http_entra_link_t      *sibling;        /* of its owner */
    ngx_http_entra_links_t     *owner;
    ngx_http_entra_watched_t   *watched;
    uint32_t                    hash;
};


struct ngx_http_entra_inotify_s {
    ngx_connection_t           *connection;
    ngx_http_entra_inotify_pt   changed;
    void                       *data;
    ngx_log_t                  *log;

    ngx_http_entra_watched_t   *watched[NGX_HTTP_ENTRA_INOTIFY_BUCKETS];
    ngx_http_entra_link_t      *links[NGX_HTTP_ENTRA_INOTIFY_BUCKETS];
};


/* a path as far as it is resolved, and the rest */

typedef struct {
    ngx_http_entra_inotify_t   *in;
    ngx_http_entra_links_t     *links;
    ngx_uint_t                  symlinks;
    char                        at[PATH_MAX];   /* without symbolic links */
    char                        rest[PATH_MAX];
} ngx_http_entra_walk_t;


static ngx_int_t ngx_http_entra_inotify_local(const char *path);
static ngx_int_t ngx_http_entra_walk_step(ngx_http_entra_walk_t *w);
static ngx_int_t ngx_http_entra_walk_name(ngx_http_entra_walk_t *w,
    const char *name, ngx_uint_t last);
static ngx_int_t ngx_http_entra_walk_symlink(ngx_http_entra_walk_t *w,
    const char *path);
static ngx_http_entra_watched_t *ngx_http_entra_inotify_watch(
    ngx_http_entra_inotify_t *in, const char *path, uint32_t mask);
static ngx_int_t ngx_http_entra_inotify_link(ngx_http_entra_walk_t *w,
    ngx_http_entra_watched_t *watched, const char *name);
static void ngx_http_entra_inotify_unwatch(ngx_http_entra_inotify_t *in,
    ngx_http_entra_watched_t *watched);
static uint32_t ngx_http_entra_inotify_hash(int wd, const char *name);
static void ngx_http_entra_inotify_handler(ngx_event_t *ev);
static void ngx_http_entra_inotify_event(ngx_http_entra_inotify_t *in,
    const struct inotify_event *event);
static void ngx_http_entra_inotify_ignored(ngx_http_entra_inotify_t *in,
    int wd);


ngx_http_entra_inotify_t *
ngx_http_entra_inotify_create(ngx_cycle_t *cycle,
    ngx_http_entra_inotify_pt changed, void *data)
{
    int                        fd;
    ngx_connection_t          *c;
    ngx_http_entra_inotify_t  *in;

    in = ngx_pcalloc(cycle->pool, sizeof(ngx_http_entra_inotify_t));
    if (in == NULL) {
        return NULL;
    }

    fd = inotify_init1(IN_NONBLOCK|IN_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_INFO, cycle->log, ngx_errno,
                      "inotify_init1() failed, files are polled");
        return NULL;
    }

    c = ngx_get_connection(fd, cycle->log);

    if (c == NULL) {
        (void) close(fd);
        return NULL;
    }

    in->changed = changed;
    in->data = data;
    in->log = cycle->log;
    in->connection = c;

    c->data = in;
    c->read->handler = ngx_http_entra_inotify_handler;
    c->write->handler = ngx_http_entra_inotify_handler;
    c->read->log = c->log;
    c->write->log = c->log;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        ngx_close_connection(c);
        return NULL;
    }

    return in;
}


void
ngx_http_entra_inotify_destroy(ngx_http_entra_inotify_t *in)
{
    if (in && in->connection) {
        ngx_close_connection(in->connection);
        in->connection = NULL;
    }
}


ngx_int_t
ngx_http_entra_inotify_add(ngx_http_entra_inotify_t *in,
    ngx_http_entra_links_t *links, const char *path)
{
    ngx_int_t              rc;
    ngx_http_entra_walk_t  w;

    if (in->connection == NULL || ngx_strlen(path) >= sizeof(w.rest)) {
        return NGX_DECLINED;
    }

    w.in = in;
    w.links = links;
    w.symlinks = 0;
    w.at[0] = '\0';
    (void) ngx_cpystrn((u_char *) w.rest, (u_char *) path, sizeof(w.rest));

    do {
        rc = ngx_http_entra_walk_step(&w);
    } while (rc == NGX_AGAIN);

    return rc == NGX_OK ? ngx_http_entra_inotify_local(path) : rc;
}


/* are all its changes made through the names that are watched? */

static ngx_int_t
ngx_http_entra_inotify_local(const char *path)
{
    ngx_uint_t     i;
    struct stat    st;
    struct statfs  fs;

    static const unsigned long  local[] = {
        0xef53,                                 /* ext2, ext3, ext4 */
        0x58465342,                             /* XFS */
        0x9123683e,                             /* Btrfs */
        0x2fc12fc1,                             /* ZFS */
        0xf2f52010,                             /* F2FS */
        0x01021994,                             /* tmpfs */
        0x858458f6,                             /* ramfs */
        0x794c7630                              /* overlayfs */
    };

    if (stat(path, &st) == -1) {
        return ngx_errno == NGX_ENOENT ? NGX_OK : NGX_DECLINED;
    }

    if (st.st_nlink > 1 || statfs(path, &fs) == -1) {
        return NGX_DECLINED;
    }

#ifdef STATX_ATTR_MOUNT_ROOT
    {
    struct statx  stx;

    if (statx(AT_FDCWD, path, 0, 0, &stx) == -1
        || !(stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)
        || (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
    {
        return NGX_DECLINED;
    }
    }
#else
    return NGX_DECLINED;
#endif

    for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        if ((unsigned long) fs.f_type == local[i]) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* one component of the path; NGX_OK: it was the last, or is not there */

static ngx_int_t
ngx_http_entra_walk_step(ngx_http_entra_walk_t *w)
{
    char    *p, *end, name[NAME_MAX + 1];
    size_t   len;

    p = w->rest;

    while (*p == '/') {
        p++;
    }

    for (end = p; *end && *end != '/'; end++) { /* void */ }

    len = end - p;

    if (len == 0) {
        return NGX_OK;
    }

    if (len > NAME_MAX) {
        return NGX_DECLINED;
    }

    ngx_memcpy(name, p, len);
    name[len] = '\0';

    while (*end == '/') {
        end++;
    }

    ngx_memmove(w->rest, end, ngx_strlen(end) + 1);

    if (ngx_strcmp(name, ".") == 0) {
        return NGX_AGAIN;
    }

    if (ngx_strcmp(name, "..") == 0) {
        p = strrchr(w->at, '/');

        if (p) {
            *p = '\0';
        }

        return NGX_AGAIN;
    }

    return ngx_http_entra_walk_name(w, name, w->rest[0] == '\0');
}


/* watched before it is looked at: no change falls in between */

static ngx_int_t
ngx_http_entra_walk_name(ngx_http_entra_walk_t *w, const char *name,
    ngx_uint_t last)
{
    char                      *path;
    size_t                     len;
    struct stat                st;
    ngx_http_entra_watched_t  *watched;

    path = w->at;
    len = ngx_strlen(path);

    watched = ngx_http_entra_inotify_watch(w->in, len ? path : "/",
                                   last ? NGX_HTTP_ENTRA_INOTIFY_FILE
                                        : NGX_HTTP_ENTRA_INOTIFY_DIRECTORY);

    if (watched == NULL
        || ngx_http_entra_inotify_link(w, watched, name) != NGX_OK
        || len + 1 + ngx_strlen(name) >= sizeof(w->at))
    {
        return NGX_DECLINED;
    }

    path[len] = '/';
    (void) ngx_cpystrn((u_char *) path + len + 1, (u_char *) name,
                       sizeof(w->at) - len - 1);

    if (lstat(path, &st) == -1) {
        return ngx_errno == NGX_ENOENT ? NGX_OK : NGX_DECLINED;
    }

    if (S_ISLNK(st.st_mode)) {
        return ngx_http_entra_walk_symlink(w, path);
    }

    return last ? NGX_OK : NGX_AGAIN;
}


/* w->at becomes its directory, w->rest its target and what was left */

static ngx_int_t
ngx_http_entra_walk_symlink(ngx_http_entra_walk_t *w, const char *path)
{
    char     target[PATH_MAX];
    size_t   left;
    ssize_t  n;

    n = readlink(path, target, sizeof(target));
    left = ngx_strlen(w->rest);

    if (n <= 0 || n + 1 + left >= sizeof(w->rest)
        || ++w->symlinks > NGX_HTTP_ENTRA_INOTIFY_SYMLINKS)
    {
        return NGX_DECLINED;
    }

    ngx_memmove(w->rest + n + 1, w->rest, left + 1);
    ngx_memcpy(w->rest, target, n);
    w->rest[n] = left ? '/' : '\0';

    if (target[0] == '/') {
        w->at[0] = '\0';

    } else {
        *strrchr(w->at, '/') = '\0';
    }

    return NGX_AGAIN;
}


static ngx_http_entra_watched_t *
ngx_http_entra_inotify_watch(ngx_http_entra_inotify_t *in, const char *path,
    uint32_t mask)
{
    int                         wd;
    ngx_http_entra_watched_t   *watched, **bucket;

    wd = inotify_add_watch(in->connection->fd, path, mask);

    if (wd == -1) {
        return NULL;
    }

    bucket = &in->watched[wd % NGX_HTTP_ENTRA_INOTIFY_BUCKETS];

    for (watched = *bucket; watched; watched = watched->next) {
        if (watched->wd == wd) {
            return watched;
        }
    }

    watched = ngx_calloc(sizeof(ngx_http_entra_watched_t), in->log);

    if (watched == NULL) {
        (void) inotify_rm_watch(in->connection->fd, wd);
        return NULL;
    }

    watched->wd = wd;
    watched->next = *bucket;
    *bucket = watched;

    return watched;
}


static ngx_int_t
ngx_http_entra_inotify_link(ngx_http_entra_walk_t *w,
    ngx_http_entra_watched_t *watched, const char *name)
{
    ngx_http_entra_link_t  *link, **bucket;

    link = ngx_alloc(sizeof(ngx_http_entra_link_t), w->in->log);

    if (link == NULL) {
        ngx_http_entra_inotify_unwatch(w->in, watched);
        return NGX_ERROR;
    }

    link->owner = w->links;
    link->watched = watched;
    link->hash = ngx_http_entra_inotify_hash(watched->wd, name);
    watched->links++;

    link->sibling = w->links->first;
    w->links->first = link;

    bucket = &w->in->links[link->hash % NGX_HTTP_ENTRA_INOTIFY_BUCKETS];

    link->prev = bucket;
    link->next = *bucket;

    if (link->next) {
        link->next->prev = &link->next;
    }

    *bucket = link;

    return NGX_OK;
}


void
ngx_http_entra_inotify_remove(ngx_http_entra_inotify_t *in,
    ngx_http_entra_links_t *links)
{
    ngx_http_entra_link_t  *link, *sibling;

    for (link = links->first; link; link = sibling) {
        sibling = link->sibling;

        *link->prev = link->next;

        if (link->next) {
            link->next->prev = link->prev;
        }

        link->watched->links--;
        ngx_http_entra_inotify_unwatch(in, link->watched);

        ngx_free(link);
    }

    links->first = NULL;
}


/* when nothing depends on it any more */

static void
ngx_http_entra_inotify_unwatch(ngx_http_entra_inotify_t *in,
    ngx_http_entra_watched_t *watched)
{
    ngx_http_entra_watched_t  **at;

    if (watched->links) {
        return;
    }

    if (watched->wd != -1) {
        if (in->connection) {
            (void) inotify_rm_watch(in->connection->fd, watched->wd);
        }

        at = &in->watched[watched->wd % NGX_HTTP_ENTRA_INOTIFY_BUCKETS];

        while (*at != watched) {
            at = &(*at)->next;
        }

        *at = watched->next;
    }

    ngx_free(watched);
}


static uint32_t
ngx_http_entra_inotify_hash(int wd, const char *name)
{
    return ngx_murmur_hash2((u_char *) name, ngx_strlen(name))
           ^ ((uint32_t) wd * 2654435761U);
}


static void
ngx_http_entra_inotify_handler(ngx_event_t *ev)
{
    char                       *p;
    ssize_t                     n;
    ngx_uint_t                  i;
    ngx_connection_t           *c = ev->data;
    ngx_http_entra_inotify_t   *in = c->data;
    const struct inotify_event *event;

    char  buf[4096]
        __attribute__ ((aligned(__alignof__(struct inotify_event))));

    if (c->close) {

        /* worker_shutdown_timeout is over */

        ngx_http_entra_inotify_destroy(in);
        return;
    }

    for (i = 0; i < NGX_HTTP_ENTRA_INOTIFY_READS; i++) {
        n = read(c->fd, buf, sizeof(buf));

        if (n <= 0) {
            return;
        }

        for (p = buf; p < buf + n; p += sizeof(*event) + event->len) {
            event = (const struct inotify_event *) p;
            ngx_http_entra_inotify_event(in, event);
        }
    }
}


static void
ngx_http_entra_inotify_event(ngx_http_entra_inotify_t *in,
    const struct inotify_event *event)
{
    uint32_t                hash;
    ngx_http_entra_link_t  *link;

    if (event->mask & (IN_Q_OVERFLOW|IN_UNMOUNT)) {
        in->changed(in->data, NULL);
    }

    if (event->mask & IN_IGNORED) {
        ngx_http_entra_inotify_ignored(in, event->wd);
    }

    if (event->len == 0) {
        return;
    }

    hash = ngx_http_entra_inotify_hash(event->wd, event->name);

    for (link = in->links[hash % NGX_HTTP_ENTRA_INOTIFY_BUCKETS];
         link;
         link = link->next)
    {
        if (link->hash == hash) {
            in->changed(in->data, link->owner);
        }
    }
}


/*
 * The directory is gone, which was a change of its name in its parent, too.
 * Who depends on it drops the rest.
 */

static void
ngx_http_entra_inotify_ignored(ngx_http_entra_inotify_t *in, int wd)
{
    ngx_http_entra_watched_t  *watched, **at;

    at = &in->watched[(unsigned) wd % NGX_HTTP_ENTRA_INOTIFY_BUCKETS];

    for ( /* void */ ; *at; at = &(*at)->next) {
        watched = *at;

        if (watched->wd == wd) {
            *at = watched->next;
            watched->wd = -1;
            return;
        }
    }
}


#else /* !NGX_LINUX */


ngx_http_entra_inotify_t *
ngx_http_entra_inotify_create(ngx_cycle_t *cycle,
    ngx_http_entra_inotify_pt changed, void *data)
{
    return NULL;
}


void
ngx_http_entra_inotify_destroy(ngx_http_entra_inotify_t *in)
{
    /* void */
}


ngx_int_t
ngx_http_entra_inotify_add(ngx_http_entra_inotify_t *in,
    ngx_http_entra_links_t *links, const char *path)
{
    return NGX_DECLINED;
}


void
ngx_http_entra_inotify_remove(ngx_http_entra_inotify_t *in,
    ngx_http_entra_links_t *links)
{
    /* void */
}


#endif
