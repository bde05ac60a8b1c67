
/*
 * What Entra's refusals mean: (error, suberror, codes), and what becomes of
 * the refresh token and of the caller of on_behalf_of.  Each row has its
 * source:
 *
 *   doc      "Microsoft Entra authentication and authorization error codes",
 *            learn.microsoft.com/entra/identity-platform/reference-error-codes
 *   seen     a recorded answer in a public issue, OWNER/REPO#N
 *   MSAL     MSAL.NET's InvalidGrantClassification, and MSAL for Python: an
 *            invalid_grant "could be caused by new MFA policy"
 *   OAuth    RFC 6749, section 5.2; OpenID Connect Core, section 3.1.2.6
 */

#ifndef REFUSALS_H
#define REFUSALS_H


#include "entra_err.h"
#include "tap.h"


typedef struct {
    const char         *source;
    int                 status;
    const char         *error;
    const char         *suberror;       /* or NULL */
    const char         *codes;          /* or NULL */
    entra_err_class_e   class;
    entra_remedy_e      remedy;
    const char         *advice;         /* part of it, or NULL */
} refusal_t;


#define D            ENTRA_ERR_DENIED
#define C            ENTRA_ERR_CONFIG
#define X            ENTRA_ERR_TRANSIENT
#define SIGN_IN      ENTRA_REMEDY_SIGN_IN
#define TOKEN        ENTRA_REMEDY_TOKEN
#define INTERACTION  ENTRA_REMEDY_INTERACTION
#define CONSENT      ENTRA_REMEDY_CONSENT
#define POLICY       ENTRA_REMEDY_POLICY
#define NOTHING      ENTRA_REMEDY_NONE

#define GRANT        400, "invalid_grant"


