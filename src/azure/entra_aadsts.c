
/*
 * Copyright (C) nginx-entra authors
 */

#include <stddef.h>

#include "entra_aadsts.h"


#define CONFIG       ENTRA_ERR_CONFIG
#define DENIED       ENTRA_ERR_DENIED
#define THROTTLED    ENTRA_ERR_THROTTLED
#define TRANSIENT    ENTRA_ERR_TRANSIENT

#define NONE         ENTRA_REMEDY_NONE
#define SIGN_IN      ENTRA_REMEDY_SIGN_IN
#define TOKEN        ENTRA_REMEDY_TOKEN
#define INTERACTION  ENTRA_REMEDY_INTERACTION
#define CONSENT      ENTRA_REMEDY_CONSENT
#define POLICY       ENTRA_REMEDY_POLICY


static const char  entra_do_assertion[] =
    "check that the certificate registered in the application is this one"
    " (thumbprint), that tenant_id and authority_host are its own, and that"
    " the clock of this machine is right";

static const char  entra_do_user_assertion[] =
    "the user's token is not accepted: it has to be an access token of this"
    " tenant for this application (audience client_id or api://client_id),"
    " unexpired and signed by Entra";

static const char  entra_do_audience[] =
    "the assertion is for another authority: cloud, authority_host and"
    " tenant_id have to be those of the application";

static const char  entra_do_enable[] =
    "enable the application again in Microsoft Entra, Enterprise applications";

static const char  entra_do_principal[] =
    "the application has no service principal in this tenant: an"
    " administrator has to consent to it there, or run \"az ad sp create\";"
    " and check client_id and tenant_id";

static const char  entra_do_assign[] =
    "the resource requires an assignment: give the application an app role of"
    " it in Microsoft Entra, Enterprise applications";

static const char  entra_do_user_assign[] =
    "the user is not assigned to an application that requires assignment:"
    " assign the user or a group in Microsoft Entra, Enterprise applications,"
    " Users and groups";

static const char  entra_do_federation[] =
    "compare issuer, subject and audience of the federated credential in the"
    " application with the token's, character by character; a new one takes"
    " minutes";

static const char  entra_do_resource[] =
    "check the scope character by character (a trailing slash matters), and"
    " that the resource exists in this tenant";

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

static const char  entra_do_consent[] =
    "an administrator has to consent to the application's permissions";

static const char  entra_do_user_consent[] =
    "the user or an administrator has to consent to this application's"
    " delegated permissions for the resource: \"Grant admin consent\" under"
    " API permissions";

static const char  entra_do_ca[] =
    "Conditional Access blocks this service principal: exclude it from the"
    " policy, or add the address of this gateway to the policy's named"
    " locations";

static const char  entra_do_user_ca[] =
    "a Conditional Access policy blocks this user, not the application: look"
    " the correlation id up in the user's sign-in logs; Entra sees the address"
    " of this gateway";

static const char  entra_do_user_device[] =
    "a Conditional Access policy wants another device or app of this user:"
    " look the correlation id up in the user's sign-in logs";

static const char  entra_do_person[] =
    "Entra requires interaction with a user: use a service identity, or"
    " exclude this one from the policy";

static const char  entra_do_user_mfa[] =
    "Entra asks the user for more (multifactor authentication): the user has"
    " to sign in interactively, or the policy has to exclude this resource";

static const char  entra_do_user_account[] =
    "the user's account is locked, disabled or unknown in this tenant: an"
    " administrator has to look at it";

static const char  entra_do_user_password[] =
    "the user has to change the password and sign in again";

static const char  entra_do_report[] =
    "the request was not understood: please report it with the correlation"
    " id";


/* sorted by code */

