/*
 * Builds the infrastructure of this folder, looks after it for some seconds or until Ctrl-C, shows what
 * happens meanwhile, and destroys it again.
 *
 *     orchestrate [SECONDS]
 */

#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <occopus.h>

/* Set before the first signal can come, and never changed while one may come. */
static occopus_stop_t *stop;

static void on_signal(int number)
{
    (void)number;
    /* One of the functions that signal handlers may call. */
    occopus_stop_trigger(stop);
}

static void stop_at(int number)
{
    struct sigaction action = {0};

    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* Called in a thread of the library. */
static void on_event(const char *event, void *stream)
{
    fprintf((FILE *)stream, "event %s\n", event);
}

/* Says how a call ended and returns whether it did what was asked. */
static int done(const char *what, char *result, occopus_error_t *error)
{
    int ok = error->code == OCCOPUS_OK;

    if (ok && result != NULL)
        printf("%s %s\n", what, result);
    if (!ok)
        fprintf(stderr, "%s: %s: %s\n", what, occopus_code_text(error->code), error->message);
    occopus_string_free(result);
    occopus_error_clear(error);
    return ok;
}

static int build(occopus_t *occopus)
{
    const char *definitions[] = {"nodes.yaml", NULL};
    occopus_build_options_t options = {0};
    occopus_error_t error;
    char *result = NULL;

    options.size = sizeof options;
    options.description = "infra.yaml";
    options.definitions = definitions;
    options.flags = OCCOPUS_ROLLBACK;
    occopus_build(occopus, &options, stop, &result, &error);
    return done("build", result, &error);
}

static int watch(occopus_t *occopus, unsigned seconds)
{
    const char *infras[] = {"clock-and-reader", NULL};
    occopus_watch_options_t options = {0};
    occopus_error_t error;

    options.size = sizeof options;
    options.infras = infras;
    options.interval = 1;
    alarm(seconds);
    occopus_watch(occopus, &options, stop, &error);
    return done("watch", NULL, &error);
}

static int destroy(occopus_t *occopus)
{
    occopus_error_t error;
    char *result = NULL;

    /* Not with the stop: at Ctrl-C, too, everything is to be removed. */
    occopus_destroy(occopus, "clock-and-reader", NULL, &result, &error);
    return done("destroy", result, &error);
}

int main(int count, char **arguments)
{
    unsigned seconds = count > 1 ? (unsigned)atoi(arguments[1]) : 5;
    occopus_open_options_t options = {0};
    occopus_t *occopus;
    occopus_error_t error;
    int ok;

    /* Events are to be seen when they happen, also by a program that reads them. */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    options.size = sizeof options;
    options.on_event = on_event;
    options.user_data = stdout;
    occopus_open(&options, &occopus, &error);
    if (!done("open", NULL, &error))
        return EXIT_FAILURE;
    occopus_stop_new(&stop, &error);
    ok = done("stop", NULL, &error);
    if (ok) {
        stop_at(SIGALRM);
        stop_at(SIGINT);
        ok = build(occopus);
        if (ok) {
            ok = watch(occopus, seconds);
            ok = destroy(occopus) && ok;
        }
    }
    occopus_close(occopus, &error);
    ok = done("close", NULL, &error) && ok;
    occopus_stop_free(stop);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
