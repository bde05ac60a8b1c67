
/*
 * Copyright (C) nginx-entra authors
 *
 * What a token's JSON has to be beyond what a lenient parser takes: no two
 * programs shall read it differently.
 */

#ifndef ENTRA_JSON_STRICT_H
#define ENTRA_JSON_STRICT_H


#include "entra_str.h"


/*
 * 1: every byte is valid UTF-8, numbers are RFC 8259's ("01", "1." and "+1"
 * are not), and outside of strings there is nothing but what JSON is written
 * with (no byte order mark).  Checks words only: the grammar is the parser's.
 */
int entra_json_strict(entra_str_t text);


#endif /* ENTRA_JSON_STRICT_H */
