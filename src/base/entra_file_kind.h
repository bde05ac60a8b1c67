
/*
 * Copyright (C) nginx-entra authors
 *
 * What is this file?  Names the usual ways in which a file is not what it
 * should be: written by Windows PowerShell, with a tool's warnings in it, as
 * JSON, encoded once more ...  Says what was seen and how to make the right
 * one, never what is in it.
 */

#ifndef ENTRA_FILE_KIND_H
#define ENTRA_FILE_KIND_H


#include <sys/types.h>

#include "entra_err.h"


typedef enum {
    ENTRA_FORM_VALUE = 0,       /* a secret or key: one line, nothing else */
    ENTRA_FORM_PASSWORD,        /* the same, and it may have quotes, ... */
    ENTRA_FORM_TOKEN,           /* a JWT */
    ENTRA_FORM_JSON,            /* an object */
    ENTRA_FORM_CERTIFICATE,     /* PEM or PKCS#12 */
    ENTRA_FORM_DOTENV,
    ENTRA_FORM_LIST,            /* lines, or JSON */
    ENTRA_FORM_KEY              /* any bytes, as long as they are secret */
} entra_form_e;


/* what a file should be; static, entra_file_t has a pointer */

typedef struct {
    entra_form_e   form;
    const char    *what;        /* "it should hold ..." */
    const char    *make;        /* the command that writes it; or NULL */

    /* what to do with content that belongs elsewhere; or NULL */
    const char    *json;
    const char    *pem;
    const char    *jwt;         /* NULL: a JWT is right */
} entra_file_want_t;


#define ENTRA_SIZE_LEN  32


/*
 * 0 when content may be what is wanted: it is for its parser to find out.  Or
 * -1 and err, a sentence about "path"; of want->what when path is NULL.
 * Content without any byte but white space is for the caller to refuse.
 */
int entra_file_kind_check(const entra_file_want_t *want, const char *path,
    entra_str_t content, entra_err_t *err);

/* is it in quotes? */
int entra_file_kind_quoted(entra_str_t content);

/* "is a directory", ...; NULL for a regular file */
const char *entra_file_kind_node(mode_t mode);

/* 20480: "20,480"; returns out */
const char *entra_size(char out[ENTRA_SIZE_LEN], uint64_t bytes);


#endif /* ENTRA_FILE_KIND_H */
