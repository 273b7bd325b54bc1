// stall SOURCE FLAG DIR: shows the folder SOURCE at DIR, by FUSE. As long as the file FLAG (from the root) is there nothing is answered, as by a file
// server that is gone: whoever asked waits in the kernel, where no signal reaches it.
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *flag;
static int source;

// The path below SOURCE, once there is an answer to be had.
static const char *at(const char *path) {
    while (access(flag, F_OK) == 0) usleep(20000);
    return path[1] ? path + 1 : ".";
}

static int said(int result) { return result < 0 ? -errno : 0; }

static int on_getattr(const char *path, struct stat *st, struct fuse_file_info *info) {
    return said(fstatat(source, at(path), st, AT_SYMLINK_NOFOLLOW));
}
static int on_readlink(const char *path, char *to, size_t size) {
    ssize_t got = readlinkat(source, at(path), to, size - 1);
    if (got >= 0) to[got] = 0;
    return said(got);
}
static int on_mknod(const char *path, mode_t mode, dev_t device) { return said(mknodat(source, at(path), mode, device)); }
static int on_mkdir(const char *path, mode_t mode) { return said(mkdirat(source, at(path), mode)); }
static int on_unlink(const char *path) { return said(unlinkat(source, at(path), 0)); }
static int on_rmdir(const char *path) { return said(unlinkat(source, at(path), AT_REMOVEDIR)); }
static int on_symlink(const char *to, const char *path) { return said(symlinkat(to, source, at(path))); }
static int on_rename(const char *from, const char *to, unsigned int how) {
    return said(renameat2(source, at(from), source, at(to), how));
}
static int on_chmod(const char *path, mode_t mode, struct fuse_file_info *info) {
    return said(fchmodat(source, at(path), mode, 0));
}
static int on_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *info) {
    return said(fchownat(source, at(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}
static int on_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info) {
    return said(utimensat(source, at(path), times, AT_SYMLINK_NOFOLLOW));
}
static int opened(const char *path, int how, mode_t mode, struct fuse_file_info *info) {
    int fd = openat(source, at(path), how, mode);
    if (fd < 0) return -errno;
    info->fh = fd;
    return 0;
}
static int on_open(const char *path, struct fuse_file_info *info) { return opened(path, info->flags & ~O_APPEND, 0, info); }
static int on_create(const char *path, mode_t mode, struct fuse_file_info *info) {
    return opened(path, (info->flags & ~O_APPEND) | O_CREAT, mode, info);
}
static int on_truncate(const char *path, off_t size, struct fuse_file_info *info) {
    if (info) return said(ftruncate(info->fh, size));
    int fd = openat(source, at(path), O_WRONLY);
    int result = fd < 0 ? fd : ftruncate(fd, size);
    int error = said(result);
    if (fd >= 0) close(fd);
    return error;
}
static int on_read(const char *path, char *to, size_t size, off_t offset, struct fuse_file_info *info) {
    at(path);
    ssize_t got = pread(info->fh, to, size, offset);
    return got < 0 ? -errno : (int)got;
}
static int on_write(const char *path, const char *from, size_t size, off_t offset, struct fuse_file_info *info) {
    at(path);
    ssize_t put = pwrite(info->fh, from, size, offset);
    return put < 0 ? -errno : (int)put;
}
static int on_release(const char *path, struct fuse_file_info *info) { return said(close(info->fh)); }
static int on_statfs(const char *path, struct statvfs *st) {
    at(path);
    return said(fstatvfs(source, st));
}
static int on_readdir(const char *path, void *to, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info,
                      enum fuse_readdir_flags how) {
    int fd = openat(source, at(path), O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) return -errno;
    for (struct dirent *entry; (entry = readdir(dir));) fill(to, entry->d_name, NULL, 0, 0);
    closedir(dir);
    return 0;
}

int main(int argc, char **argv) {
    static const struct fuse_operations all = {
        .getattr = on_getattr, .readlink = on_readlink, .mknod = on_mknod, .mkdir = on_mkdir, .unlink = on_unlink,
        .rmdir = on_rmdir, .symlink = on_symlink, .rename = on_rename, .chmod = on_chmod, .chown = on_chown,
        .utimens = on_utimens, .open = on_open, .create = on_create, .truncate = on_truncate, .read = on_read,
        .write = on_write, .release = on_release, .statfs = on_statfs, .readdir = on_readdir,
    };
    if (argc != 4 || (source = open(argv[1], O_RDONLY | O_DIRECTORY)) < 0) return 2;
    flag = argv[2];
    umask(0);
    // Nothing is remembered, so that the kernel asks each time.
    char *words[] = {argv[0], "-f", "-o", "dev,suid,attr_timeout=0,entry_timeout=0,negative_timeout=0", argv[3], NULL};
    return fuse_main(5, words, &all, NULL);
}
