/* What the test programs check with. Each includes it once. */

#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

#include <occopus.h>

static int failures;

static void check_at(const char *file, int line, int holds, const char *text)
{
    if (!holds) {
        fprintf(stderr, "%s:%d: %s\n", file, line, text);
        failures++;
    }
}

#define CHECK(condition) check_at(__FILE__, __LINE__, (condition) != 0, #condition)
#define SIZED(type, name)                                                                                      \
    type name;                                                                                                 \
    memset(&name, 0, sizeof name);                                                                             \
    name.size = sizeof name

/* Checks that a call said `code`, with a message unless it is OK, and that there is a result only if wanted. */
static void said_at(int line, occopus_code_t returned, occopus_code_t code, char **result, occopus_error_t *error,
                    const char *file)
{
    if (returned != code)
        fprintf(stderr, "%s:%d: %s, not %s: %s\n", file, line, occopus_code_text(returned),
                occopus_code_text(code), error->message ? error->message : "");
    check_at(file, line, returned == code, "the code is another one");
    check_at(file, line, error->code == returned, "the error has another code");
    check_at(file, line, (error->message == NULL) == (returned == OCCOPUS_OK), "a message goes with a failure only");
    if (returned >= OCCOPUS_BAD_ARGUMENT && result != NULL)
        check_at(file, line, *result == NULL, "there is a result of a call that was refused");
    if (result != NULL)
        check_at(file, line, occopus_string_free(*result) == OCCOPUS_OK, "the result cannot be freed");
    check_at(file, line, occopus_error_clear(error) == OCCOPUS_OK, "the error cannot be cleared");
}

#define SAYS(code, call) said_at(__LINE__, call, code, NULL, &error, __FILE__)
#define ANSWERS(code, call) said_at(__LINE__, call, code, &result, &error, __FILE__)

#endif
