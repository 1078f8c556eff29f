/*
 * Does everything that the header forbids, and some things that it promises to stand, and checks the codes.
 * Reads infra.yaml, nodes.yaml and slow.yaml in the current folder and uses $OCCOPUS_STORE.
 */

#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <occopus.h>

#include "check.h"

static occopus_t *open_plain(void)
{
    occopus_t *occopus;
    occopus_error_t error;

    SAYS(OCCOPUS_OK, occopus_open(NULL, &occopus, &error));
    return occopus;
}

static void nothing_where_something_is_needed(occopus_t *occopus)
{
    occopus_error_t error;
    occopus_stop_t *stop;
    char *result;

    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_open(NULL, NULL, &error));
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_stop_new(NULL, &error));
    SAYS(OCCOPUS_BAD_HANDLE, occopus_close(NULL, &error));
    ANSWERS(OCCOPUS_BAD_HANDLE, occopus_list(NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_status(occopus, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_logs(occopus, NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_outputs(occopus, NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_inventory(occopus, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_graph(occopus, NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_history(occopus, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_rollback(occopus, "x", NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_replace(occopus, "x", NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_await_scaled(occopus, "x", NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_abandon(occopus, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_HANDLE, occopus_orphans(NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_adopt(occopus, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_remove_orphan(occopus, NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_schema(NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_define(occopus, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_build(occopus, NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_maintain(occopus, NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_destroy(occopus, NULL, NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_scale(occopus, "x", NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_hold(occopus, "x", NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_lift(occopus, NULL, NULL, OCCOPUS_PAUSE, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_validate(NULL, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_render(NULL, &result, &error));
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_watch(occopus, NULL, NULL, &error));
    CHECK(occopus_error_clear(NULL) == OCCOPUS_BAD_ARGUMENT);
    CHECK(occopus_string_free(NULL) == OCCOPUS_OK);
    CHECK(occopus_stop_trigger(NULL) == OCCOPUS_BAD_HANDLE);
    CHECK(occopus_stop_free(NULL) == OCCOPUS_BAD_HANDLE);
    /* Who wants neither a result nor an error, gets none and leaks none. */
    CHECK(occopus_list(occopus, NULL, NULL) == OCCOPUS_OK);
    CHECK(occopus_status(occopus, "nobody", NULL, NULL) == OCCOPUS_UNKNOWN_INFRASTRUCTURE);
    CHECK(occopus_stop_new(&stop, NULL) == OCCOPUS_OK);
    CHECK(occopus_stop_free(stop) == OCCOPUS_OK);
}

/* Options of a program that was compiled with a header to come. */
struct later {
    occopus_build_options_t known;
    uint64_t added[2];
};

static void wrong_sizes(occopus_t *occopus)
{
    occopus_error_t error;
    occopus_t *other;
    struct later later;
    char *result;
    SIZED(occopus_open_options_t, options);
    SIZED(occopus_watch_options_t, watching);

    options.size = 0;
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_open(&options, &other, &error));
    CHECK(other == NULL);
    options.size = sizeof options - 1;
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_open(&options, &other, &error));
    options.size = SIZE_MAX;
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_open(&options, &other, &error));
    watching.size = 1;
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_watch(occopus, &watching, NULL, &error));
    memset(&later, 0, sizeof later);
    later.known.size = sizeof later;
    later.known.description = "infra.yaml";
    later.known.definitions = (const char *const[]){"nodes.yaml", NULL};
    ANSWERS(OCCOPUS_OK, occopus_plan(occopus, &later.known, &result, &error));
    later.added[1] = 1;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &later.known, &result, &error));
    /* A program of the first version knows nothing of what comes behind the flags. */
    memset(&later.known.flags + 2, 0xa5, sizeof later.known - offsetof(occopus_build_options_t, flags) - 8);
    later.known.size = offsetof(occopus_build_options_t, flags) + 8;
    ANSWERS(OCCOPUS_OK, occopus_plan(occopus, &later.known, &result, &error));
}

static void wrong_texts(occopus_t *occopus)
{
    occopus_error_t error;
    char *result;
    const char *broken[] = {"nodes.yaml", "\xc3(", NULL};
    SIZED(occopus_build_options_t, build);
    SIZED(occopus_validate_options_t, validate);

    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_status(occopus, "\xff\xfe", &result, &error));
    build.description = "infra.yaml";
    build.definitions = broken;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.definitions = NULL;
    for (const char *const *json = (const char *const[]){"", "{", "[1]", "nonsense", "{} {}", NULL}; *json; json++) {
        build.variables = *json;
        ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    }
    build.variables = NULL;
    build.text = "infra_name: both";
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.description = build.text = NULL;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.text = "infra_name: [\n";
    CHECK(occopus_plan(occopus, &build, &result, &error) == OCCOPUS_INVALID);
    CHECK(result == NULL && error.problems != NULL && error.problems[0] == '[');
    ANSWERS(OCCOPUS_INVALID, error.code);
    validate.text = "infra_name: x\nnodes: 3\n";
    CHECK(occopus_validate(&validate, &result, &error) == OCCOPUS_INVALID);
    CHECK(result != NULL && strstr(result, "\"problems\"") != NULL && error.problems != NULL);
    ANSWERS(OCCOPUS_INVALID, error.code);
    CHECK(occopus_define(occopus, "no/such/file.yaml", &result, &error) != OCCOPUS_OK);
    ANSWERS(error.code, error.code);
    ANSWERS(OCCOPUS_UNKNOWN_INFRASTRUCTURE, occopus_status(occopus, "nobody", &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_events(occopus, NULL, "17", &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_graph(occopus, "x", "png", &result, &error));
    ANSWERS(OCCOPUS_USAGE, occopus_explain("OCC9999", &result, &error));
    ANSWERS(OCCOPUS_USAGE, occopus_schema("nonsense", &result, &error));
}

/* Options that go against each other. */
static void wrong_company(occopus_t *occopus)
{
    occopus_error_t error;
    char *result;
    const char *const nobody[] = {NULL}, *const web[] = {"web", NULL};
    SIZED(occopus_build_options_t, build);
    SIZED(occopus_rollback_options_t, rollback);

    build.description = "infra.yaml";
    build.infra = "x";
    build.only = web;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.flags = OCCOPUS_REPLACE;
    build.only = nobody;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.only = NULL;
    build.infra = NULL;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.flags = OCCOPUS_CASCADE;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.flags = 0;
    build.plan = "absent.json";
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_build(occopus, &build, NULL, &result, &error));
    build.description = NULL;
    build.flags = OCCOPUS_SEQUENTIAL;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_build(occopus, &build, NULL, &result, &error));
    build.flags = 0;
    ANSWERS(OCCOPUS_FILE, occopus_build(occopus, &build, NULL, &result, &error));
    build.plan = "infra.yaml";
    ANSWERS(OCCOPUS_USAGE, occopus_build(occopus, &build, NULL, &result, &error));
    build.save = "plan.json";
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_build(occopus, &build, NULL, &result, &error));
    rollback.flags = OCCOPUS_ROLLBACK;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_rollback(occopus, "x", &rollback, NULL, &result, &error));
}

static void wrong_numbers(occopus_t *occopus, occopus_stop_t *stop)
{
    occopus_error_t error;
    occopus_t *other;
    char *result;
    const char *nobody[] = {NULL};
    SIZED(occopus_open_options_t, opening);
    SIZED(occopus_build_options_t, build);
    SIZED(occopus_watch_options_t, watch);
    SIZED(occopus_scale_options_t, scale);
    SIZED(occopus_hold_options_t, hold);

    opening.flags = 1u << 31;
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_open(&opening, &other, &error));
    build.description = "infra.yaml";
    build.flags = 1u << 31;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.flags = OCCOPUS_CREATE;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    build.flags = OCCOPUS_NEW;
    build.infra = "x";
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    watch.infras = nobody;
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_watch(occopus, &watch, stop, &error));
    watch.infras = NULL;
    for (const double *interval = (const double[]){-1, 1e9, NAN, INFINITY, 0}; *interval != 0; interval++) {
        watch.interval = *interval;
        SAYS(OCCOPUS_BAD_ARGUMENT, occopus_watch(occopus, &watch, stop, &error));
    }
    scale.node = "clock";
    scale.change = 99;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_scale(occopus, "x", &scale, &result, &error));
    scale.change = OCCOPUS_SCALE_ADD;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_scale(occopus, "x", &scale, &result, &error));
    scale.change = OCCOPUS_SCALE_REMOVE_INSTANCE;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_scale(occopus, "x", &scale, &result, &error));
    hold.kind = 99;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_hold(occopus, "x", &hold, &result, &error));
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_lift(occopus, "x", NULL, 99, &result, &error));
    CHECK(strcmp(occopus_code_text(-1), "unknown") == 0);
    CHECK(strcmp(occopus_code_text(OCCOPUS_BUSY), "busy") == 0);
}

static void handles_that_are_none(void)
{
    occopus_t *occopus = open_plain();
    occopus_error_t error;
    occopus_stop_t *stop;
    char *result, *copy;
    int local = 0;

    SAYS(OCCOPUS_OK, occopus_stop_new(&stop, &error));
    ANSWERS(OCCOPUS_BAD_HANDLE, occopus_list((occopus_t *)(void *)&local, &result, &error));
    ANSWERS(OCCOPUS_BAD_HANDLE, occopus_list((occopus_t *)(void *)stop, &result, &error));
    ANSWERS(OCCOPUS_BAD_HANDLE,
            occopus_destroy(occopus, "x", (occopus_stop_t *)(void *)occopus, &result, &error));
    CHECK(occopus_stop_trigger((occopus_stop_t *)(void *)occopus) == OCCOPUS_BAD_HANDLE);
    CHECK(occopus_stop_trigger((occopus_stop_t *)(void *)&local) == OCCOPUS_BAD_HANDLE);
    CHECK(occopus_stop_free(stop) == OCCOPUS_OK);
    CHECK(occopus_stop_free(stop) == OCCOPUS_BAD_HANDLE);
    CHECK(occopus_stop_trigger(stop) == OCCOPUS_BAD_HANDLE);
    SAYS(OCCOPUS_BAD_HANDLE, occopus_watch(occopus, NULL, stop, &error));

    CHECK(occopus_list(occopus, &result, &error) == OCCOPUS_OK);
    copy = result;
    CHECK(occopus_string_free(result) == OCCOPUS_OK);
    CHECK(occopus_string_free(copy) == OCCOPUS_BAD_HANDLE);
    CHECK(occopus_string_free((char *)(void *)&local) == OCCOPUS_BAD_HANDLE);
    copy = malloc(8);
    CHECK(occopus_string_free(copy) == OCCOPUS_BAD_HANDLE);
    free(copy);
    CHECK(occopus_string_free((char *)(uintptr_t)occopus_version()) == OCCOPUS_BAD_HANDLE);
    memset(&error, 0xa5, sizeof error);
    CHECK(occopus_error_clear(&error) == OCCOPUS_BAD_HANDLE);
    CHECK(occopus_error_clear(&error) == OCCOPUS_OK);

    SAYS(OCCOPUS_OK, occopus_close(occopus, &error));
    SAYS(OCCOPUS_BAD_HANDLE, occopus_close(occopus, &error));
    ANSWERS(OCCOPUS_BAD_HANDLE, occopus_list(occopus, &result, &error));
}

static void as_many_stops_as_there_can_be(void)
{
    enum { MOST = 256 };
    occopus_stop_t *stops[MOST], *first, *one_more;
    occopus_error_t error;

    for (int i = 0; i < MOST; i++)
        SAYS(OCCOPUS_OK, occopus_stop_new(&stops[i], &error));
    SAYS(OCCOPUS_BAD_ARGUMENT, occopus_stop_new(&one_more, &error));
    first = stops[0];
    for (int i = 0; i < MOST; i++)
        CHECK(occopus_stop_free(stops[i]) == OCCOPUS_OK);
    /* Another one in the place of the first is not the first. */
    SAYS(OCCOPUS_OK, occopus_stop_new(&one_more, &error));
    CHECK(occopus_stop_trigger(first) == OCCOPUS_BAD_HANDLE);
    CHECK(occopus_stop_free(one_more) == OCCOPUS_OK);
}

static void a_child(occopus_t *occopus)
{
    occopus_code_t codes[2] = {OCCOPUS_OK, OCCOPUS_OK};
    int ends[2];
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        codes[0] = occopus_list(occopus, NULL, NULL);
        codes[1] = occopus_close(occopus, NULL);
        _exit(write(ends[1], codes, sizeof codes) != sizeof codes);
    }
    close(ends[1]);
    /* Not the exit code: there, valgrind counts the threads that a child does not have as lost. */
    CHECK(read(ends[0], codes, sizeof codes) == sizeof codes);
    CHECK(codes[0] == OCCOPUS_WRONG_THREAD && codes[1] == OCCOPUS_WRONG_THREAD);
    close(ends[0]);
    CHECK(waitpid(child, NULL, 0) == child);
}

/* What a callback knows and finds out. */
struct listener {
    occopus_t *occopus;
    pthread_t opener;
    sem_t started;
    int events, elsewhere, refused, allowed, ready, closed, late;
};

static void on_event(const char *event, void *data)
{
    struct listener *listener = data;
    occopus_error_t error;
    char *result;

    listener->events++;
    listener->late += listener->closed;
    listener->elsewhere += !pthread_equal(pthread_self(), listener->opener);
    listener->ready += strstr(event, "\"infraready\"") != NULL;
    result = (char *)(uintptr_t)1;
    listener->refused +=
        occopus_list(listener->occopus, &result, &error) == OCCOPUS_WRONG_THREAD && result == NULL;
    listener->refused += occopus_close(listener->occopus, NULL) == OCCOPUS_WRONG_THREAD;
    listener->refused += occopus_open(NULL, NULL, NULL) == OCCOPUS_WRONG_THREAD;
    listener->allowed += occopus_error_clear(&error) == OCCOPUS_OK && occopus_version() != NULL;
    if (strstr(event, "\"nodestarted\"") != NULL)
        sem_post(&listener->started);
}

static occopus_t *open_listening(struct listener *listener)
{
    occopus_error_t error;
    SIZED(occopus_open_options_t, options);

    memset(listener, 0, sizeof *listener);
    sem_init(&listener->started, 0, 0);
    listener->opener = pthread_self();
    options.on_event = on_event;
    options.user_data = listener;
    SAYS(OCCOPUS_OK, occopus_open(&options, &listener->occopus, &error));
    return listener->occopus;
}

static void a_callback_that_calls_back(void)
{
    struct listener listener;
    occopus_t *occopus = open_listening(&listener);
    occopus_error_t error;
    char *result;
    SIZED(occopus_build_options_t, build);
    SIZED(occopus_scale_options_t, scale);
    SIZED(occopus_hold_options_t, hold);

    build.description = "infra.yaml";
    build.definitions = (const char *const[]){"nodes.yaml", NULL};
    ANSWERS(OCCOPUS_OK, occopus_build(occopus, &build, NULL, &result, &error));
    /* All events of a call are delivered when it returns. */
    CHECK(listener.ready == 1);
    CHECK(listener.elsewhere == listener.events);
    CHECK(listener.refused == 3 * listener.events);
    CHECK(listener.allowed == listener.events);
    ANSWERS(OCCOPUS_USAGE, occopus_build(occopus, &build, NULL, &result, &error));

    scale.node = "reader";
    scale.change = OCCOPUS_SCALE_ADD;
    scale.count = 1;
    ANSWERS(OCCOPUS_OK, occopus_scale(occopus, "clock-and-reader", &scale, &result, &error));
    CHECK(occopus_maintain(occopus, "clock-and-reader", NULL, &result, &error) == OCCOPUS_OK);
    CHECK(strstr(result, "reader/3") != NULL);
    ANSWERS(OCCOPUS_OK, error.code);
    hold.kind = OCCOPUS_PROTECT;
    hold.reason = "test";
    ANSWERS(OCCOPUS_OK, occopus_hold(occopus, "clock-and-reader", &hold, &result, &error));
    CHECK(occopus_destroy(occopus, "clock-and-reader", NULL, NULL, NULL) != OCCOPUS_OK);
    ANSWERS(OCCOPUS_OK, occopus_lift(occopus, "clock-and-reader", NULL, OCCOPUS_PROTECT, &result, &error));
    ANSWERS(OCCOPUS_OK, occopus_logs(occopus, "clock-and-reader", "clock", &result, &error));
    ANSWERS(OCCOPUS_OK, occopus_events(occopus, "clock-and-reader", NULL, &result, &error));
    ANSWERS(OCCOPUS_OK, occopus_status(occopus, "clock-and-reader", &result, &error));
    ANSWERS(OCCOPUS_OK, occopus_destroy(occopus, "clock-and-reader", NULL, &result, &error));
    SAYS(OCCOPUS_OK, occopus_close(occopus, &error));
    listener.closed = 1;
    CHECK(listener.late == 0);
    sem_destroy(&listener.started);
}

/* Stops when an instance has started. */
struct stopper {
    struct listener *listener;
    occopus_stop_t *stop;
    occopus_code_t said;
};

static void *stop_when_started(void *data)
{
    struct stopper *stopper = data;

    sem_wait(&stopper->listener->started);
    stopper->said = occopus_stop_trigger(stopper->stop);
    return NULL;
}

static void stopped_by_another_thread(void)
{
    struct listener listener;
    occopus_t *occopus = open_listening(&listener);
    struct stopper stopper = {&listener, NULL, OCCOPUS_FAILED};
    occopus_error_t error;
    pthread_t thread;
    char *result;
    SIZED(occopus_build_options_t, build);

    SAYS(OCCOPUS_OK, occopus_stop_new(&stopper.stop, &error));
    pthread_create(&thread, NULL, stop_when_started, &stopper);
    build.text = "infra_name: slow\nuser_id: t\nnodes:\n  - {name: slow, type: slow}\n";
    build.definitions = (const char *const[]){"slow.yaml", NULL};
    CHECK(occopus_build(occopus, &build, stopper.stop, &result, &error) == OCCOPUS_INTERRUPTED);
    CHECK(result != NULL && strstr(result, "\"interrupted\"") != NULL);
    ANSWERS(OCCOPUS_INTERRUPTED, error.code);
    pthread_join(thread, NULL);
    CHECK(stopper.said == OCCOPUS_OK);
    /* It stays stopped. */
    SAYS(OCCOPUS_OK, occopus_watch(occopus, NULL, stopper.stop, &error));
    CHECK(occopus_stop_free(stopper.stop) == OCCOPUS_OK);
    ANSWERS(OCCOPUS_OK, occopus_destroy(occopus, "slow", NULL, &result, &error));
    SAYS(OCCOPUS_OK, occopus_close(occopus, &error));
    sem_destroy(&listener.started);
}

struct caller {
    occopus_t *occopus;
    occopus_stop_t *stop;
    occopus_code_t code;
};

static void *call_list(void *data)
{
    struct caller *caller = data;

    caller->code = OCCOPUS_OK;
    for (int i = 0; i < 10 && caller->code == OCCOPUS_OK; i++)
        caller->code = occopus_list(caller->occopus, NULL, NULL);
    return NULL;
}

static void *call_watch(void *data)
{
    struct caller *caller = data;

    caller->code = occopus_watch(caller->occopus, NULL, caller->stop, NULL);
    return NULL;
}

static void many_threads_and_a_close(void)
{
    enum { THREADS = 4 };
    struct caller callers[THREADS], watcher;
    pthread_t threads[THREADS], watching;
    occopus_error_t error;

    watcher.occopus = open_plain();
    SAYS(OCCOPUS_OK, occopus_stop_new(&watcher.stop, &error));
    pthread_create(&watching, NULL, call_watch, &watcher);
    for (int i = 0; i < THREADS; i++) {
        callers[i].occopus = watcher.occopus;
        pthread_create(&threads[i], NULL, call_list, &callers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(callers[i].code == OCCOPUS_OK);
    }
    CHECK(occopus_stop_trigger(watcher.stop) == OCCOPUS_OK);
    /* Waits for the watch if it is still under way. */
    SAYS(OCCOPUS_OK, occopus_close(watcher.occopus, &error));
    pthread_join(watching, NULL);
    CHECK(watcher.code == OCCOPUS_OK || watcher.code == OCCOPUS_BAD_HANDLE);
    CHECK(occopus_stop_free(watcher.stop) == OCCOPUS_OK);
}

int main(void)
{
    occopus_t *occopus = open_plain();
    occopus_error_t error;
    occopus_stop_t *stop;

    SAYS(OCCOPUS_OK, occopus_stop_new(&stop, &error));
    nothing_where_something_is_needed(occopus);
    wrong_sizes(occopus);
    wrong_texts(occopus);
    wrong_company(occopus);
    wrong_numbers(occopus, stop);
    a_child(occopus);
    CHECK(occopus_stop_free(stop) == OCCOPUS_OK);
    SAYS(OCCOPUS_OK, occopus_close(occopus, &error));
    handles_that_are_none();
    as_many_stops_as_there_can_be();
    a_callback_that_calls_back();
    stopped_by_another_thread();
    many_threads_and_a_close();
    printf("%d failures\n", failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
