/*
 * Situations that are nobody's fault and must do no harm: long texts, small stacks, forks at a bad moment, a
 * close in the middle of a call, an exit without one. Reads infra.yaml and nodes.yaml in the current folder and
 * uses $OCCOPUS_STORE.
 */

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <signal.h>
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

/* A message must not bring back what it complains about if that is long. */
static void refused_in_few_words(occopus_code_t code, occopus_error_t *error)
{
    CHECK(code == OCCOPUS_BAD_ARGUMENT);
    CHECK(error->message != NULL && strlen(error->message) < 200);
    CHECK(occopus_error_clear(error) == OCCOPUS_OK);
}

static void very_long_texts(occopus_t *occopus, size_t length)
{
    char *text = malloc(length + 1);
    occopus_error_t error;
    SIZED(occopus_build_options_t, build);
    SIZED(occopus_validate_options_t, validate);

    CHECK(text != NULL);
    if (text == NULL)
        return;
    memset(text, 'x', length);
    text[length] = '\0';
    refused_in_few_words(occopus_status(occopus, text, NULL, &error), &error);
    refused_in_few_words(occopus_logs(occopus, "x", text, NULL, &error), &error);
    refused_in_few_words(occopus_events(occopus, "x", text, NULL, &error), &error);
    refused_in_few_words(occopus_explain(text, NULL, &error), &error);
    build.text = text;
    refused_in_few_words(occopus_plan(occopus, &build, NULL, &error), &error);
    build.text = NULL;
    build.description = "infra.yaml";
    build.variables = text;
    refused_in_few_words(occopus_plan(occopus, &build, NULL, &error), &error);
    validate.text = text;
    refused_in_few_words(occopus_validate(&validate, NULL, &error), &error);
    free(text);
}

/* Where the description is as deep as nothing should be, so that it is read with much stack. */
static char deep[2 * 4000 + 1];

static void *with_a_small_stack(void *data)
{
    occopus_t *occopus = data;
    occopus_error_t error;
    char *result;
    SIZED(occopus_build_options_t, build);
    SIZED(occopus_validate_options_t, validate);
    SIZED(occopus_render_options_t, render);

    validate.files = (const char *const[]){"infra.yaml", "nodes.yaml", NULL};
    ANSWERS(OCCOPUS_OK, occopus_validate(&validate, &result, &error));
    validate.files = NULL;
    validate.text = deep;
    ANSWERS(OCCOPUS_INVALID, occopus_validate(&validate, &result, &error));
    build.description = render.description = "infra.yaml";
    build.definitions = render.definitions = (const char *const[]){"nodes.yaml", NULL};
    ANSWERS(OCCOPUS_OK, occopus_render(&render, &result, &error));
    ANSWERS(OCCOPUS_OK, occopus_plan(occopus, &build, &result, &error));
    build.variables = deep;
    ANSWERS(OCCOPUS_BAD_ARGUMENT, occopus_plan(occopus, &build, &result, &error));
    ANSWERS(OCCOPUS_OK, occopus_list(occopus, &result, &error));
    return NULL;
}

