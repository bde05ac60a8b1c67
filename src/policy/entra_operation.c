
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_operation.h"
#include "entra_path.h"
#include "entra_suggest.h"


#define ENTRA_OPERATION_TEXT_MAX  512


/* bit 0, bit 1, ...: the first three are ENTRA_METHOD_GET, _HEAD, _POST */

#define entra_literal(text)  { sizeof(text) - 1, text }

static const entra_str_t  entra_methods[] = {
    entra_literal("GET"), entra_literal("HEAD"), entra_literal("POST"),
    entra_literal("PUT"), entra_literal("PATCH"), entra_literal("DELETE"),
    entra_literal("OPTIONS"), entra_literal("MERGE"), entra_literal("QUERY"),
    entra_literal("TRACE"), entra_literal("CONNECT"), entra_literal("MKCOL"),
    entra_literal("COPY"), entra_literal("MOVE"), entra_literal("PROPFIND"),
    entra_literal("PROPPATCH"), entra_literal("LOCK"), entra_literal("UNLOCK")
};

#define ENTRA_METHODS  (sizeof(entra_methods) / sizeof(entra_methods[0]))


uint32_t
entra_method(entra_str_t name)
{
    size_t  i;

    for (i = 0; i < ENTRA_METHODS; i++) {
        if (entra_str_eq(name, entra_methods[i])) {
            return (uint32_t) 1 << i;
        }
    }

    return 0;
}


static uint32_t
entra_method_loose(entra_str_t name)
{
    size_t  i;

    for (i = 0; i < ENTRA_METHODS; i++) {
        if (entra_str_case_eq(name, entra_methods[i])) {
            return (uint32_t) 1 << i;
        }
    }

    return 0;
}


/* plain: see entra_path_plain() */

static void
entra_operation_read(entra_operation_t *operation, entra_str_t method,
    entra_str_t path, unsigned plain, char *scratch)
{
    char  *loose, *action;

    loose = scratch + path.len;
    action = scratch + 2 * path.len;

    memset(operation, 0, sizeof(entra_operation_t));

    operation->method = method;
    operation->methods = entra_method(method);
    operation->methods_loose = operation->methods ? operation->methods
                                                  : entra_method_loose(method);
    operation->path = path;
    operation->ambiguous = plain ? NULL : entra_path_check(path);

    if (operation->ambiguous) {
        operation->arm = ENTRA_ARM_UNKNOWN;
        return;
    }

    operation->arm = entra_arm_action(method, path, action,
                                      &operation->action.len);
    operation->action.data = action;

    if (!plain && memchr(path.data, '%', path.len)) {
        operation->path.data = scratch;
        operation->path.len = entra_path_canonical(path, scratch);
    }

    operation->loose.data = loose;
    operation->loose.len = plain ? entra_path_loose_plain(path, loose)
                                 : entra_path_loose(path, loose);
}


void
entra_operation_init(entra_operation_t *operation, entra_str_t method,
    entra_str_t path, char *scratch)
{
    size_t       len;
    const char  *query;

    len = entra_path_plain(path);

    if (len) {
        path.len = len;
        entra_operation_read(operation, method, path, 1, scratch);
        return;
    }

    query = path.len ? memchr(path.data, '?', path.len) : NULL;

    if (query) {
        path.len = (size_t) (query - path.data);
    }

    entra_operation_read(operation, method, path, 0, scratch);
}


void
entra_operation_init_plain(entra_operation_t *operation, entra_str_t method,
    entra_str_t path, char *scratch)
{
    entra_operation_read(operation, method, path, 1, scratch);
}


void
entra_operation_text(const entra_operation_t *operation, entra_buf_t *out)
{
    size_t       n;
    char         clean[ENTRA_OPERATION_TEXT_MAX - 64];
    entra_str_t  method = operation->method;

    if (operation->arm == ENTRA_ARM_ACTION) {
        n = operation->action.len < sizeof(clean) ? operation->action.len
                                                  : sizeof(clean);
        entra_buf_add(out, operation->action.data, n);
        return;
    }

    if (method.len > 32) {
        method.len = 32;
    }

    entra_err_clean(clean, sizeof(clean), method);
    entra_buf_add_c(out, clean);
    entra_buf_add_char(out, ' ');
    entra_err_clean(clean, sizeof(clean), operation->path);
    entra_buf_add_c(out, clean);
}


void
entra_operation_list_free(entra_operation_list_t *list)
{
    unsigned  i;

    for (i = 0; i < list->n; i++) {
        free(list->patterns[i].text);
        free(list->patterns[i].path);
        free(list->patterns[i].loose);
    }

    free(list->patterns);
    free(list->name);

    memset(list, 0, sizeof(entra_operation_list_t));
}


