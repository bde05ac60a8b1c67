
/*
 * Copyright (C) nginx-entra authors
 *
 * What whoever listens on the address of a managed identity source says: an
 * answer to each source, a challenge of an Arc agent, a federated token.
 */

#include "../unit/credentials.h"

#include "entra_mi_source.h"


static const char  *const fuzz_env[][4] = {
    { "X", "y", NULL, NULL },
    { "IDENTITY_ENDPOINT", "http://a/", "IDENTITY_HEADER", "h" },
    { "MSI_ENDPOINT", "http://a/", "MSI_SECRET", "s" },
    { "MSI_ENDPOINT", "http://a/", NULL, NULL },
    { "IDENTITY_ENDPOINT", "http://a/", "IMDS_ENDPOINT", "http://a" }
};


static void
fuzz_challenge(entra_str_t header)
{
    char         *path;
    entra_err_t   err;

    entra_err_clear(&err);

    path = entra_mi_arc_challenge(header, "/var/opt/azcmagent/tokens", &err);

    if (path
        && (strncmp(path, "/var/opt/azcmagent/tokens/", 26) != 0
            || strchr(path + 26, '/') || strstr(path, "..")
            || strlen(path) < 31))
    {
        abort();
    }

    if (path == NULL && err.text[0] == '\0') {
        abort();
    }

    free(path);
}


static void
fuzz_answer(const char *const *names, int status, entra_str_t body)
{
    entra_err_t          err;
    entra_env_t         *env;
    fake_platform_t     *w;
    entra_http_reply_t  *reply;
    entra_credential_t  *c;

    env = entra_env_create(NULL, 0);
    entra_env_set(env, entra_str_c(names[0]), entra_str_c(names[1]));

    if (names[2]) {
        entra_env_set(env, entra_str_c(names[2]), entra_str_c(names[3]));
    }

    c = fake_credential("managed_identity", "client_id c", env, &err);

    if (c == NULL) {
        c = fake_credential("managed_identity", "", env, &err);
    }

    w = malloc(sizeof(fake_platform_t));
    fake_init(w);

    reply = fake_reply(w, status, "");
    reply->body = body;
    reply->www_authenticate = body;

    reply = fake_reply(w, status, "");
    reply->body = body;

    (void) fake_acquire(w, c, "https://ml.azure.com/.default", NULL);

    if (w->outcome.done && !w->outcome.ok && w->outcome.err.text[0] == '\0') {
        abort();
    }

    if (w->outcome.ok && w->outcome.lifetime <= 0) {
        abort();
    }

    if (!w->outcome.done) {

        /* it waits for an answer that does not come */

        while (w->nreplies < FAKE_MAX && !w->outcome.done) {
            fake_reply(w, 500, "");
            fake_run(w);
        }
    }

    fake_free(w);
    free(w);
    entra_credential_free(c);
    entra_env_free(env);
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char         *copy;
    entra_str_t   text;

    static const int  statuses[] = { 200, 400, 401, 403, 404, 410, 429, 500 };

    if (size < 1) {
        return 0;
    }

    copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    text.data = copy;
    text.len = size - 1;

    fuzz_challenge(text);
    fuzz_answer(fuzz_env[data[0] % 5], statuses[(data[0] / 8) % 8], text);

    free(copy);

    return 0;
}
