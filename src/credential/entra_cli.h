
/*
 * Copyright (C) nginx-entra authors
 *
 * Credentials that ask a command line tool on which a developer has signed
 * in: what Azure CLI, Azure Developer CLI and Azure PowerShell have in common.
 *
 * The tool is run by its absolute path, without a shell, with an environment
 * made here; each of its arguments is checked with the characters that Azure
 * Identity allows, and cannot be taken for an option.
 */

#ifndef ENTRA_CLI_H
#define ENTRA_CLI_H


#include "entra_acquire.h"
#include "entra_json.h"


#define ENTRA_CLI_TIMEOUT      10000        /* ms, as in Azure Identity */
#define ENTRA_CLI_TIMEOUT_MIN  100
#define ENTRA_CLI_TIMEOUT_MAX  (5 * 60 * 1000)
#define ENTRA_CLI_LINE         320          /* of what a tool wrote, bytes */
#define ENTRA_CLI_WORD         64           /* bytes: it may be a token */


/* parameters, the same for all; conf of these types */

typedef struct {
    char               *executable;
    char               *config_dir;
    char               *subscription;
    int64_t             process_timeout;

    char               *path;           /* owned; NULL: not found so far */
    uid_t               owner;          /* may own the tool, beside root */
} entra_cli_t;


typedef struct entra_cli_tool_s {
    const char         *name;           /* "the Azure CLI" */
    const char *const  *places;         /* absolute paths, ended by NULL */
    const char         *install;        /* advice when there is none */
    const char         *sign_in;        /* advice when nobody has signed in */
    const char         *claims;         /* advice after a claims challenge */
    const char         *config_env;     /* what config_dir becomes */
    const char         *no_subscription;    /* why it cannot be given */

    /* adds arguments and variables of its own to a->process */
    void              (*start)(entra_acquire_t *a);

    /* the JSON in what it wrote; NULL: all of it is */
    entra_str_t       (*answer)(entra_str_t out);

    /*
     * The token in it, borrowed, and when it expires: 0; or -1, with a->err
     * when the JSON says why there is none.  root may be NULL.
     */
    int               (*token)(entra_acquire_t *a, const entra_json_t *root,
                           entra_str_t *token, int64_t *expires_on);

    /* fills a->err from stderr, for an exit code that is not 0 */
    void              (*failed)(entra_acquire_t *a, entra_str_t text);
} entra_cli_tool_t;


/* members of the types, which name their tool */
extern const entra_param_t  entra_cli_params[];
int entra_cli_init(entra_credential_t *c, entra_err_t *err);
void entra_cli_free(entra_credential_t *c);
entra_next_e entra_cli_step(entra_acquire_t *a);
void entra_cli_identity(const entra_credential_t *c, entra_buf_t *out);

/* for start(): a failure is in a->err, where entra_cli_step() looks */
void entra_cli_arg(entra_acquire_t *a, const char *arg);
void entra_cli_env(entra_acquire_t *a, const char *name, const char *value);

/* the acquisition's scope as a resource, on the heap; or NULL and a->err */
char *entra_cli_resource(entra_acquire_t *a);

/*
 * For failed(): nothing known was written.  The line, and the AADSTS number
 * with its class when there is one.
 */
void entra_cli_unknown(entra_acquire_t *a, entra_str_t text);

/* the same: "nobody has signed in to ...", a chain goes on */
void entra_cli_signed_out(entra_acquire_t *a);


/* entra_cli_output.c */

/* does this part of the tool's stderr appear (ASCII letters alike)? */
int entra_cli_has(entra_str_t text, const char *part);

/*
 * The line of stderr that tells most, without anything that looks like a
 * token (no word of ENTRA_CLI_WORD bytes, see entra_err_word()), without
 * control characters; "" when there is none.
 */
void entra_cli_line(entra_str_t text, char line[ENTRA_CLI_LINE]);

/* the number behind the first "AADSTS", or 0 */
uint32_t entra_cli_aadsts(entra_str_t text);


#endif /* ENTRA_CLI_H */
