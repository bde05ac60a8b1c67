
/*
 * Copyright (C) nginx-entra authors
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "entra_ascii.h"
#include "entra_json.h"


#define ENTRA_JSON_EXACT  9007199254740992.0        /* 2^53 */


static const cJSON *
entra_cjson(const entra_json_t *value)
{
    return (const cJSON *) (const void *) value;
}


static const entra_json_t *
entra_json_of(const cJSON *item)
{
    return (const entra_json_t *) (const void *) item;
}


/*
 * What the library lets pass or does by recursion.  p is inside a string;
 * returns the position of its closing quote, or len.
 */

static size_t
entra_json_scan_string(const char *p, size_t i, size_t len)
{
    for ( /* void */ ; i < len; i++) {

        if (p[i] == '"') {
            return i;
        }

        if ((unsigned char) p[i] < ' ') {
            return len;
        }

        if (p[i] != '\\') {
            continue;
        }

        /* a name or value would seem to end there */

        if (len - i >= 6 && memcmp(p + i, "\\u0000", 6) == 0) {
            return len;
        }

        i++;
    }

    return len;
}


static int
entra_json_scan(const char *p, size_t len)
{
    size_t    i;
    unsigned  depth = 0;

    for (i = 0; i < len; i++) {

        switch (p[i]) {

        case '"':
            i = entra_json_scan_string(p, i + 1, len);
            if (i == len) {
                return -1;
            }

            break;

        case '{':
        case '[':
            if (++depth > ENTRA_JSON_DEPTH) {
                return -1;
            }

            break;

        case '}':
        case ']':
            if (depth-- == 0) {
                return -1;
            }

            break;

        case ' ':
        case '\t':
        case '\n':
        case '\r':
            break;

        default:
            if ((unsigned char) p[i] < ' ') {
                return -1;
            }
        }
    }

    return depth == 0 ? 0 : -1;
}


static int
entra_json_name_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}


/* sorted: a hostile object has many members */

static int
entra_json_unique(const cJSON *object)
{
    int            rc = 0;
    unsigned       i, n = 0;
    const char   **names;
    const cJSON   *item;

    for (item = object->child; item; item = item->next) {
        n++;
    }

    if (n < 2) {
        return 0;
    }

    names = malloc(n * sizeof(char *));
    if (names == NULL) {
        return -1;
    }

    for (i = 0, item = object->child; item; item = item->next) {
        names[i++] = item->string;
    }

    qsort(names, n, sizeof(char *), entra_json_name_cmp);

    for (i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            rc = -1;
            break;
        }
    }

    free(names);

    return rc;
}


/* the depth is bounded, so recursion is */

