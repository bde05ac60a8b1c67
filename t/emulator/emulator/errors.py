"""Entra's errors, as its token endpoint words them."""

import json
import time
import uuid

from .server import reply_json

# of the tenant, the one that blocks
BLOCKING_POLICY = 'c0a0b1de-53c0-4b1d-9d6e-00000053003a'

# AADSTS number: (HTTP status, "error", text)
CODES = {
    28000: (400, 'invalid_request', 'Provided value for the input parameter '
            'scope is not valid because it contains more than one resource.'),
    50011: (400, 'invalid_request', 'The redirect URI specified in the '
            'request does not match the redirect URIs configured for the '
            'application.'),
    50027: (401, 'invalid_client', 'JWT token is invalid or malformed.'),
    50013: (400, 'invalid_grant', 'Assertion failed signature validation.'),
    50020: (400, 'invalid_grant', "User account '%s' from identity provider "
            "'live.com' does not exist in tenant '%s' and cannot access the "
            "application in that tenant."),
    50076: (400, 'invalid_grant', 'Due to a configuration change made by your '
            'administrator, or because you moved to a new location, you must '
            "use multi-factor authentication to access '%s'."),
    50079: (400, 'invalid_grant', 'Due to a configuration change made by your '
            'administrator, or because you moved to a new location, you must '
            "enroll in multi-factor authentication to access '%s'."),
    50105: (400, 'invalid_grant', "Your administrator has configured the "
            "application %s ('%s') to block users unless they are "
            "specifically granted ('assigned') access to the application."),
    50173: (400, 'invalid_grant', 'The provided grant has expired due to it '
            'being revoked, a fresh auth token is needed.'),
    50194: (400, 'invalid_request', 'Application is not configured as a '
            'multi-tenant application. Usage of the /common endpoint is not '
            'supported for such apps.'),
    50196: (400, 'invalid_grant', 'The server terminated an operation because '
            'it encountered a client request loop.'),
    53003: (400, 'invalid_grant', 'Access has been blocked by '
            'Conditional Access policies. The access policy does not allow '
            'token issuance.'),
    54005: (400, 'invalid_grant', 'OAuth2 Authorization code was already '
            'redeemed, please retry with a new valid code or use an existing '
            'refresh token.'),
    65001: (400, 'invalid_grant', 'The user or administrator has not '
            "consented to use the application with ID '%s' named '%s'. Send "
            'an interactive authorization request for this user and '
            'resource.'),
    70000: (400, 'invalid_grant', 'Provided grant is invalid or malformed.'),
    70003: (400, 'unsupported_grant_type', 'The app requested an unsupported '
            'grant type.'),
    70008: (400, 'invalid_grant', 'The provided authorization code or refresh '
            'token has expired due to inactivity.'),
    70011: (400, 'invalid_scope', 'The provided request must include a '
            "'scope' input parameter. The provided value for the input "
            'parameter is not valid.'),
    70016: (400, 'authorization_pending', 'OAuth 2.0 device flow error. '
            'Authorization is pending. Continue polling.'),
    70019: (400, 'expired_token', 'Verification code expired.'),
    70020: (400, 'authorization_declined', 'The end user denied the '
            'authorization request.'),
    70025: (400, 'invalid_request', 'The client has no configured federated '
            'identity credentials.'),
    90002: (400, 'invalid_request', "Tenant '%s' not found. Check to make "
            'sure you have the correct tenant ID and are signing into the '
            'correct cloud. Check with your subscription administrator, this '
            'may happen if there are no active subscriptions for the '
            'tenant.'),
    90014: (400, 'invalid_request', "The required field '%s' is missing from "
            'the credential. Ensure that you have all the necessary '
            'parameters for the login request.'),
    90033: (503, 'temporarily_unavailable', 'A transient error has occurred. '
            'Please try again.'),
    90055: (429, 'temporarily_unavailable', 'The server has terminated the '
            'request because there are too many requests.'),
    90094: (400, 'invalid_grant', 'An administrator of %s has set a policy '
            'that prevents you from granting %s the permissions it is '
            'requesting.'),
    500011: (400, 'invalid_resource', 'The resource principal named %s was '
             'not found in the tenant named %s. This can happen if the '
             'application has not been installed by the administrator of the '
             'tenant.'),
    500112: (400, 'invalid_client', 'The reply address does not match the '
             'reply address provided when requesting Authorization code.'),
    500131: (400, 'invalid_grant', 'Assertion audience does not match the '
             'Client app presenting the assertion.'),
    500133: (400, 'invalid_grant', 'Assertion is not within its valid time '
             'range.'),
    501051: (400, 'invalid_grant', "Application '%s'(%s) is not assigned to "
             "a role for the application '%s'."),
    501481: (400, 'invalid_grant', 'The Code_Verifier does not match the '
             'code_challenge supplied in the authorization request.'),
    700016: (400, 'unauthorized_client', "Application with identifier '%s' "
             "was not found in the directory '%s'. This can happen if the "
             'application has not been installed by the administrator of the '
             'tenant or consented to by any user in the tenant. You may have '
             'sent your authentication request to the wrong tenant.'),
    700021: (401, 'invalid_client', 'Client assertion application identifier '
             "doesn't match 'client_id' parameter."),
    700023: (401, 'invalid_client', 'Client assertion audience claim does not '
             'match Realm issuer.'),
    700024: (401, 'invalid_client', 'Client assertion is not within its valid '
             'time range.'),
    700025: (401, 'invalid_client', "Client is public so neither "
             "'client_assertion' nor 'client_secret' should be presented."),
    700027: (401, 'invalid_client', 'The certificate with identifier used to '
             'sign the client assertion is not registered on application. '
             '[Reason - %s]'),
    700030: (401, 'invalid_client', 'Invalid certificate - subject name in '
             'certificate is not authorized.'),
    700211: (400, 'invalid_request', 'No matching federated identity record '
             "found for presented assertion issuer '%s'."),
    700212: (400, 'invalid_request', 'No matching federated identity record '
             "found for presented assertion audience '%s'."),
    700213: (400, 'invalid_request', 'No matching federated identity record '
             "found for presented assertion subject '%s'."),
    900023: (400, 'invalid_request', "Specified tenant identifier '%s' is "
             'neither a valid DNS name, nor a valid external domain.'),
    900144: (400, 'invalid_request', 'The request body must contain the '
             "following parameter: '%s'."),
    900561: (400, 'invalid_request', 'The endpoint only accepts POST '
             'requests. Received a %s request.'),
    901002: (400, 'invalid_request', "The 'resource' request parameter is "
             'not supported.'),
    1002012: (400, 'invalid_scope', 'The provided value for scope %s is not '
              'valid. Client credential flows must have a scope value with '
              '/.default suffixed to the resource identifier (application ID '
              'URI).'),
    7000014: (400, 'bad_verification_code', 'The provided value for the input '
              "parameter 'device_code' is not valid."),
    7000112: (400, 'unauthorized_client', "Application '%s'(%s) is "
              'disabled.'),
    7000215: (401, 'invalid_client', 'Invalid client secret provided. Ensure '
              'the secret being sent in the request is the client secret '
              'value, not the client secret ID, for a secret added to app '
              "'%s'."),
    7000216: (401, 'invalid_client', "'client_assertion', 'client_secret' or "
              "'request' is required for the 'client_credentials' grant "
              'type.'),
    7000218: (401, 'invalid_client', 'The request body must contain the '
              "following parameter: 'client_assertion' or 'client_secret'."),
    7000222: (401, 'invalid_client', 'The provided client secret keys for app '
              "'%s' are expired. Visit the Azure portal to create new keys "
              'for your app.'),
    7000229: (401, 'invalid_client', "The client application %s is "
              'missing service principal in the tenant %s. See instructions '
              'here: https://go.microsoft.com/fwlink/?linkid=2225119'),
    9001023: (400, 'invalid_request', 'The grant type is not supported over '
              'the /common or /consumers endpoints. Please use the '
              '/organizations or tenant-specific endpoint.'),
    9002327: (400, 'invalid_request', "Tokens issued for the 'Single-Page "
              "Application' client-type may only be redeemed via "
              'cross-origin requests.'),
    9002313: (400, 'invalid_request', 'Invalid request. Request is malformed '
              'or invalid.'),
}


