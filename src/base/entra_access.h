
/*
 * Copyright (C) nginx-entra authors
 *
 * Who else on this machine can write or read a file: by the owners and modes
 * of the file and of all directories on the way to it, symbolic links
 * followed.  Access control lists are not looked at.
 */

#ifndef ENTRA_ACCESS_H
#define ENTRA_ACCESS_H


#include <sys/types.h>

#include "entra_err.h"


#define ENTRA_ACCESS_NO_GROUP    ((gid_t) -1)
#define ENTRA_ACCESS_GROUPS_MAX  64
#define ENTRA_ACCESS_TEXT        4096        /* bytes, room for a line */


/* whom nginx's workers run as */

typedef struct {
    char    name[64];
    uid_t   uid;
    gid_t   groups[ENTRA_ACCESS_GROUPS_MAX];
    int     ngroups;
} entra_access_user_t;


/*
 * A program that is going to be run: all of it has to belong to root or to
 * owner, who starts nginx, and nobody else may write it.  A sticky directory
 * does not do either: what it held may be gone, and be made by others then.
 * 0; or -1 and err, with the part of the path and what to do about it.  What
 * is not there is none of its business: 0.
 */
int entra_access_program(const char *path, uid_t owner, entra_err_t *err);

/*
 * A file that holds a secret: what is wrong with it is added to out, a line
 * each, with the command to write.  Its group may read it if that is root's
 * or group, the one of nginx's workers (ENTRA_ACCESS_NO_GROUP: not known, then
 * any may).  Who may read what Kubernetes mounts is left to Kubernetes: there
 * is nobody else in a container.
 */
void entra_access_secret(const char *path, gid_t group, entra_buf_t *out);

/* of these the directories alone, for a file that nginx makes */
void entra_access_directory(const char *path, gid_t group, entra_buf_t *out);

/* name: as of "user", group: as of its second word; 0, or -1: not known */
int entra_access_user(entra_access_user_t *user, const char *name,
    gid_t group);

/*
 * A file that the workers read again when it changes, and that they cannot
 * read as the user they are: a line in out, with the command to write.
 * Nothing is said of what has an access control list, or is not there.
 */
void entra_access_readable(const char *path, const entra_access_user_t *user,
    entra_buf_t *out);

/* the directory of a file that they make, which they have to write */
void entra_access_writable(const char *path, const entra_access_user_t *user,
    entra_buf_t *out);


#endif /* ENTRA_ACCESS_H */
