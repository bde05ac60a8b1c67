
/*
 * Copyright (C) nginx-entra authors
 *
 * ChainedTokenCredential: other credentials of the configuration, in order.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_chain.h"


/*
 * A chain may use a chain, but not deeper: with what `default` and
 * `managed_identity` use inside, more would exceed ENTRA_ACQUIRE_DEPTH_MAX.
 */

#define ENTRA_CHAIN_NESTED  1


typedef struct {
    entra_chain_t   chain;                  /* the first */
    char          **use;

    unsigned char   digest[32];             /* of the members' secrets */
} entra_chained_t;


/* why a credential cannot be a member, or NULL */

static const char *
entra_chained_refusal(const entra_credential_t *member)
{
    if (member->type->no_scope) {
        return "its tokens are an endpoint's own, not Entra's; name it in "
               "entra_auth directly";
    }

    if (strcmp(member->type->name, "on_behalf_of") == 0) {
        return "it needs the caller's token; name it in entra_auth directly";
    }

    return NULL;
}


/* a cycle is found as what it is: a chain that is too deep */

static int
entra_chained_check(const entra_credential_t *c, unsigned depth,
    entra_err_t *err)
{
    char                      **name, meant[ENTRA_SUGGEST_TEXT];
    const char                 *why;
    entra_chained_t            *conf = c->conf;
    const entra_credential_t   *member;

    for (name = conf->use; name && *name; name++) {
        member = c->find ? c->find(c->find_data, *name) : NULL;

        if (member == NULL) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"use\" of \"%s\" names \"%s\", but there is "
                                 "no entra_credential of this name%s", c->name,
                                 *name, entra_credential_meant(c, *name,
                                                               meant));
        }

        if (member == c) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"use\" of \"%s\" names the chain itself",
                                 c->name);
        }

        why = entra_chained_refusal(member);

        if (why) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"use\" of \"%s\" names \"%s\" (%s), which "
                                 "cannot be in a chain: %s", c->name, *name,
                                 member->type->name, why);
        }

        if (member->type != c->type) {
            continue;
        }

        if (depth == ENTRA_CHAIN_NESTED) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"use\" of \"%s\" names the chain \"%s\": "
                                 "chains that use each other, or are nested "
                                 "more than %d deep; list the credentials in "
                                 "one chain", c->name, *name,
                                 ENTRA_CHAIN_NESTED);
        }

        if (entra_chained_check(member, depth + 1, err) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
entra_chained_init(entra_credential_t *c, entra_err_t *err)
{
    char                 label[256], **name;
    entra_chained_t     *conf = c->conf;
    entra_credential_t  *member;

    if (conf->use == NULL || conf->use[0] == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a chain needs \"use NAME ...;\" with the names "
                             "of other credentials, in the order to try them");
    }

    if (entra_chained_check(c, 0, err) != 0) {
        return -1;
    }

    for (name = conf->use; *name; name++) {
        member = c->find(c->find_data, *name);

        if (entra_credential_init(member, err) != 0) {
            return entra_err_set(err, err->class, "its member \"%s\": %s",
                                 *name, err->text);
        }

        (void) snprintf(label, sizeof(label), "\"%s\" (%s)", *name,
                        member->type->name);

        if (entra_chain_add(&conf->chain, label, member, NULL, err) != 0) {
            return -1;
        }
    }

    entra_credential_secret_digest(c, conf->digest);

    return 0;
}


/*
 * The members watch their own files, and whoever looks second at a file sees
 * no change: so the digests are compared.
 */

static int
entra_chained_watch(entra_credential_t *c, entra_err_t *err)
{
    int               changed;
    unsigned char     digest[32];
    entra_chained_t  *conf = c->conf;

    entra_credential_secret_digest(c, digest);

    changed = memcmp(digest, conf->digest, sizeof(digest)) != 0;
    memcpy(conf->digest, digest, sizeof(digest));

    return changed;
}


static const entra_param_t  entra_chained_params[] = {
    { "use", ENTRA_PARAM_NAMES, offsetof(entra_chained_t, use) },
    { NULL, 0, 0 }
};


const entra_credential_type_t  entra_chained_token_credential = {
    .name = "chain",
    .azure_name = "ChainedTokenCredential",
    .conf_size = sizeof(entra_chained_t),
    .state_size = sizeof(entra_chain_state_t),
    .params = { entra_chained_params },
    .init = entra_chained_init,
    .free = entra_chain_free,
    .step = entra_chain_step,
    .watch = entra_chained_watch,
    .uses = entra_chain_uses,
    .identity = entra_chain_identity,
    .secrets = entra_chain_secrets
};
