
/*
 * Copyright (C) nginx-entra authors
 *
 * config.json: where it is, and what it says.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "entra_enc.h"
#include "entra_file.h"
#include "entra_json.h"
#include "entra_workspace.h"


#define ENTRA_WORKSPACE_LEVELS  20
#define ENTRA_WORKSPACE_VALUE   128             /* characters of a value */
#define ENTRA_WORKSPACE_SCOPE   8               /* slashes in "Scope" */


/* the product of directories and names, in MLClient's order */

static const char  *const entra_workspace_places[] = {
    ".azureml/config.json",
    ".azureml/project.json",
    "aml_config/config.json",
    "aml_config/project.json",
    "config.json",
    "project.json",
    NULL
};


static const entra_file_want_t  entra_workspace_want = {
    .form = ENTRA_FORM_JSON,
    .what = "a workspace's config.json",
    .pem = "save it with \"Download config file\" in Azure Machine Learning"
           " studio"
};


static int
entra_workspace_mode(const char *path, mode_t type)
{
    struct stat  st;

    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}


static char *
entra_workspace_join(entra_str_t dir, const char *place)
{
    entra_buf_t  b;

    entra_buf_init(&b, 16 * 1024);
    entra_buf_add_str(&b, dir);
    entra_buf_add_c(&b, "/");
    entra_buf_add_c(&b, place);

    return entra_buf_steal(&b);
}


/* place in dir, or in one of the directories above it */

static char *
entra_workspace_up(const char *dir, const char *place)
{
    char         *path;
    unsigned      level;
    entra_str_t   s = entra_str_c(dir);

    for (level = 0; level < ENTRA_WORKSPACE_LEVELS; level++) {

        while (s.len && s.data[s.len - 1] == '/') {
            s.len--;
        }

        path = entra_workspace_join(s, place);
        if (path == NULL) {
            return NULL;
        }

        if (entra_workspace_mode(path, S_IFREG)) {
            return path;
        }

        free(path);

        if (s.len == 0) {
            return NULL;
        }

        while (s.len && s.data[s.len - 1] != '/') {
            s.len--;
        }
    }

    return NULL;
}


char *
entra_workspace_find(const char *path, entra_err_t *err)
{
    char        *found;
    unsigned     i;

    if (entra_workspace_mode(path, S_IFREG)) {
        found = entra_str_dup(entra_str_c(path));

        if (found == NULL) {
            entra_err_no_memory(err);
        }

        return found;
    }

    if (!entra_workspace_mode(path, S_IFDIR)) {
        entra_err_set(err, ENTRA_ERR_CONFIG,
                      "there is no workspace file \"%s\": save it with "
                      "\"Download config file\" in Azure Machine Learning "
                      "studio", path);
        return NULL;
    }

    for (i = 0; entra_workspace_places[i]; i++) {
        found = entra_workspace_up(path, entra_workspace_places[i]);

        if (found) {
            return found;
        }
    }

    entra_err_set(err, ENTRA_ERR_CONFIG,
                  "no config.json of an Azure ML workspace in \"%s\" or "
                  "above, also not in .azureml or aml_config", path);

    return NULL;
}


/*
 * Letters of any script, which resource groups may have in their names; not
 * white space, punctuation, what turns the direction of text, or what no
 * character is.
 */

static int
entra_workspace_letter_ok(const unsigned char *p, size_t len)
{
    size_t    i;
    uint32_t  c;

    c = p[0] & (0x7fu >> len);

    for (i = 1; i < len; i++) {
        c = c << 6 | (p[i] & 0x3fu);
    }

    return c >= 0xaa && c != 0xab && c != 0xad && c != 0xd7 && c != 0xf7
           && !(c >= 0xac && c <= 0xb4) && !(c >= 0xb6 && c <= 0xb9)
           && !(c >= 0xbb && c <= 0xbf)
           && c != 0x1680 && c != 0x180e
           && !(c >= 0x2000 && c <= 0x206f) && !(c >= 0x2190 && c <= 0x2bff)
           && !(c >= 0x3000 && c <= 0x3004) && !(c >= 0x3008 && c <= 0x3020)
           && !(c >= 0xd800 && c <= 0xf8ff) && c != 0xfeff
           && !(c >= 0xfe00 && c <= 0xfe6f) && !(c >= 0xff00 && c <= 0xff20)
           && c < 0xfff0;
}


/* what Azure allows in such names, and nothing that means more in a path */

static int
entra_workspace_value_ok(entra_str_t value, const char *more, int unicode)
{
    size_t                n, len = 0;
    entra_str_t           ascii;
    const unsigned char  *p = (const unsigned char *) value.data;
    const unsigned char  *end = p + value.len;

    for ( /* void */ ; p < end; p += n, len++) {
        n = 1;

        if (*p < 0x80) {
            ascii.data = (const char *) p;
            ascii.len = 1;

            if (!entra_str_is_word(ascii, more)) {
                return 0;
            }

            continue;
        }

        n = entra_utf8_len(p, (size_t) (end - p));

        if (!unicode || n < 2 || !entra_workspace_letter_ok(p, n)) {
            return 0;
        }
    }

    return len <= ENTRA_WORKSPACE_VALUE
           && value.data[0] != '.' && value.data[value.len - 1] != '.';
}


