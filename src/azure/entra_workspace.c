
/*
 * Copyright (C) nginx-entra authors
 *
 * config.json: where it is, and what it says.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "entra_file.h"
#include "entra_json.h"
#include "entra_workspace.h"


#define ENTRA_WORKSPACE_LEVELS  20
#define ENTRA_WORKSPACE_VALUE   128             /* bytes of a value */
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


/* what Azure allows in such names, and nothing that means more in a path */

static int
entra_workspace_value_ok(entra_str_t value, const char *more)
{
    return value.len <= ENTRA_WORKSPACE_VALUE
           && entra_str_is_word(value, more)
           && value.data[0] != '.' && value.data[value.len - 1] != '.';
}


static int
entra_workspace_take(char **field, const char *name, entra_str_t value,
    const char *more, entra_err_t *err)
{
    if (value.len == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" is missing, empty or not a string",
                             name);
    }

    if (!entra_workspace_value_ok(value, more)) {
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
    entra_buf_addf(out, "/subscriptions/%s/resourceGroups/%s/providers/"
                   "Microsoft.MachineLearningServices/workspaces/%s",
                   ws->subscription_id, ws->resource_group, ws->name);
}
