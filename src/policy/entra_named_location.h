
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_named_location NAME { ... }: ranges of addresses, written in the
 * block or read from files that are watched.
 */

#ifndef ENTRA_NAMED_LOCATION_H
#define ENTRA_NAMED_LOCATION_H


#include "entra_cidr.h"
#include "entra_file.h"


#define ENTRA_LOCATION_FILE_MAX   (32 * 1024 * 1024)    /* bytes, CIDRs */
#define ENTRA_LOCATION_FILES_MAX  16
#define ENTRA_LOCATION_LINES      2000          /* read at a time */


/* a list of lines that is being read; zeroed: not begun */

typedef struct {
    entra_cidr_set_t      set;
    size_t                offset;       /* in the text, behind its mark */
    unsigned              line;
    unsigned              parsed:1;
    unsigned              sorted:1;
} entra_cidr_load_t;


typedef struct {
    entra_file_t          file;
    const char           *where;        /* of its line, as of the location */
    char                 *select;       /* display name in a list, or NULL */
    entra_cidr_set_t      set;          /* last good; empty when it is all
                                           that the location has */
    unsigned char         sha256[32];   /* of the bytes that set is from */
    entra_cidr_load_t     load;         /* next one, while loading */
    unsigned              loaded:1;
    unsigned              loading:1;
} entra_location_file_t;


typedef struct {
    char                   *name;
    const char             *where;      /* " in FILE:LINE", or NULL */
    unsigned                used;       /* a policy names it */
    entra_cidr_set_t        own;        /* of the block; until it is sealed */
    entra_location_file_t  *files;
    unsigned                nfiles;

    entra_cidr_set_t        set;        /* all of them: what is looked up */
    unsigned                incomplete:1;   /* a file was never read */
    unsigned                busy:1;     /* watch() has more to do, soon */

    /* for the status page */
    int64_t                 loaded_at;  /* seconds, when set last changed */
    unsigned                failures;   /* of reading, in this process */
    unsigned char           sha256[32]; /* of the file in use, as sha256sum
                                           says; of more than one: of their
                                           digests; zero: no file */
    char                    error[256]; /* of the last failure, or empty */
} entra_named_location_t;


/* not itself; zeroed memory is an empty one */
void entra_named_location_free(entra_named_location_t *location);

/*
 * One line: CIDR ...; unix; file PATH [display_name=NAME]; with an absolute
 * path.  0, or -1 and err.
 */
int entra_named_location_line(entra_named_location_t *location,
    const entra_str_t *words, unsigned nwords, entra_err_t *err);

/*
 * End of the block: reads the files, seals.  Empty blocks and lists, broken
 * and unreadable files are errors: 0, or -1 and err, with file and line.
 */
int entra_named_location_done(entra_named_location_t *location, int64_t now,
    entra_err_t *err);

/*
 * Every few seconds: 1: other ranges than before; 0: nothing new; -1 and err
 * (once per change of the file): the last good list stays.
 *
 * A long list takes several calls, so that none takes long: while busy is
 * set, it is to be called again at once.
 */
int entra_named_location_watch(entra_named_location_t *location, int64_t now,
    entra_err_t *err);

/* ranges as written, and those that are not within others */
size_t entra_named_location_entries(const entra_named_location_t *location);

/* there are ranges, and none is of IPv6 */
int entra_named_location_ipv4_only(const entra_named_location_t *location);


/* entra_cidr_list.c */

/*
 * Fills load->set from the text of a file, max lines of it in a call: 1:
 * there is more; 0: done; -1 and err: a CIDR a line, "#" begins a comment; or
 * JSON of Microsoft Graph: an ipNamedLocation, or a list of them, of which
 * select (may be NULL when there is one) is the displayName.  Sealed on
 * success; err says file and line.
 */
int entra_cidr_list_part(entra_cidr_load_t *load, entra_str_t text,
    const char *file, const char *select, unsigned max, entra_err_t *err);


#endif /* ENTRA_NAMED_LOCATION_H */
