
/*
 * Copyright (C) nginx-entra authors
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "entra_aadsts.h"
#include "entra_cli.h"
#include "entra_cloud.h"
#include "entra_enc.h"
#include "entra_env.h"


/* nothing of nginx's own PATH */
#define ENTRA_CLI_PATH      "/usr/local/sbin:/usr/local/bin:/usr/sbin:"       \
                            "/usr/bin:/sbin:/bin"

#define ENTRA_CLI_WORD_MAX  1024
#define ENTRA_CLI_SIGNAL    128         /* plus the signal that ended it */
#define ENTRA_CLI_SIGNALS   64


/* where a proxy is, and whom it is trusted with, the tool cannot know */

static const char  *const entra_cli_inherited[] = {
    "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", NULL
};


const entra_param_t  entra_cli_params[] = {
    { "executable", ENTRA_PARAM_STRING, offsetof(entra_cli_t, executable) },
    { "config_dir", ENTRA_PARAM_DIR, offsetof(entra_cli_t, config_dir) },
    { "subscription", ENTRA_PARAM_STRING,
      offsetof(entra_cli_t, subscription) },
    { "process_timeout", ENTRA_PARAM_MSEC,
      offsetof(entra_cli_t, process_timeout) },
    { NULL, 0, 0 }
};


/* letters, digits and more; never what a program takes for an option */

static int
entra_cli_word_ok(const char *word, const char *more)
{
    return entra_str_is_word(entra_str_c(word), more)
           && strlen(word) <= ENTRA_CLI_WORD_MAX && word[0] != '-';
}


static int
entra_cli_scope_ok(const char *scope, entra_err_t *err)
{
    if (entra_cli_word_ok(scope, "-_.:/")) {
        return 0;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "the scope \"%s\" cannot be given to a command line"
                         " tool: only letters, digits and -_.:/ can", scope);
}


/* 0; or -1 and err: why this file is not to be run */

static int
entra_cli_fit(const entra_cli_t *conf, const char *path, entra_err_t *err)
{
    const char   *why;
    entra_err_t   other;
    struct stat   st;

    why = stat(path, &st) != 0
              ? "does not exist, or its directory cannot be read"
          : !S_ISREG(st.st_mode) ? "is not a regular file"
          : access(path, X_OK) != 0 ? "cannot be executed" : NULL;

    if (why == NULL) {
        entra_err_clear(&other);

        if (entra_access_program(path, conf->owner, &other) == 0) {
            return 0;
        }

        why = other.text;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG, "%s\"%.100s\" %.800s",
                         conf->executable ? "executable " : "", path, why);
}


/* problem: what is wrong with one that is there, but is not taken */

static void
entra_cli_find(entra_cli_t *conf, const entra_cli_tool_t *tool,
    entra_err_t *problem)
{
    entra_err_t         err;
    const char *const  *place;

    if (conf->path) {
        return;
    }

    if (conf->executable) {
        conf->path = entra_str_dup(entra_str_c(conf->executable));
        return;
    }

    for (place = tool->places; *place; place++) {
        entra_err_clear(&err);

        if (entra_cli_fit(conf, *place, &err) == 0) {
            conf->path = entra_str_dup(entra_str_c(*place));
            return;
        }

        if (access(*place, F_OK) == 0
            && problem->class == ENTRA_ERR_NONE)
        {
            *problem = err;
        }
    }
}


static int
entra_cli_paths(const entra_cli_t *conf, entra_err_t *err)
{
    struct stat  st;

    if (conf->executable) {
        if (conf->executable[0] != '/') {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "executable \"%s\" is not an absolute path",
                                 conf->executable);
        }

        if (entra_cli_fit(conf, conf->executable, err) != 0) {
            return -1;
        }
    }

    if (conf->config_dir && (stat(conf->config_dir, &st) != 0
                             || !S_ISDIR(st.st_mode)))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "config_dir \"%s\" is not a directory",
                             conf->config_dir);
    }

    return 0;
}