static entra_operation_pattern_t *
entra_operation_push(entra_operation_list_t *list, entra_str_t text,
    entra_err_t *err)
{
    unsigned                    capacity;
    entra_operation_pattern_t  *patterns, *pattern;

    if (list->n == ENTRA_OPERATION_PATTERNS_MAX) {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "more than %u operations in one list",
                             ENTRA_OPERATION_PATTERNS_MAX);
        return NULL;
    }

    if (list->n == list->capacity) {
        capacity = list->capacity ? 2 * list->capacity : 4;

        patterns = realloc(list->patterns,
                           capacity * sizeof(entra_operation_pattern_t));
        if (patterns == NULL) {
            (void) entra_err_no_memory(err);
            return NULL;
        }

        list->patterns = patterns;
        list->capacity = capacity;
    }

    pattern = &list->patterns[list->n];
    memset(pattern, 0, sizeof(entra_operation_pattern_t));

    pattern->text = entra_str_dup(text);
    if (pattern->text == NULL) {
        (void) entra_err_no_memory(err);
        return NULL;
    }

    list->n++;

    return pattern;
}


/* "GET,POST", "*" */

static int
entra_operation_methods(uint32_t *methods, entra_str_t text, entra_err_t *err)
{
    size_t       n;
    uint32_t     bit;
    const char  *comma;
    entra_str_t  name;

    if (entra_str_eq_c(text, "*")) {
        *methods = ENTRA_METHOD_ANY;
        return 0;
    }

    *methods = 0;

    for ( ;; ) {
        comma = text.len ? memchr(text.data, ',', text.len) : NULL;
        n = comma ? (size_t) (comma - text.data) : text.len;

        name = (entra_str_t) { n, text.data };
        bit = entra_method(name);

        if (bit == 0) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"%.*s\" is not a method: write"
                                 " \"METHOD[,METHOD] PATH\" with methods in"
                                 " upper case, or \"* PATH\" for all",
                                 (int) name.len, name.data);
        }

        *methods |= bit;

        if (comma == NULL) {
            break;
        }

        text.data += n + 1;
        text.len -= n + 1;
    }

    /* as limit_except does: HEAD is a GET whose body stays behind */

    if (*methods & ENTRA_METHOD_GET) {
        *methods |= ENTRA_METHOD_HEAD;
    }

    return 0;
}


/* "*" is a segment or nothing */

static int
entra_operation_stars(entra_str_t path)
{
    size_t  i;

    for (i = 0; i < path.len; i++) {
        if (path.data[i] == '*'
            && (path.data[i - 1] != '/'
                || (i + 1 < path.len && path.data[i + 1] != '/')))
        {
            return -1;
        }
    }

    return 0;
}


static int
entra_operation_path_ok(entra_str_t path, entra_err_t *err)
{
    char         canonical[ENTRA_OPERATION_PATH_MAX];
    size_t       n;
    const char  *why;

    if (path.len > ENTRA_OPERATION_PATH_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a path of more than %u bytes",
                             ENTRA_OPERATION_PATH_MAX);
    }

    if (path.len && memchr(path.data, '?', path.len)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" has a query string, which is never"
                             " looked at: write the path alone",
                             (int) path.len, path.data);
    }

    why = entra_path_check(path);
    if (why) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "the path \"%.*s\" %s", (int) path.len,
                             path.data, why);
    }

    n = entra_path_canonical(path, canonical);

    if (!entra_str_eq((entra_str_t) { n, canonical }, path)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" is matched as \"%.*s\": write that",
                             (int) path.len, path.data, (int) n, canonical);
    }

    if (entra_operation_stars(path) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\": \"*\" stands for a whole segment, as in"
                             " /models/*/infer, or at the end for the rest, as"
                             " in /score/*", (int) path.len, path.data);
    }

    return 0;
}


/* "METHOD[,METHOD] PATH" */

