
/*
 * Copyright (C) nginx-entra authors
 *
 * Lists of ranges in files: a CIDR a line, or JSON of Microsoft Graph.
 */

#include <string.h>

#include "entra_json.h"
#include "entra_named_location.h"


#define ENTRA_LIST_NAMES_MAX  8                 /* named in an error */


static int
entra_cidr_list_error(const char *file, unsigned line, entra_err_t *err)
{
    entra_err_t  inner = *err;

    if (line == 0) {
        return entra_err_set(err, inner.class, "%s: %s", file, inner.text);
    }

    return entra_err_set(err, inner.class, "%s:%u: %s", file, line,
                         inner.text);
}


/* 1: there are more lines than that */

static int
entra_cidr_list_lines(entra_cidr_load_t *load, entra_str_t text,
    const char *file, unsigned max, entra_err_t *err)
{
    const char   *end, *hash;
    entra_str_t   line;

    text.data += load->offset;
    text.len -= load->offset;

    for ( /* void */ ; text.len; load->line++) {

        if (max-- == 0) {
            return 1;
        }

        end = memchr(text.data, '\n', text.len);

        line.data = text.data;
        line.len = end ? (size_t) (end - text.data) : text.len;

        load->offset += line.len + (end != NULL);
        text.data += line.len + (end != NULL);
        text.len -= line.len + (end != NULL);

        hash = line.len ? memchr(line.data, '#', line.len) : NULL;

        if (hash) {
            line.len = (size_t) (hash - line.data);
        }

        line = entra_str_trim(line);

        if (line.len && entra_cidr_set_add(&load->set, line, err) != 0) {
            return entra_cidr_list_error(file, load->line + 1, err);
        }
    }

    return 0;
}


/* {"cidrAddress": "..."} or {"lowerAddress": "...", "upperAddress": "..."} */

static int
entra_cidr_list_range(entra_cidr_set_t *set, const entra_json_t *range,
    entra_err_t *err)
{
    entra_str_t   cidr, lower, upper;
    entra_addr_t  first, last;

    cidr = entra_json_member_string(range, "cidrAddress");

    if (cidr.len) {
        return entra_cidr_set_add(set, cidr, err);
    }

    lower = entra_json_member_string(range, "lowerAddress");
    upper = entra_json_member_string(range, "upperAddress");

    if (lower.len == 0 || upper.len == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "has neither cidrAddress nor lowerAddress and"
                             " upperAddress");
    }

    if (entra_addr_parse(&first, lower) != 0
        || entra_addr_parse(&last, upper) != 0)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.64s\" or \"%.64s\" is not an address",
                             lower.data, upper.data);
    }

    return entra_cidr_set_add_range(set, &first, &last, err);
}


static int
entra_cidr_list_location(entra_cidr_set_t *set, const entra_json_t *location,
    const char *file, entra_err_t *err)
{
    unsigned             n;
    entra_err_t          inner;
    const entra_json_t  *ranges, *range;

    ranges = entra_json_member(location, "ipRanges");

    if (ranges == NULL || entra_json_type(ranges) != ENTRA_JSON_IS_ARRAY) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s: not an ipNamedLocation of Microsoft Graph: no"
                             " \"ipRanges\" (locations by country are not"
                             " supported)", file);
    }

    n = 0;

    for (range = entra_json_first(ranges); range;
         range = entra_json_next(range))
    {
        n++;

        if (entra_cidr_list_range(set, range, err) != 0) {
            inner = *err;
            return entra_err_set(err, inner.class, "%s: ipRanges, element %u:"
                                 " %s", file, n, inner.text);
        }
    }

    return 0;
}


/* several locations, and none is asked for: a union would trust them all */

