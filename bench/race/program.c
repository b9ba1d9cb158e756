/* What is raced: a program that takes no time of its own, and notes its moments.

   program chain SECONDS FILE   sends READY=1 so long after its main() began; FILE: "MAIN READY" (epoch seconds)
   program lines COUNT FILE     prints so many lines of 100 bytes first; FILE: "BEGAN ENDED" of the printing
   program tree COUNT           is ready when it has so many descendants who left it and do not hear SIGTERM

   In C, since an interpreter's start would be in each number. sd_notify(3). */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void notify(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path) return;
    strncpy(to.sun_path, path, sizeof to.sun_path - 1);
    int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sendto(out, "READY=1", 7, 0, (struct sockaddr *)&to, sizeof to);
    close(out);
}

static void note(const char *file, double one, double other) {
    FILE *out = fopen(file, "w");
    if (!out) exit(2);
    fprintf(out, "%.6f %.6f\n", one, other);
    fclose(out);
}

static void wait_for(double seconds) {
    struct timespec span = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    nanosleep(&span, NULL);
}

static void print(long count) {
    char line[101];
    memset(line, 'x', 99);
    line[99] = '\n';
    line[100] = 0;
    for (long each = 0; each < count; each++) {
        int width = snprintf(line, sizeof line, "%s line %ld of a thousand times a thousand ",
                             each % 1000 == 999 ? "needle" : "common", each);
        line[width] = 'x';
        fwrite(line, 1, 100, stdout);
    }
    fflush(stdout);
}

/* Twice forked, in a session of its own, deaf: what a daemon that hides does. */
static void hide(void) {
    pid_t between = fork();
    if (between) {
        waitpid(between, NULL, 0);
        return;
    }
    setsid();
    if (fork()) _exit(0);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    int nothing = open("/dev/null", O_RDWR);
    for (int file = 0; file < 3; file++) dup2(nothing, file);
    for (;;) pause();
}

int main(int count, char **words) {
    double began = now();
    if (count < 3) return 2;
    if (!strcmp(words[1], "chain")) {
        wait_for(atof(words[2]));
        double ready = now();
        notify();
        note(words[3], began, ready);
    } else if (!strcmp(words[1], "lines")) {
        print(atol(words[2]));
        note(words[3], began, now());
        notify();
    } else {
        for (long each = atol(words[2]); each > 0; each--) hide();
        notify();
    }
    for (;;) pause();
}
