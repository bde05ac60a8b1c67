
/*
 * Copyright (C) nginx-entra authors
 *
 * DefaultAzureCredential: what the environment offers, in the order of the
 * Azure Identity libraries for Python, JavaScript and .NET.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_chain.h"
#include "entra_env.h"


#define ENTRA_DEFAULT_VAR  "AZURE_TOKEN_CREDENTIALS"


typedef enum {
    ENTRA_DEFAULT_PROD = 1,
    ENTRA_DEFAULT_DEV = 2
} entra_default_group_e;


typedef struct {
    const entra_credential_type_t  *type;
    entra_default_group_e           group;
} entra_default_member_t;


typedef struct {
    entra_chain_t           chain;              /* the first */
    entra_credential_t     *owned[ENTRA_CHAIN_MAX];
    unsigned                nowned;
} entra_default_t;


extern const entra_credential_type_t  entra_environment_credential;
extern const entra_credential_type_t  entra_workload_identity_credential;
extern const entra_credential_type_t  entra_managed_identity_credential;
extern const entra_credential_type_t  entra_azure_cli_credential;
extern const entra_credential_type_t  entra_azure_powershell_credential;
extern const entra_credential_type_t  entra_azure_developer_cli_credential;


static const entra_default_member_t  entra_default_members[] = {
    { &entra_environment_credential, ENTRA_DEFAULT_PROD },
    { &entra_workload_identity_credential, ENTRA_DEFAULT_PROD },
    { &entra_managed_identity_credential, ENTRA_DEFAULT_PROD },
    { &entra_azure_cli_credential, ENTRA_DEFAULT_DEV },
    { &entra_azure_powershell_credential, ENTRA_DEFAULT_DEV },
    { &entra_azure_developer_cli_credential, ENTRA_DEFAULT_DEV },
    { NULL, 0 }
};


/* what AZURE_TOKEN_CREDENTIALS chooses: groups, or one member by its name */

static int
entra_default_choice(const entra_env_t *env, unsigned *groups,
    const entra_default_member_t **only, entra_err_t *err)
{
    const char                    *value;
    entra_str_t                    s;
    const entra_default_member_t  *m;

    *groups = ENTRA_DEFAULT_PROD | ENTRA_DEFAULT_DEV;
    *only = NULL;

    value = entra_env_get(env, ENTRA_DEFAULT_VAR);
    if (value == NULL) {
        return 0;
    }

    s = entra_str_trim(entra_str_c(value));

    if (s.len == 0) {
        return 0;
    }

    if (entra_str_case_eq_c(s, "prod")) {
        *groups = ENTRA_DEFAULT_PROD;
        return 0;
    }

    if (entra_str_case_eq_c(s, "dev")) {
        *groups = ENTRA_DEFAULT_DEV;
        return 0;
    }

    for (m = entra_default_members; m->type; m++) {
        if (entra_str_case_eq_c(s, m->type->azure_name)) {
            *only = m;
            return 0;
        }
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         ENTRA_DEFAULT_VAR " is \"%.*s\"; it can be dev, "
                         "prod, EnvironmentCredential, "
                         "WorkloadIdentityCredential, "
                         "ManagedIdentityCredential, AzureCliCredential, "
                         "AzurePowerShellCredential or "
                         "AzureDeveloperCliCredential",
                         (int) (s.len < 64 ? s.len : 64), s.data);
}


static int
entra_default_copy(char **dst, const char *src)
{
    if (src == NULL) {
        return 0;
    }

    *dst = entra_str_dup(entra_str_c(src));

    return *dst ? 0 : -1;
}


/*
 * The common parameters of the block go where DefaultAzureCredential's
 * arguments go: the client id to the identities of the platform, the tenant
 * to the developer's tools.
 */