static void small_stacks(occopus_t *occopus)
{
    pthread_attr_t attributes;
    pthread_t thread;

    memset(deep, '[', sizeof deep / 2);
    memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
    CHECK(pthread_create(&thread, &attributes, with_a_small_stack, occopus) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

struct watcher {
    occopus_t *occopus;
    occopus_stop_t *stop;
    occopus_code_t code;
    int ends[2];
};

static void on_event(const char *event, void *data)
{
    struct watcher *watcher = data;

    (void)event;
    CHECK(write(watcher->ends[1], "", 1) == 1);
}

static void *watch(void *data)
{
    struct watcher *watcher = data;

    watcher->code = occopus_watch(watcher->occopus, NULL, watcher->stop, NULL);
    return NULL;
}

static void *close_it(void *data)
{
    struct watcher *watcher = data;

    watcher->code = occopus_close(watcher->occopus, NULL);
    return NULL;
}

/* What a child finds out about a handle of its parent, where other threads are inside of calls. */
static void fork_now(occopus_t *occopus, occopus_code_t expected)
{
    occopus_code_t codes[3] = {OCCOPUS_OK, OCCOPUS_OK, OCCOPUS_OK};
    occopus_t *other;
    int ends[2];
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        alarm(60);
        codes[0] = occopus_list(occopus, NULL, NULL);
        codes[1] = occopus_close(occopus, NULL);
        codes[2] = occopus_open(NULL, &other, NULL);
        _exit(write(ends[1], codes, sizeof codes) != sizeof codes);
    }
    close(ends[1]);
    /* Not the exit code: there, valgrind counts the threads that a child does not have as lost. */
    CHECK(read(ends[0], codes, sizeof codes) == sizeof codes);
    CHECK(codes[0] == expected && codes[1] == expected && codes[2] == OCCOPUS_WRONG_THREAD);
    close(ends[0]);
    CHECK(waitpid(child, NULL, 0) == child);
}

/* A child's own broken pipe ends it, as it would without the library. */
static void broken_pipe(void)
{
    int ends[2], status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (pipe(ends) == 0 && close(ends[0]) == 0 && write(ends[1], "", 1) == 1)
            _exit(1);
        _exit(2);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

/* A watch is under way, then a close that waits for it; calls that come later are refused at once. */
static void close_during_a_call(void)
{
    struct watcher watching = {NULL, NULL, OCCOPUS_FAILED, {0, 0}}, closing;
    occopus_error_t error;
    pthread_t watcher, closer;
    char byte, *result;
    SIZED(occopus_open_options_t, options);
    SIZED(occopus_build_options_t, build);

    CHECK(pipe(watching.ends) == 0);
    options.on_event = on_event;
    options.user_data = &watching;
    SAYS(OCCOPUS_OK, occopus_open(&options, &watching.occopus, &error));
    SAYS(OCCOPUS_OK, occopus_stop_new(&watching.stop, &error));
    build.description = "infra.yaml";
    build.definitions = (const char *const[]){"nodes.yaml", NULL};
    pthread_create(&watcher, NULL, watch, &watching);
    ANSWERS(OCCOPUS_OK, occopus_build(watching.occopus, &build, NULL, &result, &error));
    CHECK(read(watching.ends[0], &byte, 1) == 1);
    fork_now(watching.occopus, OCCOPUS_WRONG_THREAD);
    ANSWERS(OCCOPUS_OK, occopus_destroy(watching.occopus, "clock-and-reader", NULL, &result, &error));
    closing = watching;
    pthread_create(&closer, NULL, close_it, &closing);
    while (occopus_list(watching.occopus, NULL, NULL) == OCCOPUS_OK)
        ;
    ANSWERS(OCCOPUS_BAD_HANDLE, occopus_list(watching.occopus, &result, &error));
    fork_now(watching.occopus, OCCOPUS_BAD_HANDLE);
    CHECK(occopus_stop_trigger(watching.stop) == OCCOPUS_OK);
    pthread_join(watcher, NULL);
    pthread_join(closer, NULL);
    CHECK(watching.code == OCCOPUS_OK && closing.code == OCCOPUS_OK);
    /* Nobody is told anything any more. */
    close(watching.ends[1]);
    while (read(watching.ends[0], &byte, 1) == 1)
        ;
    close(watching.ends[0]);
    CHECK(occopus_stop_free(watching.stop) == OCCOPUS_OK);
}

/* Exits in the middle of a watch, without closing anything. */
static void leave(void)
{
    struct watcher watching = {NULL, NULL, OCCOPUS_FAILED, {0, 0}};
    pthread_t thread;

    watching.occopus = open_plain();
    CHECK(occopus_stop_new(&watching.stop, NULL) == OCCOPUS_OK);
    pthread_create(&thread, NULL, watch, &watching);
    CHECK(occopus_list(watching.occopus, NULL, NULL) == OCCOPUS_OK);
    fflush(NULL);
    exit(failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int main(int count, char **arguments)
{
    occopus_t *occopus;

    if (count > 1 && strcmp(arguments[1], "leave") == 0)
        leave();
    occopus = open_plain();
    very_long_texts(occopus, (size_t)256 << 20);
    small_stacks(occopus);
    broken_pipe();
    CHECK(occopus_close(occopus, NULL) == OCCOPUS_OK);
    close_during_a_call();
    printf("%d failures\n", failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