# AADSTS number: what MSAL calls the suberror.  Those of 65001 and 50076 are
# recorded (MicrosoftDocs/azure-docs issue 39189,
# AzureAD/microsoft-authentication-library-for-js issue 5491); the others are
# after their documents.
SUBERRORS = {
    50076: 'basic_action', 50079: 'basic_action', 53003: 'message_only',
    65001: 'consent_required', 90094: 'consent_required',
    50173: 'bad_token', 70043: 'bad_token',
}

# of these the claims name the policy, for the next interactive sign-in
WITH_POLICY = {50076, 50079, 53003}


class Refusal(Exception):
    """Raised anywhere below the token endpoint; becomes its answer."""

    def __init__(self, code, *args, error=None, **extra):
        super().__init__(code)
        self.code = code
        self.args_ = args
        self.error = error
        self.extra = extra


def correlation_id(request):
    given = request.header('client-request-id') \
        or request.form.get('client-request-id', '')
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return str(uuid.uuid4())


def error_reply(request, refusal):
    status, error, text = CODES.get(
        refusal.code, (400, 'invalid_request', 'Something is wrong.'))
    if '%s' in text:
        args = [str(a) for a in refusal.args_]
        args += ['?'] * (text.count('%s') - len(args))
        text = text % tuple(args[:text.count('%s')])
    trace, correlation = str(uuid.uuid4()), correlation_id(request)
    stamp = time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())
    body = {
        'error': refusal.error or error,
        'error_description':
            'AADSTS%d: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\n'
            'Timestamp: %s' % (refusal.code, text, trace, correlation, stamp),
        'error_codes': [refusal.code], 'timestamp': stamp, 'trace_id': trace,
        'correlation_id': correlation,
        'error_uri': '%s/error?code=%d' % (request.base, refusal.code),
    }
    if refusal.code in SUBERRORS:
        body['suberror'] = SUBERRORS[refusal.code]
    if refusal.code in WITH_POLICY:
        body['claims'] = json.dumps({'access_token': {'capolids': {
            'essential': True, 'values': [BLOCKING_POLICY]}}})
    body.update(refusal.extra)
    return reply_json(body, status, entra_headers(trace, correlation))


def entra_headers(trace, correlation):
    return [
        ('Cache-Control', 'no-store, no-cache'), ('Pragma', 'no-cache'),
        ('Expires', '-1'), ('X-Content-Type-Options', 'nosniff'),
        ('P3P', 'CP="DSP CUR OTPi IND OTRi ONL FIN"'),
        ('client-request-id', correlation), ('x-ms-request-id', trace),
    ]
