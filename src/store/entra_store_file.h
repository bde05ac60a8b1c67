
/*
 * Copyright (C) nginx-entra authors
 *
 * Copies of records in a file, encrypted as a state file is:
 *
 *     "entra-tokens 1\n", id[16], then frames: length[4], sealed bytes
 *
 * Each frame belongs to the file's id and has its number, the last one says
 * that it is: none of them can be left out, moved, or taken from another
 * file.
 */

#ifndef ENTRA_STORE_FILE_H
#define ENTRA_STORE_FILE_H


#include "entra_err.h"


#define ENTRA_STORE_FILE_ID     16
#define ENTRA_STORE_FILE_FRAME  (16 * 1024)         /* bytes before sealing */
#define ENTRA_STORE_FILE_MAX    (256 * 1024 * 1024)


typedef struct {
    entra_str_t     key;                        /* of the key file */
    unsigned char   id[ENTRA_STORE_FILE_ID];
    uint32_t        frames;                     /* so far */
} entra_store_file_t;


/* the head is added to out: 0, or -1 */
int entra_store_file_begin(entra_store_file_t *file, entra_str_t key,
    entra_buf_t *out);

/*
 * What plain holds is added to out, in frames, and taken from plain: whole
 * frames only, unless these are the last bytes.  0, or -1.
 */
int entra_store_file_seal(entra_store_file_t *file, entra_buf_t *plain,
    int last, entra_buf_t *out);

/*
 * 1, and all of it is added to plain; 0: of another version; -1: none, of
 * another key, or it was changed: nothing tells which.
 */
int entra_store_file_open(entra_str_t key, entra_str_t text,
    entra_buf_t *plain);


#endif /* ENTRA_STORE_FILE_H */