static int
entra_json_all_unique(const cJSON *value)
{
    const cJSON  *item;

    if (cJSON_IsObject(value) && entra_json_unique(value) != 0) {
        return -1;
    }

    for (item = value->child; item; item = item->next) {
        if (item->child && entra_json_all_unique(item) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
entra_json_accept(const cJSON *root, const char *end, const char *limit,
    unsigned flags)
{
    for ( /* void */ ; end < limit; end++) {
        if (*end != ' ' && *end != '\t' && *end != '\n' && *end != '\r') {
            return -1;
        }
    }

    if ((flags & ENTRA_JSON_OBJECT) && !cJSON_IsObject(root)) {
        return -1;
    }

    if ((flags & ENTRA_JSON_UNIQUE) && entra_json_all_unique(root) != 0) {
        return -1;
    }

    return 0;
}


entra_json_t *
entra_json_parse(entra_str_t text, size_t max, unsigned flags)
{
    char        *copy;
    cJSON       *root;
    const char  *end = NULL;

    if (max == 0 || max > ENTRA_JSON_MAX) {
        max = ENTRA_JSON_MAX;
    }

    if (text.len == 0 || text.len > max
        || entra_json_scan(text.data, text.len) != 0)
    {
        return NULL;
    }

    /* NUL-terminated: some releases of the library read a byte too far */

    copy = entra_str_dup(text);
    if (copy == NULL) {
        return NULL;
    }

    root = cJSON_ParseWithLengthOpts(copy, text.len + 1, &end, 0);

    if (root && entra_json_accept(root, end, copy + text.len, flags) != 0) {
        entra_json_free((entra_json_t *) (void *) root);
        root = NULL;
    }

    entra_wipe(copy, text.len);
    free(copy);

    return (entra_json_t *) (void *) root;
}


static void
entra_json_wipe(cJSON *item)
{
    for ( /* void */ ; item; item = item->next) {

        if (item->valuestring) {
            entra_wipe(item->valuestring, strlen(item->valuestring));
        }

        entra_json_wipe(item->child);
    }
}


void
entra_json_free(entra_json_t *root)
{
    cJSON  *item = (cJSON *) (void *) root;

    entra_json_wipe(item);
    cJSON_Delete(item);
}


entra_json_type_e
entra_json_type(const entra_json_t *value)
{
    const cJSON  *item = entra_cjson(value);

    if (cJSON_IsObject(item)) {
        return ENTRA_JSON_IS_OBJECT;
    }

    if (cJSON_IsArray(item)) {
        return ENTRA_JSON_IS_ARRAY;
    }

    if (cJSON_IsString(item)) {
        return ENTRA_JSON_IS_STRING;
    }

    if (cJSON_IsNumber(item)) {
        return ENTRA_JSON_IS_NUMBER;
    }

    return cJSON_IsBool(item) ? ENTRA_JSON_IS_BOOL : ENTRA_JSON_IS_NULL;
}


const entra_json_t *
entra_json_member(const entra_json_t *object, const char *name)
{
    const cJSON  *item = entra_cjson(object);

    if (!cJSON_IsObject(item)) {
        return NULL;
    }

    return entra_json_of(cJSON_GetObjectItemCaseSensitive(item, name));
}


int
entra_json_string(const entra_json_t *value, entra_str_t *out)
{
    const cJSON  *item = entra_cjson(value);

    if (!cJSON_IsString(item) || item->valuestring == NULL) {
        return -1;
    }

    *out = entra_str_c(item->valuestring);

    return 0;
}


int
entra_json_bool(const entra_json_t *value, int *out)
{
    const cJSON  *item = entra_cjson(value);

    if (!cJSON_IsBool(item)) {
        return -1;
    }

    *out = cJSON_IsTrue(item) ? 1 : 0;

    return 0;
}


int
entra_json_int64(const entra_json_t *value, int64_t *out)
{
    double        n;
    entra_str_t   text;
    const cJSON  *item = entra_cjson(value);

    if (entra_json_string(value, &text) == 0) {
        return entra_str_int(text, out);
    }

    if (!cJSON_IsNumber(item)) {
        return -1;
    }

    n = item->valuedouble;

    if (!(n >= -ENTRA_JSON_EXACT && n <= ENTRA_JSON_EXACT)
        || floor(n) != n)
    {
        return -1;
    }

    *out = (int64_t) n;

    return 0;
}


/* of a string: digits, a point and digits */

static int
entra_json_cut(entra_str_t text, int64_t *out)
{
    size_t       i;
    entra_str_t  whole;

    text = entra_str_trim(text);
    whole = entra_str_cut(&text, '.');

    for (i = 0; i < text.len; i++) {
        if (!entra_is_digit(text.data[i])) {
            return -1;
        }
    }

    return entra_str_int(whole, out);
}


int
entra_json_seconds(const entra_json_t *value, int64_t *out)
{
    double        n;
    entra_str_t   text;
    const cJSON  *item = entra_cjson(value);

    if (entra_json_string(value, &text) == 0) {
        return entra_json_cut(text, out);
    }

    if (!cJSON_IsNumber(item)) {
        return -1;
    }

    n = item->valuedouble;

    if (!(n >= -ENTRA_JSON_EXACT && n <= ENTRA_JSON_EXACT)) {
        return -1;
    }

    *out = (int64_t) n;

    return 0;
}


unsigned
entra_json_count(const entra_json_t *value)
{
    unsigned             n = 0;
    const entra_json_t  *item;

    for (item = entra_json_first(value); item; item = entra_json_next(item)) {
        n++;
    }

    return n;
}


const entra_json_t *
entra_json_first(const entra_json_t *value)
{
    return value ? entra_json_of(entra_cjson(value)->child) : NULL;
}


const entra_json_t *
entra_json_next(const entra_json_t *item)
{
    return item ? entra_json_of(entra_cjson(item)->next) : NULL;
}


const char *
entra_json_name(const entra_json_t *item)
{
    return item ? entra_cjson(item)->string : NULL;
}


entra_str_t
entra_json_member_string(const entra_json_t *object, const char *name)
{
    entra_str_t  text;

    if (entra_json_string(entra_json_member(object, name), &text) != 0) {
        return entra_str_null;
    }

    return text;
}


int
entra_json_member_int64(const entra_json_t *object, const char *name,
    int64_t *out)
{
    return entra_json_int64(entra_json_member(object, name), out);
}


int
entra_json_member_seconds(const entra_json_t *object, const char *name,
    int64_t *out)
{
    return entra_json_seconds(entra_json_member(object, name), out);
}


static int
entra_cjson_put(cJSON *dst, const cJSON *item)
{
    cJSON  *copy;

    copy = cJSON_Duplicate(item, 1);
    if (copy == NULL) {
        return -1;
    }

    cJSON_DeleteItemFromObjectCaseSensitive(dst, item->string);

    if (!cJSON_AddItemToObject(dst, item->string, copy)) {
        cJSON_Delete(copy);
        return -1;
    }

    return 0;
}


static int
entra_cjson_merge(cJSON *dst, const cJSON *src)
{
    int           rc;
    cJSON        *mine;
    const cJSON  *item;

    for (item = src->child; item; item = item->next) {
        mine = cJSON_GetObjectItemCaseSensitive(dst, item->string);

        if (cJSON_IsObject(mine) && cJSON_IsObject(item)) {
            rc = entra_cjson_merge(mine, item);

        } else {
            rc = entra_cjson_put(dst, item);
        }

        if (rc != 0) {
            return -1;
        }
    }

    return 0;
}


int
entra_json_merge(entra_json_t *dst, const entra_json_t *src)
{
    const cJSON  *from = entra_cjson(src);
    cJSON        *to = (cJSON *) (void *) dst;

    if (!cJSON_IsObject(to) || !cJSON_IsObject(from)) {
        return -1;
    }

    return entra_cjson_merge(to, from);
}


int
entra_json_print(const entra_json_t *value, entra_buf_t *out)
{
    char  *text;

    text = cJSON_PrintUnformatted(entra_cjson(value));
    if (text == NULL) {
        return -1;
    }

    entra_buf_add_c(out, text);
    entra_wipe(text, strlen(text));
    cJSON_free(text);

    return entra_buf_ok(out) ? 0 : -1;
}
