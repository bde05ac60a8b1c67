
/*
 * Copyright (C) nginx-entra authors
 *
 * Values that go from one store to another: over an upgrade of the binary,
 * over a restart.  They are written as bytes, record by record, and found by
 * their keys again; counters, leases and failures stay behind.
 */

#ifndef ENTRA_STORE_COPY_H
#define ENTRA_STORE_COPY_H


#include "entra_store.h"


#define ENTRA_STORE_COPY_VERSION  1     /* changes with what is copied */
#define ENTRA_STORE_COPY_TURN     64    /* records looked at in one call */
#define ENTRA_STORE_COPY_HEAD     64    /* bytes before those of a message */


typedef struct {
    unsigned      kinds;        /* bits, 1 << entra_store_kind_e */
    int64_t       now;
    int64_t       shift;        /* from the store's clock to the copy's, ms */

    /* export: where to go on, from 0 */
    uint32_t      at;

    /* import: 0: a key that is not wanted, NULL: all are */
    int         (*wanted)(void *data, entra_store_kind_e kind,
                          const unsigned char *key);
    void         *data;

    unsigned      copied;       /* out */
    unsigned      dropped;      /* out: expired, not wanted, no room */
} entra_store_copy_t;


/*
 * Adds the values that are valid to out; holds the lock for a few records
 * only.  1: there are more to come; 0: these were the last.
 */
int entra_store_export(entra_store_t *s, entra_store_copy_t *copy,
    entra_buf_t *out);

/*
 * Of one or more exports.  What the store has with a later end stays.  0, or
 * -1: these are not whole records; those before were taken.
 */
int entra_store_import(entra_store_t *s, entra_store_copy_t *copy,
    entra_str_t records);


/*
 * The same as a message that may be anything when it arrives: its head tells
 * the version of this layout, its length and its hash.  Of records, head:
 * ENTRA_STORE_COPY_HEAD bytes.  0, or -1.
 */
int entra_store_copy_head(entra_str_t records, unsigned char *head);

/* 1, and the records; 0: of another version; -1: none, or changed */
int entra_store_copy_open(entra_str_t message, entra_str_t *records);


#endif /* ENTRA_STORE_COPY_H */
