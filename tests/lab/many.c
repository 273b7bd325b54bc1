// many COUNT FILE [deaf]: COUNT processes below one. Every second leads a session of its own, and every tenth, or all with
// `deaf`, ignores TERM. FILE says when all are there. COUNT 0: as many as the machine gives, and it goes on asking.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void tell(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) exit(1);
    fputs("all\n", file);
    fclose(file);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    long count = atol(argv[1]);
    int told = 0;
    if (argc > 3) signal(SIGTERM, SIG_IGN);
    for (long at = 0; count == 0 || at < count; at++) {
        pid_t child = fork();
        if (child == 0) {
            if (at % 2) setsid();
            if (at % 10 == 0) signal(SIGTERM, SIG_IGN);
            for (;;) pause();
        }
        if (child > 0) continue;
        if (count != 0) return 1;
        if (!told++) tell(argv[2]);
        usleep(1000);
    }
    tell(argv[2]);
    for (;;) pause();
}
