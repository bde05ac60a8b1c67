
/*
 * Copyright (C) nginx-entra authors
 *
 * The action of Azure RBAC that a request to Azure Resource Manager needs,
 * computed as Resource Manager does: from method and URL.
 */

#ifndef ENTRA_ARM_H
#define ENTRA_ARM_H


#include "entra_err.h"


#define ENTRA_ARM_ACTION_MAX   1024     /* longer ones are unknown */
#define ENTRA_ARM_PATTERN_MAX  256


typedef enum {
    ENTRA_ARM_OTHER = 0,        /* not a path of Resource Manager */
    ENTRA_ARM_ACTION,
    ENTRA_ARM_UNKNOWN           /* one, but its action is not known */
} entra_arm_e;


/*
 * Fills action[*len] in lower case, as Resource Manager ignores letter case;
 * "microsoft.x/types/listkeys/action".
 *
 * GET and HEAD are "read", PUT and PATCH "write", DELETE "delete"; POST is
 * "action", below the name that follows the resource, if one does.  Types and
 * names alternate after /providers/NAMESPACE; "providers" where a type is
 * expected begins an extension resource, whose own provider counts.  Without a
 * provider it is Microsoft.Resources.  POST /batch, whose inner requests are
 * not visible here, is "microsoft.resources/batch/action".
 *
 * The path must have passed entra_path_check(); it has no empty segment but
 * perhaps the last one.  Unknown: "%" in a type, other methods, a resource
 * called "providers" (encoded, too), more than ENTRA_ARM_ACTION_MAX.
 */
entra_arm_e entra_arm_action(entra_str_t method, entra_str_t path,
    char action[ENTRA_ARM_ACTION_MAX], size_t *len);

/*
 * A pattern for actions, "*" stands for anything, also across "/": its copy
 * in lower case, NUL-terminated, or NULL and err.
 */
char *entra_arm_pattern(entra_str_t text, entra_err_t *err);

/* both in lower case */
int entra_arm_match(const char *pattern, entra_str_t action);


#endif /* ENTRA_ARM_H */
