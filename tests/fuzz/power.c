/* Preloaded: kills the process at the n-th call that changes a file below a folder, and keeps what was waited for.

   Whatever fsync or fdatasync returned for is copied: a file as <shadow>/<inode>, a folder's names as <shadow>/<inode>.names.
   So the shadow holds what a power cut leaves in the worst case. `arm` is called by the test in its own child process. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[4096], shadow[4096];
static long left = -1, calls = 0;

long changes(void) { return calls; }

void arm(const char *below, const char *kept, long at)
{
    snprintf(root, sizeof root, "%s/", below);
    snprintf(shadow, sizeof shadow, "%s", kept);
    left = at;
    calls = 0;
}

static int ours(const char *path) { return left >= 0 && strncmp(path, root, strlen(root)) == 0; }

static int held(int fd, char *path)
{
    char link[64];
    if (left < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 4095);
    if (n < 0)
        return 0;
    path[n] = 0;
    strcat(path, "/"); /* the root itself counts, too */
    int found = ours(path);
    path[n] = 0;
    return found;
}

static void strike(void)
{
    calls++;
    if (left > 0 && --left == 0)
        kill(getpid(), SIGKILL);
}

static void keep(int fd, const char *path)
{
    struct stat s;
    char to[4300], part[4400], block[65536];
    if (fstat(fd, &s))
        return;
    int folder = S_ISDIR(s.st_mode);
    snprintf(to, sizeof to, "%s/%lu%s", shadow, (unsigned long)s.st_ino, folder ? ".names" : "");
    snprintf(part, sizeof part, "%s.part", to);
    if (folder) {
        FILE *out = fopen(part, "w");
        DIR *names = opendir(path);
        for (struct dirent *e; names && (e = readdir(names));)
            if (e->d_name[0] != '.' || strlen(e->d_name) > 2)
                fprintf(out, "%lu %c %s\n", (unsigned long)e->d_ino, e->d_type == DT_DIR ? 'd' : 'f', e->d_name);
        closedir(names);
        fclose(out);
    } else {
        int in = open(path, O_RDONLY), out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        for (ssize_t n; in >= 0 && (n = read(in, block, sizeof block)) > 0;)
            if (write(out, block, n) != n)
                break;
        close(in);
        close(out);
    }
    rename(part, to);
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define ON_FILE(result, name, given, passed)                                                                           \
    result name given                                                                                                  \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        char path[4200];                                                                                               \
        if (held(fd, path))                                                                                            \
            strike();                                                                                                  \
        return real passed;                                                                                            \
    }

#define WAITED(name)                                                                                                   \
    int name(int fd)                                                                                                   \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        char path[4200];                                                                                               \
        int is_ours = held(fd, path);                                                                                  \
        if (is_ours)                                                                                                   \
            strike();                                                                                                  \
        int done = real(fd);                                                                                           \
        if (is_ours && !done)                                                                                          \
            keep(fd, path);                                                                                            \
        return done;                                                                                                   \
    }

#define ON_NAME(name, given, passed)                                                                                   \
    int name given                                                                                                     \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        if (ours(path))                                                                                                \
            strike();                                                                                                  \
        return real passed;                                                                                            \
    }

ON_FILE(ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n))
ON_FILE(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at))
ON_FILE(ssize_t, pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at))
ON_FILE(int, ftruncate, (int fd, off_t n), (fd, n))
ON_FILE(int, ftruncate64, (int fd, off64_t n), (fd, n))
WAITED(fsync)
WAITED(fdatasync)
ON_NAME(rename, (const char *path, const char *to), (path, to))
ON_NAME(unlink, (const char *path), (path))
ON_NAME(mkdir, (const char *path, mode_t mode), (path, mode))
