
/*
 * Copyright (C) nginx-entra authors
 *
 * InteractiveBrowserCredential: a person signs in with a browser, which Entra
 * sends back to the gateway's page (authorization code with PKCE).
 */

#include "entra_signed_in.h"


/*
 * No default for the client id: the one of Azure Identity only has
 * redirect URIs of the machine that the browser runs on.
 */

static int
entra_interactive_browser_load(entra_credential_t *c, entra_err_t *err)
{
    entra_signed_in_conf_t  *conf = c->conf;

    if (c->client_id == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "client_id is missing: register an application"
                             " whose platform \"Mobile and desktop"
                             " applications\" has the redirect_uri, and write"
                             " \"client_id ID;\"");
    }

    if (conf->redirect_uri == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "redirect_uri is missing: write the address of"
                             " the page of entra_sign_in and \"/callback\","
                             " as it is registered in the application");
    }

    if (entra_credential_default(&c->tenant_id, ENTRA_SIGNED_IN_TENANT) != 0) {
        return entra_err_no_memory(err);
    }

    return 0;
}


const entra_credential_type_t  entra_interactive_browser_credential = {
    .name = "interactive_browser",
    .azure_name = "InteractiveBrowserCredential",
    .load = entra_interactive_browser_load,
    ENTRA_SIGNED_IN_TYPE
};
