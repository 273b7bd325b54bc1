// proxy FILE COMMAND...: a bad line to COMMAND. As long as FILE ("SEED SESSIONS") leaves it one of its sessions, what goes over the line goes in
// pieces of any size, each after a while, each way for itself. At some byte the line is dead for who calls, in most sessions, while what it said
// before still comes to COMMAND: late, when the caller has long begun to talk to another COMMAND. So what one session said and what the next one says
// change places.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static uint64_t state;

// splitmix64: any number but BELOW.
static uint64_t any(uint64_t below) {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % below;
}

// Carries what comes from one end to the other until it ends, or CUT bytes have gone. The last piece of what was there waits for less than
// WAIT milliseconds, others for less than 3: so a program gets through, and each order after it comes late.
static void carry(int from, int to, uint64_t cut, uint64_t wait) {
    char piece[512];
    while (cut > 0) {
        size_t size = 1 + any(any(4) ? 24 : sizeof piece);
        ssize_t got = read(from, piece, size < cut ? size : cut);
        if (got <= 0) return;
        usleep(any((size_t)got < size ? wait : 3) * 1000);
        for (ssize_t gone = 0; gone < got;) {
            ssize_t wrote = write(to, piece + gone, got - gone);
            if (wrote < 0) return;
            gone += wrote;
        }
        cut -= got;
    }
}

// Takes one of the sessions that FILE leaves; 0 when none is left.
static int take_session(const char *file) {
    unsigned long long seed = 0;
    int left = 0, fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) return 0;
    flock(fd, LOCK_EX);
    FILE *text = fdopen(fd, "r+");
    if (fscanf(text, "%llu %d", &seed, &left) == 2 && left > 0) {
        rewind(text);
        fprintf(text, "%llu %d\n", seed, left - 1);
    }
    fclose(text);
    state = seed * 1000 + left;
    return left > 0;
}

int main(int count, char **words) {
    int in[2], out[2];
    if (count < 3) return 2;
    if (!take_session(words[1])) {
        execvp(words[2], words + 2);
        return 127;
    }
    // A session has some tens of kilobytes to the node, its program, and some hundred bytes back.
    uint64_t way = any(4), cut_in = way == 1 ? 1 + any(130000) : UINT64_MAX, cut_out = way >= 2 ? 1 + any(900) : UINT64_MAX;
    uint64_t late = any(2) ? 12 : 1200;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) return 1;
    if (fork() == 0) {
        setsid();
        dup2(in[0], 0);
        dup2(out[1], 1);
        execvp(words[2], words + 2);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (fork() == 0) {
        // On its own, so that it goes on when the caller has ended this session.
        setsid();
        close(1);
        close(2);
        close(out[0]);
        carry(0, in[1], cut_in, late);
        _exit(0);
    }
    close(0);
    close(in[1]);
    carry(out[0], 1, cut_out, 8);
    return 0;
}
