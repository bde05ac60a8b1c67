
/*
 * Copyright (C) nginx-entra authors
 */

#include <stddef.h>

#include "entra_aadsts.h"


#define CONFIG     ENTRA_ERR_CONFIG
#define DENIED     ENTRA_ERR_DENIED
#define THROTTLED  ENTRA_ERR_THROTTLED
#define TRANSIENT  ENTRA_ERR_TRANSIENT


static const char  entra_do_assertion[] =
    "check that the certificate registered in the application is this one"
    " (thumbprint), that tenant_id and authority_host are its own, and that"
    " the clock of this machine is right";

static const char  entra_do_enable[] =
    "enable the application again in Microsoft Entra, Enterprise applications";

static const char  entra_do_federation[] =
    "compare issuer, subject and audience of the federated credential in the"
    " application with the token's, to the letter; a new one takes minutes";

static const char  entra_do_resource[] =
    "check the scope to the letter (a trailing slash matters), and that the"
    " resource exists in this tenant";

static const char  entra_do_one_scope[] =
    "a scope names one resource: write several as separate words";

static const char  entra_do_scope[] =
    "write the scope as the resource's URI followed by /.default";

static const char  entra_do_cloud[] =
    "set cloud or authority_host to the cloud that the tenant lives in";

static const char  entra_do_tenant[] =
    "write the directory (tenant) ID of the application's tenant";

static const char  entra_do_sign_in[] =
    "sign in again";

static const char  entra_do_admin[] =
    "an administrator of the tenant has to allow it";

static const char  entra_do_person[] =
    "a person is asked for something: use a service identity, or exclude"
    " this one from the policy";

static const char  entra_do_report[] =
    "the request was not understood: please report it with the correlation"
    " id";


/* sorted by code */

static const entra_aadsts_t  entra_aadsts[] = {

    { 28000, CONFIG, entra_do_one_scope },
    { 40010, TRANSIENT, NULL },
    { 50001, CONFIG, entra_do_resource },
    { 50005, DENIED, entra_do_person },
    { 50012, DENIED, entra_do_assertion },
    { 50013, DENIED, entra_do_assertion },
    { 50027, DENIED, entra_do_assertion },
    { 50033, TRANSIENT, NULL },
    { 50048, DENIED, entra_do_assertion },
    { 50076, DENIED, entra_do_person },
    { 50079, DENIED, entra_do_person },
    { 50087, TRANSIENT, NULL },
    { 50158, DENIED, entra_do_person },
    { 50173, DENIED, entra_do_sign_in },
    { 50194, CONFIG, entra_do_tenant },
    { ENTRA_AADSTS_LOOP, THROTTLED,
      "the same token was asked for too often: look for other gateways or"
      " programs with the same client id" },
    { 51005, CONFIG, entra_do_cloud },
    { 53000, DENIED, entra_do_admin },
    { 53001, DENIED, entra_do_admin },
    { 53003, DENIED,
      "Conditional Access blocks this service principal: exclude it from the"
      " policy, or add the address of this gateway to the policy's named"
      " locations" },
    { 65001, DENIED,
      "an administrator has to consent to the application's permissions" },
    { 70001, DENIED, entra_do_enable },
    { 70008, DENIED, entra_do_sign_in },
    { 70011, CONFIG, entra_do_scope },
    { 70021, DENIED, entra_do_federation },
    { 70025, DENIED,
      "add a federated credential to the application" },
    { 70043, DENIED, entra_do_sign_in },
    { 80005, TRANSIENT, NULL },
    { 90002, CONFIG,
      "no such tenant in this cloud: check tenant_id, and authority_host or"
      " cloud" },
    { 90006, TRANSIENT, NULL },
    { 90012, TRANSIENT, NULL },
    { 90013, CONFIG, entra_do_report },
    { 90014, CONFIG, entra_do_report },
    { 90024, TRANSIENT, NULL },
    { 90033, TRANSIENT, NULL },
    { 90038, CONFIG, entra_do_cloud },
    { 90055, THROTTLED, NULL },
    { 90061, TRANSIENT,
      "Microsoft Entra could not fetch the keys of the federated credential's"
      " issuer: they must be reachable from the internet" },
    { 90090, TRANSIENT, NULL },
    { 100007, CONFIG,
      "set authority_host to the cloud's own, not to a region's" },
    { 500011, CONFIG, entra_do_resource },
    { 500133, DENIED,
      "the caller's token has expired or is not valid yet: it has to get a"
      " new one" },
    { 530032, DENIED, entra_do_admin },
    { 530035, DENIED, entra_do_admin },
    { 650052, CONFIG, entra_do_resource },
    { 650057, CONFIG, entra_do_resource },
    { 700016, CONFIG,
      "no such application in this tenant: check client_id and tenant_id" },
    { 700022, CONFIG, entra_do_one_scope },
    { 700023, CONFIG, entra_do_scope },
    { ENTRA_AADSTS_ASSERTION_TIME, DENIED,
      "check the clock of this machine (NTP), and that the federated token"
      " file is renewed" },
    { 700025, CONFIG,
      "the application is a public client: it needs none, or another"
      " registration" },
    { 700027, DENIED,
      "upload this certificate to the application (Certificates & secrets),"
      " or use the one that is there" },
    { 700030, DENIED,
      "the certificate's subject or issuer is not the registered one; with"
      " subject name and issuer, set send_certificate_chain on" },
    { 700082, DENIED, entra_do_sign_in },
    { 700211, DENIED, entra_do_federation },
    { 700212, DENIED, entra_do_federation },
    { 700213, DENIED, entra_do_federation },
    { 700223, DENIED, entra_do_admin },
    { 700229, DENIED,
      "only a token of an application can be the assertion: use a managed"
      " identity or a client credential" },
    { 700238, DENIED, entra_do_admin },
    { 900144, CONFIG, entra_do_report },
    { 900382, CONFIG, entra_do_cloud },
    { 900384, DENIED, entra_do_assertion },
    { 900432, CONFIG, entra_do_cloud },
    { 901002, CONFIG, entra_do_scope },
    { 1000031, DENIED, entra_do_enable },
    { 1002012, CONFIG, entra_do_scope },
    { 7000112, DENIED, entra_do_enable },
    { 7000215, DENIED,
      "put the value of a client secret, not its ID, into the secret's file" },
    { 7000218, CONFIG,
      "the application asks for a client secret or certificate: use another"
      " type of credential, or allow public client flows" },
    { 7000222, DENIED,
      "the client secret has expired: create a new one and put it into the"
      " secret's file" },
    { 9001023, CONFIG, entra_do_tenant },
    { 9002313, CONFIG, entra_do_report }
};


const entra_aadsts_t *
entra_aadsts_nth(unsigned n)
{
    const unsigned  count = sizeof(entra_aadsts) / sizeof(entra_aadsts[0]);

    return n < count ? &entra_aadsts[n] : NULL;
}


const entra_aadsts_t *
entra_aadsts_find(uint32_t code)
{
    size_t  low = 0, high, mid;

    high = sizeof(entra_aadsts) / sizeof(entra_aadsts[0]);

    while (low < high) {
        mid = low + (high - low) / 2;

        if (entra_aadsts[mid].code == code) {
            return &entra_aadsts[mid];
        }

        if (entra_aadsts[mid].code < code) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return NULL;
}
