
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_json.h"
#include "entra_service_principal.h"


typedef struct {
    const char  *names[3];
    size_t       offset;
} entra_sp_field_t;


#define entra_sp_offset(field)  offsetof(entra_service_principal_t, field)


static const entra_sp_field_t  entra_sp_fields[] = {
    { { "tenantId", "tenant" }, entra_sp_offset(tenant_id) },
    { { "clientId", "appId" }, entra_sp_offset(client_id) },
    { { "clientSecret", "password" }, entra_sp_offset(secret) },
    { { "clientCertificate", "fileWithCertAndPrivateKey" },
      entra_sp_offset(certificate) },
    { { "activeDirectoryEndpointUrl" }, entra_sp_offset(authority_host) },
    { { "resourceManagerEndpointUrl" }, entra_sp_offset(resource_manager) },
    { { "subscriptionId" }, entra_sp_offset(subscription_id) },
    { { NULL }, 0 }
};


static char **
entra_sp_at(entra_service_principal_t *sp, const entra_sp_field_t *field)
{
    return (char **) ((char *) sp + field->offset);
}


void
entra_service_principal_free(entra_service_principal_t *sp)
{
    const entra_sp_field_t  *field;

    for (field = entra_sp_fields; field->names[0]; field++) {
        entra_free_secret(*entra_sp_at(sp, field));
    }

    memset(sp, 0, sizeof(entra_service_principal_t));
}


/* null, "" and other types count as not there */

static int
entra_sp_take(entra_service_principal_t *sp, const entra_sp_field_t *field,
    const entra_json_t *root)
{
    char               **at = entra_sp_at(sp, field);
    entra_str_t          value;
    const char *const   *name;

    for (name = field->names; *name; name++) {
        value = entra_str_trim(entra_json_member_string(root, *name));

        if (value.len == 0) {
            continue;
        }

        *at = entra_str_dup(value);

        return *at ? 0 : -1;
    }

    return 0;
}


static int
entra_sp_check(const entra_service_principal_t *sp, entra_err_t *err)
{
    const char  *missing;

    missing = sp->client_id == NULL ? "clientId (or appId)"
              : sp->tenant_id == NULL ? "tenantId (or tenant)"
              : sp->secret == NULL && sp->certificate == NULL
                ? "clientSecret (or password), nor a certificate"
                : NULL;

    if (missing == NULL) {
        return 0;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "it has no %s: it should be what \"az ad sp"
                         " create-for-rbac\" prints", missing);
}


int
entra_service_principal_parse(entra_service_principal_t *sp, entra_str_t text,
    entra_err_t *err)
{
    int                      rc = 0;
    entra_json_t            *root;
    const entra_sp_field_t  *field;

    memset(sp, 0, sizeof(entra_service_principal_t));

    if (entra_str_starts(text, "\xef\xbb\xbf")) {
        text.data += 3;
        text.len -= 3;
    }

    root = entra_json_parse(text, ENTRA_SERVICE_PRINCIPAL_MAX,
                            ENTRA_JSON_UNIQUE | ENTRA_JSON_OBJECT);
    if (root == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "it is not a JSON object: it should be what \"az"
                             " ad sp create-for-rbac\" prints");
    }

    for (field = entra_sp_fields; rc == 0 && field->names[0]; field++) {
        rc = entra_sp_take(sp, field, root);
    }

    entra_json_free(root);

    if (rc != 0) {
        rc = entra_err_no_memory(err);

    } else {
        rc = entra_sp_check(sp, err);
    }

    if (rc != 0) {
        entra_service_principal_free(sp);
    }

    return rc;
}
