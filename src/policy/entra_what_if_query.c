
/*
 * Copyright (C) nginx-entra authors
 *
 * A what-if query in its two forms: a form's, and JSON.
 */

#include <string.h>

#include "entra_form.h"
#include "entra_json.h"
#include "entra_what_if.h"


static int
entra_what_if_form(entra_what_if_t *what_if, entra_str_t query,
    entra_err_t *err)
{
    int          rc;
    entra_buf_t  name, value;
    entra_str_t  pair, left;

    entra_buf_init(&name, ENTRA_WHAT_IF_MAX);
    entra_buf_init(&value, ENTRA_WHAT_IF_MAX);
    rc = 0;

    while (query.len && rc == 0) {
        pair = entra_str_cut(&query, '&');

        if (pair.len == 0) {
            continue;
        }

        left = entra_str_cut(&pair, '=');

        entra_buf_reset(&name);
        entra_buf_reset(&value);

        if (entra_form_decode(left, &name) != 0
            || entra_form_decode(pair, &value) != 0)
        {
            rc = entra_err_set(err, ENTRA_ERR_CONFIG,
                               "a \"%%\" without two hexadecimal digits, or a"
                               " NUL");
            break;
        }

        rc = entra_what_if_set(what_if, entra_buf_str(&name),
                               entra_buf_str(&value), err);
    }

    entra_buf_free(&name);
    entra_buf_free(&value);

    return rc;
}


static int
entra_what_if_json_value(entra_what_if_t *what_if, entra_str_t name,
    const entra_json_t *value, entra_err_t *err)
{
    int          flag, rc;
    int64_t      number;
    entra_buf_t  text;
    entra_str_t  string;

    if (entra_json_string(value, &string) == 0) {
        return entra_what_if_set(what_if, name, string, err);
    }

    if (entra_json_bool(value, &flag) == 0) {
        return entra_what_if_set(what_if, name,
                                 entra_str_c(flag ? "true" : "false"), err);
    }

    if (entra_json_int64(value, &number) == 0) {
        entra_buf_init(&text, 32);
        entra_buf_addf(&text, "%lld", (long long) number);
        rc = entra_what_if_set(what_if, name, entra_buf_str(&text), err);
        entra_buf_free(&text);
        return rc;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.*s\" is text, a whole number, true, false or a"
                         " list of such",
                         (int) (name.len < 64 ? name.len : 64), name.data);
}


static int
entra_what_if_json(entra_what_if_t *what_if, entra_str_t query,
    entra_err_t *err)
{
    int                  rc;
    entra_str_t          name;
    entra_json_t        *root;
    const entra_json_t  *item, *element;

    root = entra_json_parse(query, ENTRA_WHAT_IF_MAX,
                            ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);
    if (root == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "not a JSON object, or a member is there twice");
    }

    rc = 0;

    for (item = entra_json_first(root); item && rc == 0;
         item = entra_json_next(item))
    {
        name = entra_str_c(entra_json_name(item));

        if (entra_json_type(item) != ENTRA_JSON_IS_ARRAY) {
            rc = entra_what_if_json_value(what_if, name, item, err);
            continue;
        }

        for (element = entra_json_first(item); element && rc == 0;
             element = entra_json_next(element))
        {
            rc = entra_what_if_json_value(what_if, name, element, err);
        }
    }

    entra_json_free(root);

    return rc;
}


int
entra_what_if_parse(entra_what_if_t *what_if, entra_str_t query, int64_t now,
    entra_err_t *err)
{
    int  rc;

    memset(what_if, 0, sizeof(entra_what_if_t));
    what_if->signals.now = now;

    query = entra_str_trim(query);

    if (query.len > ENTRA_WHAT_IF_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a query of more than %u bytes",
                             ENTRA_WHAT_IF_MAX);
    }

    if (query.len && query.data[0] == '{') {
        rc = entra_what_if_json(what_if, query, err);

    } else {
        rc = entra_what_if_form(what_if, query, err);
    }

    return rc == 0 ? entra_what_if_done(what_if, err) : -1;
}
