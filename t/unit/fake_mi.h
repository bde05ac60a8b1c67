
/*
 * Copyright (C) nginx-entra authors
 *
 * What the tests of managed_identity share: an environment and a credential
 * in it that does not look for an Arc agent on this machine.
 */

#ifndef FAKE_MI_H
#define FAKE_MI_H


#include "entra_mi_source.h"
#include "credentials.h"


#define SCOPE     "https://ml.azure.com/.default"
#define RESOURCE  "https%3A%2F%2Fml.azure.com"
#define GOOD      "{\"access_token\":\"TOKEN\",\"expires_in\":\"3599\","       \
                  "\"expires_on\":\"1700003599\",\"refresh_token\":\"\","      \
                  "\"resource\":\"https://ml.azure.com\","                     \
                  "\"token_type\":\"Bearer\"}"


/* "NAME=value;NAME=value" */

__attribute__((unused))
static entra_env_t *
env_of(const char *text)
{
    char         *copy, *p, *eq, *save;
    entra_env_t  *env;

    env = entra_env_create(NULL, 0);
    copy = strdup(text);

    for (p = strtok_r(copy, ";", &save); p; p = strtok_r(NULL, ";", &save)) {
        eq = strchr(p, '=');
        entra_env_set(env, (entra_str_t) { (size_t) (eq - p), p },
                      entra_str_c(eq + 1));
    }

    free(copy);

    return env;
}


/* with the places of the Arc agent out of reach, unless they are ours */

__attribute__((unused))
static entra_credential_t *
credential(const char *block, entra_env_t *env, const char *agent,
    entra_err_t *err)
{
    entra_mi_t          *mi;
    entra_credential_t  *c;

    c = entra_credential_create(
            entra_credential_type(entra_str("managed_identity")),
            entra_str("mi"), env);
    mi = c->conf;
    mi->arc_agent = agent;
    mi->arc_tokens = fixture_top();

    if (credential_lines(c, block, err) != 0) {
        printf("# %s\n", err->text);
        abort();
    }

    if (entra_credential_init(c, err) != 0) {
        entra_credential_free(c);
        return NULL;
    }

    return c;
}


#endif /* FAKE_MI_H */