static int
entra_operation_path(entra_operation_list_t *list, entra_str_t word,
    entra_err_t *err)
{
    char                       *space;
    char                        loose[ENTRA_OPERATION_PATH_MAX];
    size_t                      n;
    uint32_t                    methods;
    entra_str_t                 path;
    entra_operation_pattern_t  *pattern;

    space = word.len ? memchr(word.data, ' ', word.len) : NULL;

    if (space == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" is not an operation: write \"METHOD"
                             " PATH\" in quotes, as in \"POST /score\", or"
                             " arm ACTION, or preset NAME",
                             (int) word.len, word.data);
    }

    n = (size_t) (space - word.data);
    path = entra_str_trim((entra_str_t) { word.len - n, space });

    if (entra_operation_methods(&methods, (entra_str_t) { n, word.data }, err)
        != 0 || entra_operation_path_ok(path, err) != 0)
    {
        return -1;
    }

    pattern = entra_operation_push(list, word, err);
    if (pattern == NULL) {
        return -1;
    }

    n = entra_path_loose(path, loose);

    pattern->kind = ENTRA_OPERATION_PATH;
    pattern->methods = methods;
    pattern->path = entra_str_dup(path);
    pattern->path_len = path.len;
    pattern->loose = entra_str_dup((entra_str_t) { n, loose });
    pattern->loose_len = n;

    if (pattern->path == NULL || pattern->loose == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


static int
entra_operation_arm(entra_operation_list_t *list, entra_str_t word,
    entra_err_t *err)
{
    char                       *action;
    entra_operation_pattern_t  *pattern;

    action = entra_arm_pattern(word, err);
    if (action == NULL) {
        return -1;
    }

    pattern = entra_operation_push(list, word, err);
    if (pattern == NULL) {
        free(action);
        return -1;
    }

    pattern->kind = ENTRA_OPERATION_ARM;
    pattern->path = action;

    return 0;
}


static int
entra_operation_preset(entra_operation_list_t *list, entra_str_t word,
    entra_err_t *err)
{
    char                        meant[ENTRA_SUGGEST_TEXT];
    entra_preset_e              preset;
    entra_operation_pattern_t  *pattern;

    static const char *const  names[] = {
        "score", "read", "secrets", "run", "escape", NULL
    };

    if (entra_preset_find(word, &preset) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "unknown preset \"%.*s\"%s",
                             (int) word.len, word.data,
                             entra_suggest(meant, word, names)
                                 ? meant
                                 : ": there are score, read, secrets, run,"
                                   " escape");
    }

    pattern = entra_operation_push(list, word, err);
    if (pattern == NULL) {
        return -1;
    }

    pattern->kind = ENTRA_OPERATION_PRESET;
    pattern->preset = preset;

    return 0;
}


int
entra_operation_list_line(entra_operation_list_t *list,
    const entra_str_t *words, unsigned nwords, entra_err_t *err)
{
    unsigned   i;
    int      (*add)(entra_operation_list_t *, entra_str_t, entra_err_t *);

    add = entra_operation_path;
    i = 0;

    if (entra_str_eq_c(words[0], "arm")) {
        add = entra_operation_arm;
        i = 1;

    } else if (entra_str_eq_c(words[0], "preset")) {
        add = entra_operation_preset;
        i = 1;
    }

    if (i == nwords) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" needs %s", (int) words[0].len,
                             words[0].data, add == entra_operation_arm
                                 ? "an action of Azure RBAC, as in arm"
                                   " Microsoft.MachineLearningServices/"
                                   "workspaces/*/read"
                                 : "a name: score, read, secrets, run,"
                                   " escape");
    }

    for ( /* void */ ; i < nwords; i++) {
        if (add(list, words[i], err) != 0) {
            return -1;
        }
    }

    return 0;
}


static unsigned
entra_operation_match(const entra_operation_pattern_t *pattern,
    const entra_operation_t *op)
{
    if (pattern->kind == ENTRA_OPERATION_PRESET) {
        return entra_preset_match(pattern->preset, op);
    }

    if (op->ambiguous) {
        return ENTRA_UNKNOWN;
    }

    if (pattern->kind == ENTRA_OPERATION_ARM) {

        if (op->arm == ENTRA_ARM_ACTION) {
            return entra_arm_match(pattern->path, op->action) ? ENTRA_TRUE
                                                              : ENTRA_FALSE;
        }

        return op->arm == ENTRA_ARM_UNKNOWN ? ENTRA_UNKNOWN : ENTRA_FALSE;
    }

    if ((pattern->methods == ENTRA_METHOD_ANY
         || (pattern->methods & op->methods))
        && entra_path_match((entra_str_t) { pattern->path_len, pattern->path },
                            op->path))
    {
        return ENTRA_TRUE;
    }

    if ((pattern->methods == ENTRA_METHOD_ANY
         || (pattern->methods & op->methods_loose))
        && entra_path_match((entra_str_t) { pattern->loose_len,
                                            pattern->loose },
                            op->loose))
    {
        return ENTRA_UNKNOWN;
    }

    return ENTRA_FALSE;
}


unsigned
entra_operation_list_match(const entra_operation_list_t *list,
    const entra_operation_t *operation)
{
    unsigned  i, best, match;

    best = ENTRA_FALSE;

    for (i = 0; i < list->n && best != ENTRA_TRUE; i++) {
        match = entra_operation_match(&list->patterns[i], operation);
        best = match > best ? match : best;
    }

    return best;
}
