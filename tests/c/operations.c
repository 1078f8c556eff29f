/*
 * Does with a running infrastructure what programs can do: changes, saved plans, the way back, and looking at
 * it in all ways. Uses the current folder and $OCCOPUS_STORE.
 */

#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <occopus.h>

#include "check.h"

#define NODES                                                                                                  \
    "'node_def:web':\n"                                                                                        \
    "  - resource: {type: process}\n"                                                                          \
    "    contextualisation: {type: process, env: ['COLOUR={{variables.colour}}'], command: [sleep, '1000']}\n" \
    "    health_check: {ping: false}\n"
#define NODE(name, colour)                                                                                     \
    "  - {name: " name ", type: web, scaling: {min: 2, max: 3}, variables: {colour: " colour "}}\n"
#define DESCRIPTION(nodes)                                                                                     \
    "infra_name: ops\nuser_id: t\nnodes:\n" nodes "outputs: {address: \"{{getip('web')}}\", wrong: \"{{1/0}}\"}\n"

static const char *const definitions[] = {"web.yaml", NULL};

/* How often a text stands in another one. */
static int count(const char *text, const char *part)
{
    int number = 0;

    while (text != NULL && (text = strstr(text, part)) != NULL) {
        number++;
        text += strlen(part);
    }
    return number;
}

/* Checks that a call said `code` with a result that has `part` `times` times. */
static void shows_at(int line, occopus_code_t returned, occopus_code_t code, int times, const char *part,
                     char **result, occopus_error_t *error)
{
    if (count(*result, part) != times) {
        fprintf(stderr, "%s:%d: %s\n", __FILE__, line, *result ? *result : "no result");
        check_at(__FILE__, line, 0, part);
    }
    said_at(line, returned, code, result, error, __FILE__);
}

#define SHOWS(code, times, part, call) shows_at(__LINE__, call, code, times, part, &result, &error)

static void build(occopus_t *occopus)
{
    occopus_error_t error;
    char *result;
    SIZED(occopus_build_options_t, options);

    options.text = DESCRIPTION(NODE("web", "red"));
    options.definitions = definitions;
    SHOWS(OCCOPUS_OK, 1, "\"result\":\"ready\"", occopus_build(occopus, &options, NULL, &result, &error));
}

