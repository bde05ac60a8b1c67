
/*
 * Copyright (C) nginx-entra authors
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "entra_file.h"


int
entra_file_init(entra_file_t *file, const char *path, size_t max)
{
    memset(file, 0, sizeof(entra_file_t));
    entra_buf_init(&file->content, max);

    file->max = max;
    file->path = entra_str_dup(entra_str_c(path));

    return file->path ? 0 : -1;
}


void
entra_file_free(entra_file_t *file)
{
    free(file->path);
    entra_buf_free(&file->content);
    memset(file, 0, sizeof(entra_file_t));
}


static int64_t
entra_timespec_ns(const struct timespec *ts)
{
    return (int64_t) ts->tv_sec * 1000000000 + ts->tv_nsec;
}


/* 1 when it is not what was looked at last; remembers it */

static int
entra_file_changed(entra_file_t *file, const struct stat *st)
{
    int64_t  mtime, ctime;

    mtime = entra_timespec_ns(&st->st_mtim);
    ctime = entra_timespec_ns(&st->st_ctim);

    if (file->dev == st->st_dev && file->ino == st->st_ino
        && file->size == st->st_size && file->mtime_ns == mtime
        && file->ctime_ns == ctime)
    {
        return 0;
    }

    file->dev = st->st_dev;
    file->ino = st->st_ino;
    file->size = st->st_size;
    file->mtime_ns = mtime;
    file->ctime_ns = ctime;

    return 1;
}


/* its last change was long enough ago: another one would show */

static int
entra_file_settled(const entra_file_t *file)
{
    int64_t          age;
    struct timespec  now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return 0;
    }

    age = entra_timespec_ns(&now) - file->ctime_ns;

    return age > (int64_t) ENTRA_FILE_SETTLED * 1000000;
}


/* a file that cannot be opened is remembered as one that is all zero */

static int
entra_file_missing(entra_file_t *file, int failed, entra_err_t *err)
{
    struct stat  st;

    memset(&st, 0, sizeof(struct stat));

    /* the size tells this state from one that was never looked at */
    st.st_size = -failed;
    file->pending = 0;
    file->stale = 1;

    if (!entra_file_changed(file, &st)) {
        return 0;
    }

    if (failed == EACCES) {
        err->advice = "let the user of nginx's workers read the file and its"
                      " directory, or reload nginx when it has changed";
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG, "cannot open \"%s\": %s",
                         file->path, strerror(failed));
}


static int
entra_file_read(const entra_file_t *file, int fd, entra_buf_t *out,
    entra_err_t *err)
{
    char     chunk[4096], size[ENTRA_SIZE_LEN];
    ssize_t  n;

    for ( ;; ) {
        n = read(fd, chunk, sizeof(chunk));

        if (n == 0) {
            return 0;
        }

        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }

            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "cannot read \"%s\": %s", file->path,
                                 strerror(errno));
        }

        entra_buf_add(out, chunk, (size_t) n);
        entra_wipe(chunk, (size_t) n);

        if (!entra_buf_ok(out)) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"%s\" is larger than %s bytes",
                                 file->path, entra_size(size, file->max));
        }
    }
}


/* what need not be read to be refused */

static int
entra_file_stat_ok(const entra_file_t *file, const struct stat *st,
    entra_err_t *err)
{
    char         size[ENTRA_SIZE_LEN], max[ENTRA_SIZE_LEN];
    const char  *node;

    node = entra_file_kind_node(st->st_mode);

    if (node) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" %s, not a regular file", file->path,
                             node);
    }

    if ((uint64_t) st->st_size > file->max) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" is %s bytes, at most %s are allowed",
                             file->path,
                             entra_size(size, (uint64_t) st->st_size),
                             entra_size(max, file->max));
    }

    return 0;
}


static entra_str_t
entra_file_plain(entra_str_t text)
{
    if (entra_str_starts(text, "\xef\xbb\xbf")) {
        text.data += 3;
        text.len -= 3;
    }

    return entra_str_trim(text);
}


/* 1: took the new content; 0: it is the same; -1 and err */

static int
entra_file_load(entra_file_t *file, int fd, const struct stat *st,
    entra_err_t *err)
{
    entra_buf_t  fresh;

    if (entra_file_stat_ok(file, st, err) != 0) {
        return -1;
    }

    entra_buf_init(&fresh, file->max);
    entra_buf_reserve(&fresh, (size_t) st->st_size);

    if (entra_file_read(file, fd, &fresh, err) != 0) {
        entra_buf_free(&fresh);
        return -1;
    }

    if (entra_file_plain(entra_buf_str(&fresh)).len == 0) {
        entra_buf_free(&fresh);
        return entra_err_set(err, ENTRA_ERR_CONFIG, "\"%s\" is empty",
                             file->path);
    }

    if (file->want
        && entra_file_kind_check(file->want, file->path,
                                 entra_buf_str(&fresh), err) != 0)
    {
        entra_buf_free(&fresh);
        return -1;
    }

    if (file->loaded
        && entra_str_eq(entra_buf_str(&fresh), entra_buf_str(&file->content)))
    {
        entra_buf_free(&fresh);
        return 0;
    }

    entra_buf_free(&file->content);
    file->content = fresh;
    file->loaded = 1;

    return 1;
}


/*
 * Perhaps not all of it is there yet.  By the clock that files have their
 * times from, and not by those of nginx or of tests.
 */

static int
entra_file_unfinished(const entra_file_t *file, int changed)
{
    int64_t          age;
    struct timespec  now;

    if (!file->loaded || !(changed || file->pending)) {
        return 0;
    }

    if (clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return changed;
    }

    age = entra_timespec_ns(&now) - file->mtime_ns;

    if (file->patient || age < 0) {
        return changed;
    }

    return age < (int64_t) ENTRA_FILE_QUIET * 1000000;
}


int
entra_file_refresh(entra_file_t *file, entra_err_t *err)
{
    int          fd, rc, changed;
    struct stat  st;
    entra_err_t  again;

    /* O_NONBLOCK: the open of a FIFO would wait for its writer */

    fd = open(file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd == -1) {
        return entra_file_missing(file, errno, err);
    }

    if (fstat(fd, &st) != 0) {
        rc = entra_file_missing(file, errno, err);
        (void) close(fd);
        return rc;
    }

    changed = entra_file_changed(file, &st);

    if ((S_ISREG(st.st_mode) || file->patient)
        && entra_file_unfinished(file, changed))
    {
        file->pending = 1;
        (void) close(fd);
        return 0;
    }

    if (changed || file->pending) {
        rc = entra_file_load(file, fd, &st, err);
        file->stale = rc < 0;

    } else if (file->settling) {

        /*
         * Written again within one tick of the file system's clock, and with
         * the same size: only reading it once more can tell.
         */

        entra_err_clear(&again);
        rc = entra_file_load(file, fd, &st, &again) == 1;

        if (rc) {
            file->stale = 0;
        }

    } else {
        rc = 0;
    }

    (void) close(fd);

    /* what does not change is not written: processes share its memory */

    if (changed || file->settling || file->pending) {
        file->settling = changed && !entra_file_settled(file);
        file->pending = 0;
    }

    return rc;
}


entra_str_t
entra_file_text(const entra_file_t *file)
{
    return entra_file_plain(entra_buf_str(&file->content));
}
