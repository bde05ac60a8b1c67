
/*
 * Copyright (C) nginx-entra authors
 *
 * JSON (RFC 8259): reading with bounds, and a little building.  The only
 * file that knows the JSON library.
 */

#ifndef ENTRA_JSON_H
#define ENTRA_JSON_H


#include "entra_str.h"


#define ENTRA_JSON_MAX    (4 * 1024 * 1024)     /* bytes of a text */
#define ENTRA_JSON_DEPTH  32                    /* arrays and objects nested */

/* flags of entra_json_parse() */
#define ENTRA_JSON_UNIQUE  1    /* a duplicate member is an error */
#define ENTRA_JSON_OBJECT  2    /* anything but an object is an error */


/* a value; the root owns all below it */
typedef struct entra_json_s  entra_json_t;


typedef enum {
    ENTRA_JSON_IS_NULL,
    ENTRA_JSON_IS_BOOL,
    ENTRA_JSON_IS_NUMBER,
    ENTRA_JSON_IS_STRING,
    ENTRA_JSON_IS_ARRAY,
    ENTRA_JSON_IS_OBJECT
} entra_json_type_e;


/*
 * The root, freed with entra_json_free(); or NULL: not JSON, something after
 * it, longer than max (0: ENTRA_JSON_MAX), too deep, control characters or
 * NUL (also as \u0000) in a string, or what the flags refuse.
 */
entra_json_t *entra_json_parse(entra_str_t text, size_t max, unsigned flags);
void entra_json_free(entra_json_t *root);               /* wipes all strings */

/*
 * All that read take NULL for "not there" and give -1, NULL or 0 then.
 * Strings are borrowed from the tree and NUL-terminated.
 */
entra_json_type_e entra_json_type(const entra_json_t *value);

/* the member of an object; names are case-sensitive; the first of equals */
const entra_json_t *entra_json_member(const entra_json_t *object,
    const char *name);

/* 0, or -1 when it is of another type */
int entra_json_string(const entra_json_t *value, entra_str_t *out);
int entra_json_bool(const entra_json_t *value, int *out);

/* a whole number up to 2^53, or a string of digits ("3599"): 0, or -1 */
int entra_json_int64(const entra_json_t *value, int64_t *out);

/* the same for times, of which a fraction is cut: 86398.9998935, "3599.0" */
int entra_json_seconds(const entra_json_t *value, int64_t *out);

/* what is in an array or object, in order; the name is for objects */
unsigned entra_json_count(const entra_json_t *value);
const entra_json_t *entra_json_first(const entra_json_t *value);
const entra_json_t *entra_json_next(const entra_json_t *item);
const char *entra_json_name(const entra_json_t *item);

/* short cuts: a member; entra_str_null when it is not a string */
entra_str_t entra_json_member_string(const entra_json_t *object,
    const char *name);
int entra_json_member_int64(const entra_json_t *object, const char *name,
    int64_t *out);
int entra_json_member_seconds(const entra_json_t *object, const char *name,
    int64_t *out);

/*
 * Copies src into dst, both objects, deeply: members that are objects in both
 * are merged, all others of src replace those of dst.  Time is the product of
 * the numbers of members on each level.  0, or -1 without memory.
 */
int entra_json_merge(entra_json_t *dst, const entra_json_t *src);

/* appends the value as compact text; 0, or -1 */
int entra_json_print(const entra_json_t *value, entra_buf_t *out);


#endif /* ENTRA_JSON_H */