static int
entra_cidr_list_which(const entra_json_t *list, const char *file,
    const char *select, entra_err_t *err)
{
    unsigned             n;
    entra_buf_t          names;
    entra_str_t          name;
    const entra_json_t  *item;

    entra_buf_init(&names, 512);
    n = 0;

    for (item = entra_json_first(list); item && n < ENTRA_LIST_NAMES_MAX;
         item = entra_json_next(item))
    {
        name = entra_json_member_string(item, "displayName");
        entra_buf_addf(&names, "%s\"%.40s\"", n++ ? ", " : "",
                       name.len ? name.data : "");
    }

    if (item) {
        entra_buf_add_c(&names, ", ...");
    }

    if (select) {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s: there is no location \"%s\" in the list, or"
                             " more than one; there are: %s", file, select,
                             entra_buf_str(&names).data);
    } else {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s: a list of %u locations: write \"file PATH"
                             " display_name=NAME\" with one of %s", file,
                             entra_json_count(list),
                             entra_buf_str(&names).data);
    }

    entra_buf_free(&names);

    return -1;
}


static int
entra_cidr_list_json(entra_cidr_set_t *set, const entra_json_t *root,
    const char *file, const char *select, entra_err_t *err)
{
    unsigned             found;
    const entra_json_t  *list, *item, *which;

    list = entra_json_member(root, "value");

    if (list == NULL && entra_json_type(root) == ENTRA_JSON_IS_ARRAY) {
        list = root;
    }

    if (list == NULL) {
        return entra_cidr_list_location(set, root, file, err);
    }

    if (entra_json_member(root, "@odata.nextLink")) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s: a page of a longer list: follow its"
                             " @odata.nextLink and join the pages", file);
    }

    which = NULL;
    found = 0;

    for (item = entra_json_first(list); item; item = entra_json_next(item)) {

        if (select == NULL
            || entra_str_eq_c(entra_json_member_string(item, "displayName"),
                              select))
        {
            which = item;
            found++;
        }
    }

    if (found != 1) {
        return entra_cidr_list_which(list, file, select, err);
    }

    return entra_cidr_list_location(set, which, file, err);
}


/* of all but a list of lines, which is read piece by piece */

static int
entra_cidr_list_whole(entra_cidr_set_t *set, entra_str_t text,
    const char *file, const char *select, entra_err_t *err)
{
    int            rc;
    entra_json_t  *root;

    if (text.len == 0 || (text.data[0] != '{' && text.data[0] != '[')) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s: no JSON, so there is no display_name to look"
                             " for", file);
    }

    root = entra_json_parse(text, 0, ENTRA_JSON_UNIQUE);
    if (root == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s: not JSON, or more than %u bytes of it",
                             file, ENTRA_JSON_MAX);
    }

    rc = entra_cidr_list_json(set, root, file, select, err);
    entra_json_free(root);

    return rc;
}


int
entra_cidr_list_part(entra_cidr_load_t *load, entra_str_t text,
    const char *file, const char *select, unsigned max, entra_err_t *err)
{
    int          rc;
    entra_str_t  trimmed;

    if (entra_str_starts(text, "\xef\xbb\xbf")) {
        text.data += 3;
        text.len -= 3;
    }

    if (!load->parsed) {
        trimmed = load->offset ? entra_str_null : entra_str_trim(text);

        rc = select || (trimmed.len && (trimmed.data[0] == '{'
                                        || trimmed.data[0] == '['))
             ? entra_cidr_list_whole(&load->set, trimmed, file, select, err)
             : entra_cidr_list_lines(load, text, file, max, err);

        if (rc != 0) {
            return rc;
        }

        if (load->set.nranges == 0) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "%s: there is no range in it; an empty list"
                                 " is refused, as it is usually a mistake",
                                 file);
        }

        load->parsed = 1;

        if (load->set.nranges > max) {
            return 1;
        }
    }

    if (!load->sorted) {
        if (entra_cidr_set_sort(&load->set) != 0) {
            return entra_err_no_memory(err);
        }

        load->sorted = 1;

        if (load->set.nranges > max) {
            return 1;
        }
    }

    if (entra_cidr_set_seal(&load->set) != 0) {
        return entra_err_no_memory(err);
    }

    return 0;
}