static int
entra_cli_words(const entra_credential_t *c, const entra_cli_tool_t *tool,
    entra_err_t *err)
{
    unsigned            i;
    const entra_cli_t  *conf = c->conf;

    if (c->client_id) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "client_id has no meaning here: %s gives tokens"
                             " of the account that is signed in", tool->name);
    }

    if (conf->subscription && tool->no_subscription) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "%s",
                             tool->no_subscription);
    }

    if (conf->subscription && !entra_cli_word_ok(conf->subscription, "-_. "))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "subscription can hold letters, digits, spaces"
                             " and -_. only, and does not begin with \"-\"");
    }

    if (c->tenant_id && c->tenant_id[0] == '-') {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "tenant_id begins with \"-\"");
    }

    for (i = 0; i < c->nscopes; i++) {
        if (entra_cli_scope_ok(c->scopes[i], err) != 0) {
            return -1;
        }
    }

    return 0;
}


int
entra_cli_init(entra_credential_t *c, entra_err_t *err)
{
    entra_err_t              problem;
    entra_cli_t             *conf = c->conf;
    const entra_cli_tool_t  *tool = c->type->tool;

    /* who runs nginx's master, and could replace nginx as well */

    conf->owner = geteuid();

    if (conf->process_timeout == -1) {
        conf->process_timeout = ENTRA_CLI_TIMEOUT;
    }

    if (conf->process_timeout < ENTRA_CLI_TIMEOUT_MIN
        || conf->process_timeout > ENTRA_CLI_TIMEOUT_MAX)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "process_timeout is between 100ms and 5m");
    }

    if (entra_cli_words(c, tool, err) != 0
        || entra_cli_paths(conf, err) != 0)
    {
        return -1;
    }

    /* one that is not there may be a member of a chain, or installed later */

    entra_err_clear(&problem);
    entra_cli_find(conf, tool, &problem);

    if (conf->path == NULL && problem.class != ENTRA_ERR_NONE) {
        entra_credential_warn(c, "%s is not used: %s", tool->name,
                              problem.text);
    }

    return 0;
}


void
entra_cli_free(entra_credential_t *c)
{
    entra_cli_t  *conf = c->conf;

    free(conf->path);
    conf->path = NULL;
}


void
entra_cli_identity(const entra_credential_t *c, entra_buf_t *out)
{
    const char         *home;
    const entra_cli_t  *conf = c->conf;

    home = conf->config_dir ? conf->config_dir : entra_env_get(c->env, "HOME");

    entra_buf_addf(out, "executable=%s config_dir=%s subscription=%s",
                   conf->executable ? conf->executable : "",
                   home ? home : "",
                   conf->subscription ? conf->subscription : "");
}


static int
entra_cli_absent(entra_acquire_t *a, const entra_cli_tool_t *tool,
    const entra_err_t *problem)
{
    entra_buf_t         b;
    const char *const  *place;

    if (problem->class != ENTRA_ERR_NONE) {
        return entra_err_unavailable(&a->err, "%s is not used: %.900s",
                                     tool->name, problem->text);
    }

    entra_buf_init(&b, sizeof(a->err.text));

    for (place = tool->places; *place; place++) {
        entra_buf_addf(&b, "%s%s", b.len ? ", " : "", *place);
    }

    (void) entra_err_unavailable(&a->err, "%s was not found at any of"
                                 " %s", tool->name, entra_buf_str(&b).data);
    a->err.advice = tool->install;

    entra_buf_free(&b);

    return -1;
}


/* everything is absent that is not listed here */

static void
entra_cli_environment(entra_acquire_t *a, const entra_cli_tool_t *tool)
{
    const char          *home, *dir;
    unsigned             i;
    entra_env_t         *env = a->credential->env;
    const entra_cli_t   *conf = a->credential->conf;

    dir = conf->config_dir;

    if (dir == NULL && tool->config_env) {
        dir = entra_env_get(env, tool->config_env);
    }

    home = conf->config_dir ? conf->config_dir : entra_env_get(env, "HOME");

    entra_cli_env(a, "PATH", ENTRA_CLI_PATH);
    entra_cli_env(a, "LANG", "C.UTF-8");

    /* some write local times without a zone */
    entra_cli_env(a, "TZ", "UTC");

    if (home) {
        entra_cli_env(a, "HOME", home);
    }

    if (dir && tool->config_env) {
        entra_cli_env(a, tool->config_env, dir);
    }

    for (i = 0; entra_cli_inherited[i]; i++) {
        if (entra_env_get(env, entra_cli_inherited[i])) {
            entra_cli_env(a, entra_cli_inherited[i],
                          entra_env_get(env, entra_cli_inherited[i]));
        }
    }
}