static int
entra_default_common(const entra_credential_t *c, entra_credential_t *m,
    const entra_default_member_t *member)
{
    int          rc;
    unsigned     i;
    const char  *client_id = c->client_id;

    m->cloud = c->cloud;
    m->cloud_given = c->cloud_given;
    m->find = c->find;
    m->find_data = c->find_data;

    rc = entra_default_copy(&m->authority_host, c->authority_host);

    for (i = 0; i < c->nscopes && rc == 0; i++) {
        rc = entra_default_copy(&m->scopes[i], c->scopes[i]);
        m->nscopes += rc == 0;
    }

    if (member->type == &entra_environment_credential) {
        return rc;
    }

    if (member->group == ENTRA_DEFAULT_DEV) {
        return rc ? rc : entra_default_copy(&m->tenant_id, c->tenant_id);
    }

    if (client_id == NULL && member->type == &entra_managed_identity_credential)
    {
        client_id = entra_env_get(c->env, "AZURE_CLIENT_ID");
    }

    if (member->type == &entra_workload_identity_credential && rc == 0) {
        rc = entra_default_copy(&m->tenant_id, c->tenant_id);
    }

    return rc ? rc : entra_default_copy(&m->client_id, client_id);
}


/* what cannot be set up is a member all the same: one that says why */

static int
entra_default_member(entra_credential_t *c,
    const entra_default_member_t *member, unsigned insist, entra_err_t *err)
{
    const char          *name = member->type->azure_name;
    entra_err_t          why;
    entra_default_t     *conf = c->conf;
    entra_credential_t  *m;

    m = entra_credential_create(member->type, entra_str_c(name), c->env);

    if (m == NULL || entra_default_common(c, m, member) != 0) {
        entra_credential_free(m);
        return entra_err_no_memory(err);
    }

    entra_err_clear(&why);

    if (entra_credential_init_inner(c, m, &why) != 0) {
        entra_credential_free(m);
        return entra_chain_add(&conf->chain, name, NULL, why.text, err);
    }

    conf->owned[conf->nowned++] = m;

    if (entra_chain_add(&conf->chain, name, m, NULL, err) != 0) {
        return -1;
    }

    conf->chain.members[conf->chain.n - 1].insist = insist;
    conf->chain.members[conf->chain.n - 1].forgiving =
        member->group == ENTRA_DEFAULT_DEV;

    return 0;
}


static int
entra_default_init(entra_credential_t *c, entra_err_t *err)
{
    unsigned                       groups;
    const entra_default_member_t  *m, *only;

    if (entra_default_choice(c->env, &groups, &only, err) != 0) {
        return -1;
    }

    if (only) {
        return entra_default_member(c, only, 1, err);
    }

    for (m = entra_default_members; m->type; m++) {
        if ((groups & m->group)
            && entra_default_member(c, m, 0, err) != 0)
        {
            return -1;
        }
    }

    return 0;
}


static void
entra_default_free(entra_credential_t *c)
{
    unsigned          i;
    entra_default_t  *conf = c->conf;

    entra_chain_free(c);

    for (i = 0; i < conf->nowned; i++) {
        entra_credential_free(conf->owned[i]);
    }
}


/* the members are not in the configuration: nothing else watches them */

static int
entra_default_watch(entra_credential_t *c, entra_err_t *err)
{
    int                  rc, changed = 0, failed = 0;
    unsigned             i;
    entra_default_t     *conf = c->conf;
    entra_credential_t  *m;

    c->stale_files = 0;

    for (i = 0; i < conf->nowned; i++) {
        m = conf->owned[i];

        if (m->type->watch == NULL) {
            continue;
        }

        rc = m->type->watch(m, err);
        c->stale_files += m->stale_files;

        changed |= rc == 1;
        failed |= rc == -1;
    }

    return changed ? 1 : failed ? -1 : 0;
}


static void
entra_default_files(const entra_credential_t *c, entra_file_visit_pt visit,
    void *data)
{
    unsigned                i;
    entra_credential_t     *m;
    const entra_default_t  *conf = c->conf;

    for (i = 0; i < conf->nowned; i++) {
        m = conf->owned[i];

        if (m->type->files) {
            m->type->files(m, visit, data);
        }
    }
}


const entra_credential_type_t  entra_default_azure_credential = {
    .name = "default",
    .azure_name = "DefaultAzureCredential",
    .conf_size = sizeof(entra_default_t),
    .state_size = sizeof(entra_chain_state_t),
    .init = entra_default_init,
    .free = entra_default_free,
    .step = entra_chain_step,
    .watch = entra_default_watch,
    .files = entra_default_files,
    .identity = entra_chain_identity,
    .secrets = entra_chain_secrets
};
