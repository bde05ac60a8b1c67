
/*
 * Copyright (C) nginx-entra authors
 *
 * A small secret that survives a restart: a file encrypted with a key that
 * is in another file.
 *
 *     "entra-state 1\n", salt[16], nonce[12], AES-256-GCM text, tag[16]
 *
 * The AES key is HMAC-SHA256 of the salt under the key file's content, so
 * that no nonce is ever used twice with one key.  What is authenticated
 * beside the text: the head of the file, and what the state belongs to.
 */

#ifndef ENTRA_STATE_FILE_H
#define ENTRA_STATE_FILE_H


#include "entra_err.h"


#define ENTRA_STATE_MAX      (32 * 1024)    /* bytes of a state file */
#define ENTRA_STATE_KEY_MIN  32             /* of a key file, trimmed */
#define ENTRA_STATE_KEY_MAX  4096
#define ENTRA_STATE_PATH_MAX 4096


/* 0; or -1: too long, no randomness, no memory */
int entra_state_seal(entra_str_t key, entra_str_t owner, entra_str_t plain,
    entra_buf_t *out);

/*
 * 0, and the text is appended to plain; -1: not a state file of this version,
 * another key, another owner, or it was changed: nothing tells which.
 */
int entra_state_open(entra_str_t key, entra_str_t owner, entra_str_t sealed,
    entra_buf_t *plain);

/* what seal() wrote, by its first bytes */
int entra_state_is_sealed(entra_str_t sealed);

/*
 * 1: appended to out; 0: there is no such file; -1 and err.  A symbolic link,
 * a file that others may read or write, and one that is larger than out may
 * become, are refused.
 */
int entra_state_file_read(const char *path, entra_buf_t *out,
    entra_err_t *err);

/*
 * Replaces the file atomically, mode 0600: not even a crash leaves half of
 * one.  Waits for the disk (fsync).  0, or -1 and err.
 */
int entra_state_file_write(const char *path, entra_str_t text,
    entra_err_t *err);

/*
 * The same in steps, and without waiting for the disk: a descriptor and the
 * name of the temporary file (ENTRA_STATE_PATH_MAX bytes), or -1 and err;
 * 0, or -1 and errno; at last, unless rc says that one of these has failed,
 * it replaces the file: 0, or -1 and err.
 */
int entra_state_file_create(const char *path, char *tmp, entra_err_t *err);
int entra_state_file_add(int fd, entra_str_t text);
int entra_state_file_replace(const char *path, const char *tmp, int fd,
    int rc, entra_err_t *err);

/* 0 also when there is none; or -1 and err */
int entra_state_file_remove(const char *path, entra_err_t *err);


#endif /* ENTRA_STATE_FILE_H */