static int
entra_cli_begin(entra_acquire_t *a, const entra_cli_tool_t *tool)
{
    entra_cli_t  *conf = a->credential->conf;
    entra_err_t   problem;

    if (entra_cli_scope_ok(a->scope, &a->err) != 0) {
        return -1;
    }

    entra_err_clear(&problem);
    entra_cli_find(conf, tool, &problem);

    if (conf->path == NULL) {
        return entra_cli_absent(a, tool, &problem);
    }

    /* as it is now; one that is gone is what running it tells */

    if (access(conf->path, F_OK) == 0
        && entra_cli_fit(conf, conf->path, &a->err) != 0)
    {
        a->err.unavailable = 1;         /* a chain goes on */
        return -1;
    }

    a->process.path = entra_str_dup(entra_str_c(conf->path));
    a->process.timeout = (unsigned) conf->process_timeout;

    entra_cli_arg(a, conf->path);
    entra_cli_environment(a, tool);

    if (a->process.path == NULL) {
        return entra_err_no_memory(&a->err);
    }

    return 0;
}


void
entra_cli_arg(entra_acquire_t *a, const char *arg)
{
    if (entra_process_arg(&a->process, arg) != 0) {
        (void) entra_err_no_memory(&a->err);
    }
}


char *
entra_cli_resource(entra_acquire_t *a)
{
    char  *resource;

    resource = entra_str_dup(entra_cloud_resource(entra_str_c(a->scope)));

    if (resource == NULL) {
        (void) entra_err_no_memory(&a->err);
    }

    return resource;
}


void
entra_cli_env(entra_acquire_t *a, const char *name, const char *value)
{
    if (entra_process_env(&a->process, name, value) != 0) {
        (void) entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "%s is too long for the environment of a"
                             " process", name);
    }
}


/* by itself, and not as a shell does that has found no program */

static int
entra_cli_exited(int status)
{
    return status >= 0 && status != 126 && status != 127
           && (status <= ENTRA_CLI_SIGNAL
               || status > ENTRA_CLI_SIGNAL + ENTRA_CLI_SIGNALS);
}


/* 0: it ran and exited, with any code but 126 and 127; or -1 and a->err */

static int
entra_cli_ended(entra_acquire_t *a, const entra_cli_tool_t *tool)
{
    char                           line[ENTRA_CLI_LINE];
    const entra_cli_t             *conf = a->credential->conf;
    const entra_process_result_t  *result = a->result;

    if (result->started && !result->timed_out && !result->too_large
        && entra_cli_exited(result->status))
    {
        return 0;
    }

    if (!result->started || result->status == 126 || result->status == 127) {
        entra_cli_line(result->err, line);
        a->err.advice = tool->install;
        return entra_err_unavailable(&a->err, "%s could not be run: %s: %s",
                                     tool->name, conf->path,
                                     line[0] ? line : "not started");
    }

    /* as in Azure Identity, a chain goes on: the tool is unusable here */

    a->err.unavailable = 1;

    if (result->timed_out) {
        a->err.advice = "find out why it takes so long, or set a longer"
                        " \"process_timeout TIME;\"";
        return entra_err_set(&a->err, ENTRA_ERR_TRANSIENT,
                             "%s did not finish within %lld ms", tool->name,
                             (long long) conf->process_timeout);
    }

    if (result->too_large) {
        return entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                             "%s wrote more than %d bytes", tool->name,
                             ENTRA_PROCESS_OUT_MAX);
    }

    if (result->status < 0) {
        return entra_err_set(&a->err, ENTRA_ERR_TRANSIENT,
                             "%s ended with an unknown status", tool->name);
    }

    return entra_err_set(&a->err, ENTRA_ERR_TRANSIENT,
                         "%s was killed by signal %d", tool->name,
                         result->status - ENTRA_CLI_SIGNAL);
}


/* another sign-in of the same person would not help */

static int
entra_cli_barred(const entra_aadsts_t *known)
{
    return known->user && (known->remedy == ENTRA_REMEDY_POLICY
                           || known->remedy == ENTRA_REMEDY_CONSENT);
}


