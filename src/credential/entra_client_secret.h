
/*
 * Copyright (C) nginx-entra authors
 *
 * A client secret: from a watched file, or a fixed value.
 */

#ifndef ENTRA_CLIENT_SECRET_H
#define ENTRA_CLIENT_SECRET_H


#include "entra_file.h"


#define ENTRA_CLIENT_SECRET_MAX  4096           /* bytes */


typedef struct {
    entra_file_t   file;            /* no path: a fixed value */
    char          *value;           /* last good, owned; NULL: none yet */
} entra_client_secret_t;


/* each 0, or -1 and err; a file that cannot be used now may be later */
int entra_client_secret_set(entra_client_secret_t *secret, entra_str_t value,
    entra_err_t *err);
int entra_client_secret_open(entra_client_secret_t *secret, const char *path,
    entra_err_t *err);

/* as entra_file_refresh(): 1 another secret, 0 none, -1 and err */
int entra_client_secret_watch(entra_client_secret_t *secret,
    entra_err_t *err);

void entra_client_secret_free(entra_client_secret_t *secret);       /* wipes */


#endif /* ENTRA_CLIENT_SECRET_H */