static const refusal_t  refusals[] = {

    /* suberror decides, whatever the number */

    { "MSAL BadToken", GRANT, "bad_token", NULL, D, SIGN_IN, "sign in" },
    { "MSAL BadToken", GRANT, "bad_token", "70000", D, SIGN_IN, "sign in" },
    { "MSAL BadToken", GRANT, "bad_token", "4711", D, SIGN_IN, "sign in" },
    { "MSAL TokenExpired", GRANT, "token_expired", "700082", D, SIGN_IN,
      "sign in" },
    { "AzureAD/microsoft-authentication-library-for-js#5491, seen", GRANT,
      "basic_action", "50076", D, INTERACTION, "multifactor" },
    { "MSAL BasicAction", GRANT, "basic_action", "50079", D, INTERACTION,
      "multifactor" },
    { "MSAL BasicAction", GRANT, "basic_action", "700082", D, INTERACTION,
      "interactively" },
    { "MSAL AdditionalAction", GRANT, "additional_action", "50097", D,
      INTERACTION, "device" },
    { "MSAL UserPasswordExpired", GRANT, "user_password_expired", "50055", D,
      INTERACTION, "password" },
    { "MicrosoftDocs/azure-docs, HDInsight domain-joined, seen", 400,
      "user_password_expired", "user_password_expired", "50055", D,
      INTERACTION, "password" },
    { "MicrosoftDocs/azure-docs#39189, seen", GRANT, "consent_required",
      "65001", D, CONSENT, "Grant admin consent" },
    { "MSAL ConsentRequired", GRANT, "consent_required", "90094", D, CONSENT,
      "administrator has to consent" },
    { "MSAL MessageOnly", GRANT, "message_only", "53003", D, POLICY,
      "not the application" },
    { "MSAL MessageOnly", GRANT, "message_only", "4711", D, POLICY,
      "policy of the tenant" },
    { "MSAL ProtectionPolicyRequired", GRANT, "protection_policy_required",
      "53005", D, POLICY, "policy of the tenant" },
    { "MSAL ClientMismatch", GRANT, "client_mismatch", "70000", D,
      INTERACTION, "sign in" },
    { "MSAL DeviceAuthenticationFailed", GRANT,
      "device_authentication_failed", "50155", D, INTERACTION,
      "interactively" },
    { "MSAL, a new suberror is passed on", GRANT, "something_new", "50076", D,
      INTERACTION, "multifactor" },
    { "MSAL, a new suberror is passed on", GRANT, "something_new", NULL, D,
      SIGN_IN, "sign in" },

    /* numbers that are final */

    { "doc FreshTokenNeeded", GRANT, NULL, "50173", D, SIGN_IN, "sign in" },
    { "Azure/azure-cli#856, seen", GRANT, NULL, "70002,70008", D, SIGN_IN,
      "sign in" },
    { "Azure/azure-cli#242, seen: revoked", GRANT, NULL, "70002, 70008", D,
      SIGN_IN, "sign in" },
    { "doc ExpiredOrRevokedGrantInactiveToken", GRANT, NULL, "700082", D,
      SIGN_IN, "sign in" },
    { "doc 700084, of a single-page app", GRANT, NULL, "700084", D, SIGN_IN,
      "single-page" },
    { "doc BadTokenDueToSignInFrequency", GRANT, NULL, "70043", D, SIGN_IN,
      "frequency" },
    { "KelvinTegelaar/CIPP#1156, seen", 400, "interaction_required", NULL,
      "70043", D, SIGN_IN, "frequency" },
    { "doc flow token expired", GRANT, NULL, "50089", D, SIGN_IN, "sign in" },
    { "doc SsoArtifactInvalidOrExpired", GRANT, NULL, "50132", D, SIGN_IN,
      "sign in" },
    { "doc SsoArtifactRevoked", GRANT, NULL, "50133", D, SIGN_IN, "sign in" },

    /* conditions that pass, or that a person meets */

    { "doc UserStrongAuthEnrollmentRequiredInterrupt", GRANT, NULL, "50072",
      D, INTERACTION, "multifactor" },
    { "doc UserStrongAuthClientAuthNRequiredInterrupt", GRANT, NULL, "50074",
      D, INTERACTION, "multifactor" },
    { "doc UserStrongAuthClientAuthNRequired", 400, "interaction_required",
      NULL, "50076", D, INTERACTION, "multifactor" },
    { "doc UserStrongAuthExpired", GRANT, NULL, "50078", D, INTERACTION,
      "multifactor" },
    { "doc UserStrongAuthEnrollmentRequired", GRANT, NULL, "50079", D,
      INTERACTION, "multifactor" },
    { "doc DeviceAuthenticationRequired", GRANT, NULL, "50097", D,
      INTERACTION, "device" },
    { "doc ExternalSecurityChallenge", GRANT, NULL, "50158", D, INTERACTION,
      "multifactor" },
    { "doc ProofUpBlockedDueToRisk", GRANT, NULL, "53004", D, INTERACTION,
      "multifactor" },
    { "doc InvalidPasswordExpiredOnPremPassword", GRANT, NULL, "50144", D,
      INTERACTION, "password" },
    { "BingAds/BingAds-Python-SDK#279, seen: passes", GRANT, NULL, "70000", D,
      INTERACTION, "sign in" },
    { "QuePort/passport-azure-oauth#6, seen", GRANT, NULL, "70002,70000", D,
      INTERACTION, "sign in" },
    { "MicrosoftDocs/azure-docs#63819, seen", GRANT, NULL, "9002313", C,
      NOTHING, "malformed" },
    { "MSAL, an unknown number", GRANT, NULL, "4711", D, INTERACTION,
      "interactively" },

    /* policies and assignments */

    { "doc DevicePolicyError", GRANT, NULL, "50005", D, POLICY, "device" },
    { "doc IdsLocked", GRANT, NULL, "50053", D, POLICY, "account" },
    { "doc UserDisabled", GRANT, NULL, "50057", D, POLICY, "account" },
    { "doc EntitlementGrantsNotFound", GRANT, NULL, "50105", D, POLICY,
      "not assigned" },
    { "doc ConditionalAccessFailed", GRANT, NULL, "50131", D, POLICY,
      "not the application" },
    { "doc DeviceNotCompliant", GRANT, NULL, "53000", D, POLICY, "device" },
    { "doc DeviceNotDomainJoined", GRANT, NULL, "53001", D, POLICY,
      "device" },
    { "doc ApplicationUsedIsNotAnApprovedApp", GRANT, NULL, "53002", D,
      POLICY, "app" },
    { "doc BlockedByConditionalAccess", 400, "access_denied", NULL, "53003",
      D, POLICY, "not the application" },
    { "doc 53011, risk in the home tenant", GRANT, NULL, "53011", D, POLICY,
      "risk" },
    { "doc tenant restrictions", GRANT, NULL, "500021", D, POLICY,
      "tenant restrictions" },
    { "doc BlockedByConditionalAccessOnSecurityPolicy", GRANT, NULL,
      "530032", D, POLICY, "administrator" },
    { "doc BlockedBySecurityDefaults", GRANT, NULL, "530035", D, POLICY,
      "administrator" },
    { "OAuth", 400, "access_denied", NULL, NULL, D, POLICY, "policy" },

    /* consent */

    { "doc DelegationDoesNotExist", GRANT, NULL, "65001", D, CONSENT,
      "Grant admin consent" },
    { "doc UserDeclinedConsent", GRANT, NULL, "65004", D, CONSENT,
      "consent" },
    { "doc AdminConsentRequired", GRANT, NULL, "90094", D, CONSENT,
      "administrator has to consent" },
    { "OAuth", 400, "consent_required", NULL, NULL, D, CONSENT, "consent" },

    /* assertions of on_behalf_of */

    { "microsoftgraph/msgraph-sdk-dotnet#2551, seen", GRANT, NULL, "500133",
      D, TOKEN, "get a new one" },
    { "MicrosoftDocs/azure-docs#16399, seen", GRANT, NULL, "70002,500133", D,
      TOKEN, "get a new one" },
    { "AzureAD/azure-activedirectory-library-for-dotnet#1234, seen", GRANT,
      NULL, "50013", D, TOKEN, "access token of this tenant" },

    /* servers that are not Entra */

    { "OAuth", GRANT, NULL, NULL, D, SIGN_IN, "sign in" },
    { "OAuth", 400, "interaction_required", NULL, NULL, D, INTERACTION,
      "interactively" },
    { "OAuth", 400, "login_required", NULL, NULL, D, INTERACTION,
      "interactively" },

    /* nothing of a user's */

    { "doc LoopDetected", GRANT, NULL, "50196", ENTRA_ERR_THROTTLED, NOTHING,
      "too often" },
    { "doc MsodsServiceUnavailable", GRANT, NULL, "90033", X, NOTHING,
      NULL },
    { "doc GraphServiceUnreachable", GRANT, NULL, "90091", X, NOTHING, NULL },
    { "doc MsaServerError", GRANT, NULL, "70012", X, NOTHING, NULL },
    { "doc 50088, limit of telephone calls", GRANT, NULL, "50088", X, NOTHING,
      NULL },
    { "doc ExternalClaimsProviderThrottled", GRANT, NULL, "50166", X, NOTHING,
      NULL },
    { "doc OnPremiseStoreIsNotAvailable", GRANT, NULL, "80001", X, NOTHING,
      NULL },
    { "doc OnPremisePasswordValidatorRequestTimedout", GRANT, NULL, "80002",
      X, NOTHING, NULL },
    { "doc AuthenticationAgentTimeout", GRANT, NULL, "80014", X, NOTHING,
      NULL },
    { "a page of Entra's, whatever it says", 503, "invalid_grant",
      "bad_token", "700082", X, NOTHING, NULL },
    { "OAuth", 401, "invalid_client", NULL, NULL, D, NOTHING, NULL },
    { "SidU/openclaw-teams-setup#2, seen", 401, "invalid_client", NULL,
      "7000229", C, NOTHING, "service principal" },
    { "doc InvalidClient", 401, "invalid_client", NULL, "7000215", D, NOTHING,
      "value of a client secret" },
    { "OAuth, not about the grant", 401, "invalid_client", "bad_token",
      "7000222", D, NOTHING, NULL },
    { "doc 7000114", 400, "unauthorized_client", NULL, "7000114", C, NOTHING,
      "on-behalf-of" },
    { "doc InvalidResource", 400, "invalid_resource", NULL, "500011", C,
      NOTHING, "scope" },
    { "OAuth", 400, "invalid_scope", NULL, NULL, C, NOTHING, NULL }
};


#define REFUSALS  (sizeof(refusals) / sizeof(refusals[0]))


/* the body of such an answer, with claims or without */

__attribute__((unused))
static const char *
refusal_body(const refusal_t *row, const char *claims)
{
    static char  body[2048];

    snprintf(body, sizeof(body), "{\"error\":\"%s\",\"error_description\":"
             "\"Something. Trace ID: t\"%s%s%s%s%s%s%s%s%s}", row->error,
             row->suberror ? ",\"suberror\":\"" : "",
             row->suberror ? row->suberror : "", row->suberror ? "\"" : "",
             row->codes ? ",\"error_codes\":[" : "",
             row->codes ? row->codes : "", row->codes ? "]" : "",
             claims ? ",\"claims\":\"" : "", claims ? claims : "",
             claims ? "\"" : "");

    return body;
}


__attribute__((unused))
static const char *
refusal_name(const refusal_t *row)
{
    static char  name[300];

    snprintf(name, sizeof(name), "%s, %s, %s (%s)", row->error,
             row->suberror ? row->suberror : "-",
             row->codes ? row->codes : "-", row->source);

    return name;
}


#endif /* REFUSALS_H */