void
entra_cli_unknown(entra_acquire_t *a, entra_str_t text)
{
    char                     line[ENTRA_CLI_LINE];
    const entra_aadsts_t    *known;
    entra_err_class_e        class = ENTRA_ERR_PROTOCOL;
    const entra_cli_tool_t  *tool = a->credential->type->tool;

    entra_cli_line(text, line);

    a->err.aadsts = entra_cli_aadsts(text);
    known = entra_aadsts_find(a->err.aadsts);

    if (a->err.aadsts) {
        class = known ? known->class : ENTRA_ERR_DENIED;
        a->err.advice = known && class != ENTRA_ERR_DENIED ? known->advice
                        : known && entra_cli_barred(known) ? known->user
                        : tool->sign_in;

    } else if (entra_cli_has(text, "Permission denied")) {
        class = ENTRA_ERR_CONFIG;
        a->err.advice = "write \"config_dir DIR;\" with a directory that the"
                        " user of nginx's workers may read and write, and"
                        " sign in there";
    }

    (void) entra_err_set(&a->err, class, "%s failed (exit code %d)%s%s",
                         tool->name, a->result->status, line[0] ? ": " : "",
                         line);
}


void
entra_cli_signed_out(entra_acquire_t *a)
{
    const entra_cli_tool_t  *tool = a->credential->type->tool;

    (void) entra_err_unavailable(&a->err, "nobody has signed in to %s",
                                 tool->name);
    a->err.advice = tool->sign_in;
}


/* what came out is not repeated, it might hold a token */

static int
entra_cli_no_token(entra_acquire_t *a, const entra_cli_tool_t *tool)
{
    const entra_cli_t  *conf = a->credential->conf;

    a->err.advice = "run the same command as the user of nginx's workers, and"
                    " check that the tool itself answers";

    return entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                         "%s (%s) exited 0, but its output (%zu bytes) is not"
                         " a token", tool->name, conf->path,
                         a->result->out.len);
}


/* is it the one that its receiver refused? */

static int
entra_cli_refused(const entra_acquire_t *a, entra_str_t value)
{
    unsigned char  digest[ENTRA_SHA256_LEN];

    return a->claims && a->has_refused && entra_sha256(value, digest) == 0
           && CRYPTO_memcmp(digest, a->refused, sizeof(a->refused)) == 0;
}


static int
entra_cli_token(entra_acquire_t *a, const entra_cli_tool_t *tool,
    entra_str_t value, int64_t expires_on)
{
    int64_t  left;

    left = expires_on - entra_acquire_now(a);

    if (left <= 0) {
        return entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                             "%s gave a token that has expired: is the clock"
                             " of this machine right?", tool->name);
    }

    /* none of these tools answers a claims challenge by itself */

    if (entra_cli_refused(a, value)) {
        a->err.advice = tool->claims ? tool->claims : tool->sign_in;
        return entra_err_set(&a->err, ENTRA_ERR_DENIED,
                             "%s still has the token that was refused with a"
                             " claims challenge, which it cannot answer by"
                             " itself", tool->name);
    }

    return entra_token_set(&a->token, value, left, 0, &a->err);
}


static int
entra_cli_receive(entra_acquire_t *a, const entra_cli_tool_t *tool)
{
    int            rc;
    int64_t        expires_on;
    entra_str_t    text, value = entra_str_null;
    entra_json_t  *root;

    text = tool->answer ? tool->answer(a->result->out) : a->result->out;
    root = entra_json_parse(text, ENTRA_PROCESS_OUT_MAX, ENTRA_JSON_OBJECT);

    if (tool->token(a, root, &value, &expires_on) == 0 && value.len) {
        rc = entra_cli_token(a, tool, value, expires_on);

    } else {
        rc = a->err.class == ENTRA_ERR_NONE ? entra_cli_no_token(a, tool) : -1;
    }

    entra_json_free(root);

    return rc;
}


entra_next_e
entra_cli_step(entra_acquire_t *a)
{
    const entra_cli_tool_t  *tool = a->credential->type->tool;

    if (a->step == 0) {
        if (entra_cli_begin(a, tool) == 0) {
            tool->start(a);
        }

        return a->err.class == ENTRA_ERR_NONE ? ENTRA_NEXT_PROCESS
                                              : ENTRA_NEXT_FAILED;
    }

    if (entra_cli_ended(a, tool) != 0) {
        return ENTRA_NEXT_FAILED;
    }

    if (a->result->status != 0) {
        tool->failed(a, a->result->err);
        return ENTRA_NEXT_FAILED;
    }

    return entra_cli_receive(a, tool) == 0 ? ENTRA_NEXT_DONE
                                           : ENTRA_NEXT_FAILED;
}