static int
entra_workspace_take(char **field, const char *name, entra_str_t value,
    const char *more, entra_err_t *err)
{
    int  unicode = strcmp(name, "resource_group") == 0;

    if (value.len == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" is missing, empty or not a string",
                             name);
    }

    if (!entra_workspace_value_ok(value, more, unicode)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" has other characters than letters, "
                             "digits and \"%s\", a dot at an end, or is too "
                             "long", name, more);
    }

    *field = entra_str_dup(value);
    if (*field == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


static int
entra_workspace_set(entra_workspace_t *ws, entra_str_t subscription,
    entra_str_t group, entra_str_t name, entra_err_t *err)
{
    if (entra_workspace_take(&ws->subscription_id, "subscription_id",
                             subscription, "-", err)
        != 0
        || entra_workspace_take(&ws->resource_group, "resource_group", group,
                                "-_.()", err)
           != 0
        || entra_workspace_take(&ws->name, "workspace_name", name, "-_.", err)
           != 0)
    {
        entra_workspace_free(ws);
        return -1;
    }

    return 0;
}


/*
 * MLClient takes the members 2, 4 and 8 of the text split at '/', and looks
 * at nothing else; here the words between them have to be right too.
 */

static int
entra_workspace_scope(entra_workspace_t *ws, entra_str_t scope,
    entra_err_t *err)
{
    size_t       i, start = 0;
    unsigned     n = 0;
    entra_str_t  part[ENTRA_WORKSPACE_SCOPE + 1];

    for (i = 0; i <= scope.len && n <= ENTRA_WORKSPACE_SCOPE; i++) {
        if (i == scope.len || scope.data[i] == '/') {
            part[n].data = scope.data + start;
            part[n].len = i - start;
            n++;
            start = i + 1;
        }
    }

    if (n <= ENTRA_WORKSPACE_SCOPE || i <= scope.len
        || part[0].len
        || !entra_str_case_eq_c(part[1], "subscriptions")
        || !entra_str_case_eq_c(part[3], "resourceGroups")
        || !entra_str_case_eq_c(part[5], "providers")
        || !entra_str_case_eq_c(part[6], "Microsoft.MachineLearningServices")
        || !entra_str_case_eq_c(part[7], "workspaces"))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"Scope\" is not of the form /subscriptions/.../"
                             "resourceGroups/.../providers/Microsoft.Machine"
                             "LearningServices/workspaces/...");
    }

    return entra_workspace_set(ws, part[2], part[4], part[8], err);
}


int
entra_workspace_parse(entra_workspace_t *ws, entra_str_t json,
    entra_err_t *err)
{
    int            rc;
    entra_str_t    scope;
    entra_json_t  *root;

    memset(ws, 0, sizeof(entra_workspace_t));

    if (entra_str_starts(json, "\xef\xbb\xbf")) {
        json.data += 3;
        json.len -= 3;
    }

    root = entra_json_parse(json, ENTRA_WORKSPACE_FILE_MAX,
                            ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);
    if (root == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "not a JSON object with subscription_id, "
                             "resource_group and workspace_name");
    }

    scope = entra_json_member_string(root, "Scope");

    if (scope.len) {
        rc = entra_workspace_scope(ws, scope, err);

    } else {
        rc = entra_workspace_set(ws,
                    entra_json_member_string(root, "subscription_id"),
                    entra_json_member_string(root, "resource_group"),
                    entra_json_member_string(root, "workspace_name"), err);
    }

    entra_json_free(root);

    return rc;
}


int
entra_workspace_load(entra_workspace_t *ws, const char *path,
    entra_err_t *err)
{
    int            rc;
    char          *found;
    entra_file_t   file;

    memset(ws, 0, sizeof(entra_workspace_t));

    found = entra_workspace_find(path, err);
    if (found == NULL) {
        return -1;
    }

    rc = entra_file_init(&file, found, ENTRA_WORKSPACE_FILE_MAX);

    if (rc != 0) {
        entra_err_no_memory(err);
        free(found);
        return -1;
    }

    file.want = &entra_workspace_want;

    rc = entra_file_refresh(&file, err) < 0 ? -1 : 0;

    if (rc == 0 && entra_workspace_parse(ws, entra_file_text(&file), err) != 0)
    {
        rc = entra_err_set(err, err->class, "\"%s\": %s", found, err->text);
    }

    entra_file_free(&file);
    free(found);

    return rc;
}


void
entra_workspace_free(entra_workspace_t *ws)
{
    free(ws->subscription_id);
    free(ws->resource_group);
    free(ws->name);
    memset(ws, 0, sizeof(entra_workspace_t));
}


void
entra_workspace_path(const entra_workspace_t *ws, entra_buf_t *out)
{
    const char  *p;

    entra_buf_addf(out, "/subscriptions/%s/resourceGroups/",
                   ws->subscription_id);

    for (p = ws->resource_group; *p; p++) {
        if (*p & 0x80) {
            entra_buf_addf(out, "%%%02X", (unsigned char) *p);

        } else {
            entra_buf_add_char(out, *p);
        }
    }

    entra_buf_addf(out, "/providers/Microsoft.MachineLearningServices/"
                   "workspaces/%s", ws->name);
}