static void look(occopus_t *occopus)
{
    occopus_error_t error;
    char *result;

    SHOWS(OCCOPUS_OK, 1, "\"name\":\"ops\"", occopus_list(occopus, &result, &error));
    SHOWS(OCCOPUS_OK, 2, "\"state\":\"ready\"", occopus_status(occopus, "ops", &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"address\":\"", occopus_outputs(occopus, "ops", "address", &result, &error));
    /* Outputs that have a value are told beside those that have none. */
    SHOWS(OCCOPUS_FAILED, 1, "\"address\":\"", occopus_outputs(occopus, "ops", NULL, &result, &error));
    ANSWERS(OCCOPUS_USAGE, occopus_outputs(occopus, "ops", "nonsense", &result, &error));
    SHOWS(OCCOPUS_OK, 2, "\"name\":\"web-", occopus_inventory(occopus, "ops", &result, &error));
    SHOWS(OCCOPUS_OK, 1, "digraph", occopus_graph(occopus, "ops", "dot", &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"graph\"", occopus_graph(occopus, "ops", NULL, &result, &error));
    SHOWS(OCCOPUS_OK, 2, "\"log\":", occopus_logs(occopus, "ops", "web", &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"ours\":[]", occopus_orphans(occopus, NULL, &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"code\":\"OCC0102\"", occopus_explain("OCC0102", &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"code\":\"OCC0102\"", occopus_explain(NULL, &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"$schema\"", occopus_schema("infrastructure", &result, &error));
}

/* The value of "after" in a result of occopus_events(), as a C string. */
static void position_of(const char *result, char *position, size_t size)
{
    const char *from = strstr(result, "\"after\":\"");
    size_t length = 0;

    CHECK(from != NULL);
    for (from += strlen("\"after\":\""); *from != '"' && length + 1 < size; from++) {
        from += *from == '\\';
        position[length++] = *from;
    }
    position[length] = '\0';
}

static void events_since(occopus_t *occopus, const char *infra)
{
    occopus_error_t error;
    char position[4096], *result;
    SIZED(occopus_hold_options_t, hold);

    CHECK(occopus_events(occopus, infra, NULL, &result, &error) == OCCOPUS_OK);
    CHECK(count(result, "\"event\":\"infraready\"") >= 1);
    position_of(result, position, sizeof position);
    ANSWERS(OCCOPUS_OK, error.code);
    SHOWS(OCCOPUS_OK, 1, "\"events\":[]", occopus_events(occopus, infra, position, &result, &error));
    hold.kind = OCCOPUS_PAUSE;
    hold.seconds = 3600;
    SHOWS(OCCOPUS_OK, 1, "\"until\":\"", occopus_hold(occopus, "ops", &hold, &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"event\":", occopus_events(occopus, infra, position, &result, &error));
    ANSWERS(OCCOPUS_OK, occopus_lift(occopus, "ops", NULL, OCCOPUS_PAUSE, &result, &error));
}

static void change_by_a_saved_plan(occopus_t *occopus)
{
    occopus_error_t error;
    struct stat file;
    char *result;
    SIZED(occopus_build_options_t, planned);
    SIZED(occopus_build_options_t, saved);

    planned.infra = "ops";
    SHOWS(OCCOPUS_OK, 1, "\"actions\":[]", occopus_plan(occopus, &planned, &result, &error));
    planned.text = DESCRIPTION(NODE("web", "blue"));
    planned.definitions = definitions;
    /* Without a word, nothing that runs is replaced. */
    SHOWS(OCCOPUS_OK, 1, "\"actions\":[]", occopus_plan(occopus, &planned, &result, &error));
    planned.flags = OCCOPUS_REPLACE;
    planned.save = "stale.json";
    ANSWERS(OCCOPUS_OK, occopus_plan(occopus, &planned, &result, &error));
    planned.save = "plan.json";
    CHECK(occopus_plan(occopus, &planned, &result, &error) == OCCOPUS_OK);
    /* What somebody wants to know who has to agree. */
    CHECK(count(result, "\"losses\":[{\"") == 1 && count(result, "\"age\":") == 2);
    ANSWERS(OCCOPUS_OK, error.code);
    CHECK(stat("plan.json", &file) == 0 && (file.st_mode & 0777) == 0600);
    saved.plan = "plan.json";
    SHOWS(OCCOPUS_OK, 1, "\"result\":\"ready\"", occopus_build(occopus, &saved, NULL, &result, &error));
    SHOWS(OCCOPUS_OK, 0, "\"outdated\":true", occopus_status(occopus, "ops", &result, &error));
    /* The other one was made for a world that is no more. */
    saved.plan = "stale.json";
    CHECK(occopus_build(occopus, &saved, NULL, &result, &error) == OCCOPUS_USAGE);
    CHECK(error.message != NULL && strstr(error.message, "moved on") != NULL);
    ANSWERS(OCCOPUS_USAGE, error.code);
}

static void replace_some(occopus_t *occopus)
{
    occopus_error_t error;
    char *result;
    const char *const other[] = {"other", NULL}, *const unknown[] = {"nobody", NULL};
    SIZED(occopus_build_options_t, options);

    options.infra = "ops";
    options.text = DESCRIPTION(NODE("web", "green") NODE("other", "green"));
    options.definitions = definitions;
    options.flags = OCCOPUS_REPLACE;
    options.only = unknown;
    ANSWERS(OCCOPUS_USAGE, occopus_build(occopus, &options, NULL, &result, &error));
    options.only = other;
    SHOWS(OCCOPUS_OK, 1, "\"result\":\"ready\"", occopus_build(occopus, &options, NULL, &result, &error));
    /* Both instances of the node that was not named are left as they were. */
    SHOWS(OCCOPUS_OK, 2, "\"outdated\":true", occopus_status(occopus, "ops", &result, &error));
    options.only = NULL;
    options.exclude = other;
    SHOWS(OCCOPUS_OK, 1, "\"result\":\"ready\"", occopus_build(occopus, &options, NULL, &result, &error));
    SHOWS(OCCOPUS_OK, 0, "\"outdated\":true", occopus_status(occopus, "ops", &result, &error));
}

static void go_back(occopus_t *occopus)
{
    occopus_error_t error;
    char *result;
    SIZED(occopus_rollback_options_t, options);

    SHOWS(OCCOPUS_OK, 1, "\"in_force\":true", occopus_history(occopus, "ops", &result, &error));
    options.generation = 99;
    ANSWERS(OCCOPUS_USAGE, occopus_rollback(occopus, "ops", &options, NULL, &result, &error));
    options.generation = 1;
    options.flags = OCCOPUS_REPLACE | OCCOPUS_CASCADE;
    SHOWS(OCCOPUS_OK, 1, "\"result\":\"ready\"",
          occopus_rollback(occopus, "ops", &options, NULL, &result, &error));
    SHOWS(OCCOPUS_OK, 0, "\"outdated\":true", occopus_status(occopus, "ops", &result, &error));
    SHOWS(OCCOPUS_OK, 0, "\"other/1\"", occopus_status(occopus, "ops", &result, &error));
}

static void replace_one(occopus_t *occopus)
{
    occopus_error_t error;
    char *result;

    ANSWERS(OCCOPUS_USAGE, occopus_replace(occopus, "ops", "web/9", &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"maintainer\":null", occopus_replace(occopus, "ops", "web/2", &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"failed\":[]", occopus_maintain(occopus, "ops", NULL, &result, &error));
    SHOWS(OCCOPUS_OK, 1, "\"done\":true", occopus_await_scaled(occopus, "ops", "web", NULL, &result, &error));
}

/* The value of the first "provider_id" in a result. */
static void provider_of(const char *result, char *provider, size_t size)
{
    const char *from = strstr(result, "\"provider_id\":\"");

    CHECK(from != NULL);
    from += strlen("\"provider_id\":\"");
    CHECK((size_t)snprintf(provider, size, "%.*s", (int)strcspn(from, "\""), from) < size);
}

static void give_up_and_clean(occopus_t *occopus)
{
    occopus_error_t error;
    char provider[256], *result;

    CHECK(occopus_abandon(occopus, "ops", &result, &error) == OCCOPUS_OK);
    CHECK(count(result, "\"provider_id\":\"") == 2);
    ANSWERS(OCCOPUS_OK, error.code);
    ANSWERS(OCCOPUS_UNKNOWN_INFRASTRUCTURE, occopus_status(occopus, "ops", &result, &error));
    for (int left = 2; left > 0; left--) {
        CHECK(occopus_orphans(occopus, NULL, &result, &error) == OCCOPUS_OK);
        CHECK(count(result, "\"provider_id\":\"") == left);
        provider_of(result, provider, sizeof provider);
        ANSWERS(OCCOPUS_OK, error.code);
        ANSWERS(OCCOPUS_USAGE, occopus_adopt(occopus, provider, &result, &error));
        SHOWS(OCCOPUS_OK, 1, "\"result\":\"destroyed\"",
              occopus_remove_orphan(occopus, provider, NULL, &result, &error));
    }
    SHOWS(OCCOPUS_OK, 1, "\"ours\":[]", occopus_orphans(occopus, NULL, &result, &error));
    ANSWERS(OCCOPUS_USAGE, occopus_remove_orphan(occopus, "nobody", NULL, &result, &error));
}

int main(void)
{
    FILE *nodes = fopen("web.yaml", "w");
    occopus_t *occopus;
    occopus_error_t error;

    CHECK(nodes != NULL && fputs(NODES, nodes) >= 0 && fclose(nodes) == 0);
    SAYS(OCCOPUS_OK, occopus_open(NULL, &occopus, &error));
    build(occopus);
    look(occopus);
    events_since(occopus, "ops");
    events_since(occopus, NULL);
    change_by_a_saved_plan(occopus);
    replace_some(occopus);
    go_back(occopus);
    replace_one(occopus);
    give_up_and_clean(occopus);
    SAYS(OCCOPUS_OK, occopus_close(occopus, &error));
    printf("%d failures\n", failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
