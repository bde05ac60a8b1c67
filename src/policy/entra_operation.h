
/*
 * Copyright (C) nginx-entra authors
 *
 * What a request does, and patterns for it: method and path, actions of
 * Azure RBAC, presets.
 */

#ifndef ENTRA_OPERATION_H
#define ENTRA_OPERATION_H


#include "entra_arm.h"
#include "entra_truth.h"


#define ENTRA_OPERATION_PATH_MAX      1024      /* of a pattern */
#define ENTRA_OPERATION_PATTERNS_MAX  1024      /* of a list */


/*
 * Of one request: filled once, matched by any number of patterns.  Borrows
 * method, path and scratch.
 */

typedef struct {
    entra_str_t   method;           /* as the upstream will get it */
    uint32_t      methods;          /* its bit; 0: not a method we know */
    uint32_t      methods_loose;    /* the same in any letter case */
    entra_str_t   path;             /* canonical, see entra_path.h */
    entra_str_t   loose;
    entra_str_t   action;           /* of Resource Manager, lower case */
    entra_arm_e   arm;
    const char   *ambiguous;        /* from entra_path_check(), or NULL */
} entra_operation_t;


/* bytes that scratch has to have */
#define entra_operation_scratch(path_len)                                     \
    (2 * (path_len) + ENTRA_ARM_ACTION_MAX)

/*
 * Path and method as they stand in the request line that the upstream will
 * get; a query string is cut off.
 */
void entra_operation_init(entra_operation_t *operation, entra_str_t method,
    entra_str_t path, char *scratch);

/* of a path, without query string, of which entra_path_plain() is known */
void entra_operation_init_plain(entra_operation_t *operation,
    entra_str_t method, entra_str_t path, char *scratch);

/* appends "POST /score", or the action; for logs, at most 512 bytes */
void entra_operation_text(const entra_operation_t *operation,
    entra_buf_t *out);


typedef enum {
    ENTRA_OPERATION_PATH,
    ENTRA_OPERATION_ARM,
    ENTRA_OPERATION_PRESET
} entra_operation_kind_e;

typedef enum {
    ENTRA_PRESET_SCORE,         /* calls of models */
    ENTRA_PRESET_READ,          /* GET and HEAD, without those of secrets */
    ENTRA_PRESET_SECRETS,       /* what discloses or replaces keys, tokens */
    ENTRA_PRESET_ESCAPE,        /* what carries or grants other operations */
    ENTRA_PRESET_RUN            /* what runs code, now or later */
} entra_preset_e;


typedef struct {
    entra_operation_kind_e   kind;
    entra_preset_e           preset;
    uint32_t                 methods;       /* mask, all ones: any */
    char                    *text;          /* as it was written; owned */
    char                    *path;          /* or the action; owned */
    size_t                   path_len;
    char                    *loose;         /* owned */
    size_t                   loose_len;
} entra_operation_pattern_t;


/* an entra_operations block, or what a policy states itself */

typedef struct {
    char                       *name;       /* owned; NULL: a policy's own */
    const char                 *where;      /* " in FILE:LINE", or NULL */
    unsigned                    used;       /* a policy names it */
    entra_operation_pattern_t  *patterns;
    unsigned                    n;
    unsigned                    capacity;
} entra_operation_list_t;


void entra_operation_list_free(entra_operation_list_t *list);  /* not itself */

/*
 * One line of the block.  "METHOD[,METHOD] PATH" is one word: methods in
 * upper case, "*" is any, GET is also HEAD; of the path the segments have to
 * be equal, with "*" as in entra_path_match().  arm ACTION ...; preset NAME
 * ...; are several words.  0, or -1 and err with what to write instead.
 */
int entra_operation_list_line(entra_operation_list_t *list,
    const entra_str_t *words, unsigned nwords, entra_err_t *err);

/*
 * True when a pattern matches.  Unknown when none does, but one would if the
 * upstream ignored letter case, encoding or a trailing slash, as many do;
 * when the path is ambiguous; when the action is unknown.  What is unknown
 * is never permitted and always blocked.
 */
unsigned entra_operation_list_match(const entra_operation_list_t *list,
    const entra_operation_t *operation);

/* entra_operation_preset.c */

int entra_preset_find(entra_str_t name, entra_preset_e *preset);
unsigned entra_preset_match(entra_preset_e preset,
    const entra_operation_t *operation);


#define ENTRA_METHOD_GET      0x00000001
#define ENTRA_METHOD_HEAD     0x00000002
#define ENTRA_METHOD_POST     0x00000004
#define ENTRA_METHOD_ANY      0xffffffff

/* the bit of a method, 0: none that is known */
uint32_t entra_method(entra_str_t name);


#endif /* ENTRA_OPERATION_H */