static const entra_aadsts_t  entra_aadsts[] = {

    { 28000, CONFIG, NONE, entra_do_one_scope, NULL },
    { 40010, TRANSIENT, NONE, NULL, NULL },
    { 50001, CONFIG, NONE, entra_do_resource, NULL },
    { 50005, DENIED, POLICY, entra_do_person, entra_do_user_device },
    { 50012, DENIED, NONE, entra_do_assertion, NULL },
    { 50013, DENIED, TOKEN, entra_do_assertion, entra_do_user_assertion },
    { 50020, DENIED, POLICY, entra_do_tenant, entra_do_user_account },
    { 50027, DENIED, TOKEN, entra_do_assertion, entra_do_user_assertion },
    { 50033, TRANSIENT, NONE, NULL, NULL },
    { 50034, DENIED, POLICY, entra_do_tenant, entra_do_user_account },
    { 50048, DENIED, NONE, entra_do_assertion, NULL },
    { 50053, DENIED, POLICY,
      "sign-ins from this address are blocked as malicious: look into the"
      " sign-in logs", entra_do_user_account },
    { 50055, DENIED, INTERACTION, entra_do_person, entra_do_user_password },
    { 50057, DENIED, POLICY, entra_do_person, entra_do_user_account },
    { 50072, DENIED, INTERACTION, entra_do_person, entra_do_user_mfa },
    { 50074, DENIED, INTERACTION, entra_do_person, entra_do_user_mfa },
    { 50076, DENIED, INTERACTION, entra_do_person, entra_do_user_mfa },
    { 50078, DENIED, INTERACTION, entra_do_person, entra_do_user_mfa },
    { 50079, DENIED, INTERACTION, entra_do_person, entra_do_user_mfa },
    { 50087, TRANSIENT, NONE, NULL, NULL },
    { 50088, TRANSIENT, NONE, NULL, NULL },
    { 50089, DENIED, SIGN_IN, entra_do_sign_in, NULL },
    { 50097, DENIED, INTERACTION, entra_do_person, entra_do_user_device },
    { 50105, DENIED, POLICY, entra_do_assign, entra_do_user_assign },
    { 50126, DENIED, NONE,
      "the password is wrong, or password sign-in is not possible for this"
      " account", NULL },
    { 50129, DENIED, POLICY, entra_do_person, entra_do_user_device },
    { 50131, DENIED, POLICY, entra_do_ca, entra_do_user_ca },
    { 50132, DENIED, SIGN_IN, entra_do_sign_in, NULL },
    { 50133, DENIED, SIGN_IN, entra_do_sign_in, NULL },
    { 50144, DENIED, INTERACTION, entra_do_person, entra_do_user_password },
    { 50158, DENIED, INTERACTION, entra_do_person, entra_do_user_mfa },
    { 50166, TRANSIENT, NONE, NULL, NULL },
    { 50173, DENIED, SIGN_IN, entra_do_sign_in, NULL },
    { 50194, CONFIG, NONE, entra_do_tenant, NULL },
    { ENTRA_AADSTS_LOOP, THROTTLED, NONE,
      "the same token was asked for too often: look for other gateways or"
      " programs with the same client id", NULL },
    { 51005, CONFIG, NONE, entra_do_cloud, NULL },
    { 53000, DENIED, POLICY, entra_do_admin, entra_do_user_device },
    { 53001, DENIED, POLICY, entra_do_admin, entra_do_user_device },
    { 53002, DENIED, POLICY, entra_do_admin, entra_do_user_device },
    { 53003, DENIED, POLICY, entra_do_ca, entra_do_user_ca },
    { 53004, DENIED, INTERACTION, entra_do_person, entra_do_user_mfa },
    { 53011, DENIED, POLICY, entra_do_admin,
      "the user is blocked because of risk in the home tenant: an"
      " administrator there has to dismiss it" },
    { 65001, DENIED, CONSENT, entra_do_consent, entra_do_user_consent },
    { 65004, DENIED, CONSENT, entra_do_consent, entra_do_user_consent },
    { 70000, DENIED, INTERACTION, entra_do_sign_in, NULL },
    { 70001, DENIED, NONE, entra_do_enable, NULL },
    { 70002, DENIED, NONE,
      "the client secret does not match: put its value, not its ID, into the"
      " secret's file", NULL },
    { 70008, DENIED, SIGN_IN, entra_do_sign_in, NULL },
    { 70011, CONFIG, NONE, entra_do_scope, NULL },
    { 70012, TRANSIENT, NONE, NULL, NULL },
    { 70021, DENIED, NONE, entra_do_federation, NULL },
    { 70025, DENIED, NONE,
      "add a federated credential to the application", NULL },
    { 70043, DENIED, SIGN_IN, entra_do_sign_in,
      "the sign-in frequency of a Conditional Access policy is over: sign in"
      " again" },
    { 80001, TRANSIENT, NONE, NULL, NULL },
    { 80002, TRANSIENT, NONE, NULL, NULL },
    { 80005, TRANSIENT, NONE, NULL, NULL },
    { 80014, TRANSIENT, NONE, NULL, NULL },
    { 90002, CONFIG, NONE,
      "no such tenant in this cloud: check tenant_id, and authority_host or"
      " cloud", NULL },
    { 90006, TRANSIENT, NONE, NULL, NULL },
    { 90012, TRANSIENT, NONE, NULL, NULL },
    { 90013, CONFIG, NONE, entra_do_report, NULL },
    { 90014, CONFIG, NONE, entra_do_report, NULL },
    { 90024, TRANSIENT, NONE, NULL, NULL },
    { 90033, TRANSIENT, NONE, NULL, NULL },
    { 90038, CONFIG, NONE, entra_do_cloud, NULL },
    { 90055, THROTTLED, NONE, NULL, NULL },
    { 90061, TRANSIENT, NONE,
      "Microsoft Entra could not fetch the keys of the federated credential's"
      " issuer: they must be reachable from the internet", NULL },
    { 90090, TRANSIENT, NONE, NULL, NULL },
    { 90091, TRANSIENT, NONE, NULL, NULL },
    { 90094, DENIED, CONSENT, entra_do_consent,
      "an administrator has to consent to this application's delegated"
      " permissions: users may not, in this tenant" },
    { 90095, DENIED, CONSENT, entra_do_consent, entra_do_user_consent },
    { 100007, CONFIG, NONE,
      "set authority_host to the cloud's own, not to a region's", NULL },
    { 500011, CONFIG, NONE, entra_do_resource, NULL },
    { 500014, CONFIG, NONE,
      "the service principal of the resource is disabled in this tenant:"
      " enable it under Enterprise applications, or renew the subscription"
      " that it comes with", NULL },
    { 500021, DENIED, POLICY,
      "tenant restrictions of the network between here and Entra do not allow"
      " this tenant: the proxy's list has to name it", NULL },
    { 500022, DENIED, POLICY,
      "tenant restrictions of the network between here and Entra do not allow"
      " this tenant: the proxy's list has to name it", NULL },
    { 500131, DENIED, TOKEN, entra_do_user_assertion, NULL },
    { 500133, DENIED, TOKEN,
      "the caller's token has expired or is not valid yet: it has to get a"
      " new one", NULL },
    { 501051, DENIED, NONE, entra_do_assign, NULL },
    { 530032, DENIED, POLICY, entra_do_admin, NULL },
    { 530034, DENIED, POLICY, entra_do_admin, NULL },
    { 530035, DENIED, POLICY, entra_do_admin, NULL },
    { 650052, CONFIG, NONE, entra_do_resource, NULL },
    { 650057, CONFIG, NONE, entra_do_resource,
      "add the resource to the application's API permissions, as a delegated"
      " permission" },
    { 700003, DENIED, POLICY, entra_do_admin, entra_do_user_device },
    { 700016, CONFIG, NONE,
      "no such application in this tenant: check client_id and tenant_id",
      NULL },
    { 700021, CONFIG, NONE,
      "the assertion names another application than client_id: check"
      " client_id, and which application the certificate or token is for",
      NULL },
    { 700022, CONFIG, NONE, entra_do_one_scope, NULL },
    { 700023, CONFIG, NONE, entra_do_audience, NULL },
    { ENTRA_AADSTS_ASSERTION_TIME, DENIED, NONE,
      "check the clock of this machine (NTP), and that the federated token"
      " file is renewed", NULL },
    { 700025, CONFIG, NONE,
      "the application is a public client, which sends no secret or"
      " assertion: use another registration", NULL },
    { 700027, DENIED, NONE,
      "upload this certificate to the application (Certificates & secrets),"
      " or use the one that is registered there", NULL },
    { 700030, DENIED, NONE,
      "the certificate's subject or issuer is not the registered one; with"
      " subject name and issuer, set send_certificate_chain on", NULL },
    { 700082, DENIED, SIGN_IN, entra_do_sign_in, NULL },
    { 700084, DENIED, SIGN_IN, entra_do_sign_in,
      "the redirect URI is registered for a single-page application, whose"
      " sign-ins end after a day: register it for a web or a mobile and"
      " desktop application" },
    { 700211, DENIED, NONE, entra_do_federation, NULL },
    { 700212, DENIED, NONE, entra_do_federation, NULL },
    { 700213, DENIED, NONE, entra_do_federation, NULL },
    { 700223, DENIED, NONE, entra_do_admin, NULL },
    { 700229, DENIED, NONE,
      "only a token of an application can be the assertion: use a managed"
      " identity or a client credential", NULL },
    { 700238, DENIED, NONE, entra_do_admin, NULL },
    { 900023, CONFIG, NONE,
      "tenant_id is neither the tenant's ID nor one of its domain names",
      NULL },
    { 900144, CONFIG, NONE, entra_do_report, NULL },
    { 900382, CONFIG, NONE, entra_do_cloud, NULL },
    { 900384, DENIED, NONE, entra_do_assertion, NULL },
    { 900432, CONFIG, NONE, entra_do_cloud, NULL },
    { 901002, CONFIG, NONE, entra_do_scope, NULL },
    { 1000031, DENIED, NONE, entra_do_enable, NULL },
    { 1002012, CONFIG, NONE, entra_do_scope, NULL },
    { 7000112, DENIED, NONE, entra_do_enable, NULL },
    { 7000114, CONFIG, NONE,
      "this application may not make on-behalf-of calls: use another"
      " registration", NULL },
    { 7000215, DENIED, NONE,
      "put the value of a client secret, not its ID, into the secret's file",
      NULL },
    { 7000216, CONFIG, NONE,
      "the application's tokens need a client secret, a certificate or a"
      " federated credential: configure one", NULL },
    { 7000218, CONFIG, NONE,
      "the application asks for a client secret or certificate: use another"
      " type of credential, or allow public client flows", NULL },
    { 7000222, DENIED, NONE,
      "the client secret has expired: create a new one and put it into the"
      " secret's file", NULL },
    { 7000229, CONFIG, NONE, entra_do_principal, NULL },
    { 7002381, DENIED, NONE,
      "the tenant takes tokens of this issuer with certain claims only, which"
      " the message names: its administrator decides", NULL },
    { 9001023, CONFIG, NONE, entra_do_tenant, NULL },
    { 9002313, CONFIG, INTERACTION, entra_do_report,
      "the request or the refresh token is malformed: sign in again, and"
      " report it if that does not help" }
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
