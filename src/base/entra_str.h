
/*
 * Copyright (C) nginx-entra authors
 *
 * Bytes: borrowed strings, bounded growing buffers, wiping.
 */

#ifndef ENTRA_STR_H
#define ENTRA_STR_H


#include <stddef.h>
#include <stdint.h>
#include <string.h>


/*
 * A borrowed string: not owned, not necessarily NUL-terminated.  Valid as
 * long as what it points into.
 */

typedef struct {
    size_t       len;
    const char  *data;
} entra_str_t;


#define entra_str(text)  ((entra_str_t) { sizeof(text) - 1, text })
#define entra_str_null   ((entra_str_t) { 0, NULL })


/*
 * A growing buffer with a hard maximum.  A failure (maximum reached, no
 * memory) is sticky: adding goes on as a no-op, and the one check at the end,
 * entra_buf_ok(), tells.  The content is always NUL-terminated, and is always
 * wiped before its memory is given back, also when it grows.
 */

typedef struct {
    char        *data;
    size_t       len;
    size_t       cap;
    size_t       max;
    unsigned     failed:1;
} entra_buf_t;


int entra_str_case_eq(entra_str_t a, entra_str_t b);         /* ASCII only */


/* of literals the length is known when it is compiled */

static inline entra_str_t
entra_str_c(const char *text)                       /* NULL gives len 0 */
{
    return (entra_str_t) { text ? strlen(text) : 0, text };
}


static inline int
entra_str_eq(entra_str_t a, entra_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


static inline int
entra_str_eq_c(entra_str_t a, const char *text)
{
    return entra_str_eq(a, entra_str_c(text));
}


static inline int
entra_str_case_eq_c(entra_str_t a, const char *text)
{
    entra_str_t  b = entra_str_c(text);

    return a.len == b.len && entra_str_case_eq(a, b);
}


/* ASCII in lower case, other bytes as they are; out: s.len bytes, may be s */
void entra_str_lower(char *out, entra_str_t s);

/* a copy in lower case, or NULL without memory */
char *entra_str_dup_lower(entra_str_t s);

int entra_str_starts(entra_str_t s, const char *prefix);
int entra_str_ends(entra_str_t s, const char *suffix);
int entra_str_has(entra_str_t s, const char *part);

/* not empty, and nothing but ASCII letters, digits and those in more */
int entra_str_is_word(entra_str_t s, const char *more);

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", in either letter case */
#define ENTRA_GUID_LEN  36
int entra_str_is_guid(entra_str_t s);

/* meant to be one and mistyped: hyphens, digits, about as long, no dot */
int entra_str_is_nearly_guid(entra_str_t s);

/* a control character of ASCII; nothing but visible ASCII, or empty */
int entra_str_has_control(entra_str_t s);
int entra_str_is_visible(entra_str_t s);

entra_str_t entra_str_trim(entra_str_t s);      /* SP, HT, CR, LF, VT, FF */

/* up to the separator, or all; rest goes on behind it */
entra_str_t entra_str_cut(entra_str_t *rest, char separator);

/* a NUL-terminated copy on the heap, or NULL without memory */
char *entra_str_dup(entra_str_t s);

/* 0 and *value, or -1: digits only, no sign, no overflow of int64_t */
int entra_str_int(entra_str_t s, int64_t *value);

void entra_buf_init(entra_buf_t *b, size_t max);
void entra_buf_free(entra_buf_t *b);                 /* wipes, may be reused */
void entra_buf_reset(entra_buf_t *b);                /* wipes, keeps memory */
int entra_buf_ok(const entra_buf_t *b);
void entra_buf_reserve(entra_buf_t *b, size_t len);     /* that much at once */
void entra_buf_add(entra_buf_t *b, const void *data, size_t len);
void entra_buf_add_str(entra_buf_t *b, entra_str_t s);
void entra_buf_add_c(entra_buf_t *b, const char *text);
void entra_buf_add_char(entra_buf_t *b, char c);
void entra_buf_addf(entra_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
entra_str_t entra_buf_str(const entra_buf_t *b);

/* the content, which the caller frees with entra_free_secret(); or NULL */
char *entra_buf_steal(entra_buf_t *b);

/* not optimized away */
void entra_wipe(void *data, size_t len);

/* wipes strlen(text) bytes and frees; NULL is allowed */
void entra_free_secret(char *text);


#endif /* ENTRA_STR_H */
