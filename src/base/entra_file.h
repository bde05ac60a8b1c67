
/*
 * Copyright (C) nginx-entra authors
 *
 * A small file that is watched: bounded, read whole, the last good content
 * kept when a later one is unreadable or empty.
 */

#ifndef ENTRA_FILE_H
#define ENTRA_FILE_H


#include <sys/types.h>

#include "entra_file_kind.h"


#define ENTRA_FILE_QUIET    1000        /* ms */
#define ENTRA_FILE_SETTLED  10000       /* ms, more than a tick of any clock */


typedef struct entra_file_s {
    char         *path;                 /* owned, absolute */
    size_t        max;                  /* bytes */
    entra_buf_t   content;              /* last good, wiped when replaced */

    /* set by the owner, or NULL: what is not of this form is refused */
    const entra_file_want_t  *want;

    /* identity of what was looked at last: a symlink swap changes it */
    dev_t         dev;
    ino_t         ino;
    off_t         size;
    int64_t       mtime_ns;
    int64_t       ctime_ns;
    unsigned      loaded:1;
    unsigned      settling:1;   /* changed just now, is read once more */
    unsigned      patient:1;    /* set by the owner, see below */
    unsigned      pending:1;    /* patient: changed, not read yet */
    unsigned      stale:1;      /* content is not what the file says now:
                                   unreadable, or the owner refused it */
} entra_file_t;


/* 0 (no reading yet), or -1 without memory */
int entra_file_init(entra_file_t *file, const char *path, size_t max);
void entra_file_free(entra_file_t *file);

/*
 * Reads it if it is not what was looked at last.  Regular files only, opened
 * with O_NONBLOCK | O_CLOEXEC, at most max bytes.  1: new content; 0: as
 * before; -1 and err: unreadable, empty (white space only), too large, not a
 * regular file, or not what is wanted: the last good content stays, and the
 * same state is not reported again.
 *
 * What is being written is not used: once there is a content, another one is
 * taken only when the file was not written for ENTRA_FILE_QUIET (or, with the
 * time of its last write in the future, when two looks find it the same).
 *
 * patient: a change is taken only when the next look finds the file as it was
 * at this one.  For lists that are long in the writing, and of which a part
 * still makes sense.
 */
int entra_file_refresh(entra_file_t *file, entra_err_t *err);

/* content without byte order mark, and white space around it */
entra_str_t entra_file_text(const entra_file_t *file);


#endif /* ENTRA_FILE_H */
