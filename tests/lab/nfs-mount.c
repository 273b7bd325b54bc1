/* An NFS client in user space, for hosts whose kernel has none: installed as /sbin/mount.nfs of a test host it makes
 * `mount -t nfs SERVER:/PATH DIR -o OPTIONS` work against a real server (libnfs speaks the protocol, FUSE is the mount).
 *
 *   cc -O1 -Wall -o mount.nfs nfs-mount.c $(pkg-config --cflags --libs libnfs fuse3)
 *
 * Options with a meaning here: ro, soft, vers=3|4 (also nfsvers=), timeo=TENTHS. Others are taken without a word, as
 * many of them mean nothing here. As with the kernel's client a hard mount waits for its server for good, a soft one gives
 * up; 32 is the exit code when the server does not give the export. One thread, and no cache but the kernel's of a second.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <nfsc/libnfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#define MOUNT_FAILED 32 /* mount(8) */

static struct nfs_context *server;

#define HANDLE(info) ((struct nfsfh *)(uintptr_t)(info)->fh)

/* What follows is done in the name of whoever asked for it: the server decides by uid and gid. */
static void in_their_name(void)
{
    struct fuse_context *caller = fuse_get_context();
    nfs_set_uid(server, (int)caller->uid);
    nfs_set_gid(server, (int)caller->gid);
}

static int look(const char *path, struct stat *out, struct fuse_file_info *info)
{
    struct nfs_stat_64 in;
    in_their_name();
    int rc = info && info->fh ? nfs_fstat64(server, HANDLE(info), &in) : nfs_lstat64(server, path, &in);
    if (rc < 0)
        return rc;
    *out = (struct stat){
        .st_ino = in.nfs_ino, .st_mode = in.nfs_mode, .st_nlink = in.nfs_nlink, .st_uid = in.nfs_uid,
        .st_gid = in.nfs_gid, .st_rdev = in.nfs_rdev, .st_size = in.nfs_size, .st_blksize = in.nfs_blksize,
        .st_blocks = in.nfs_used / 512,
        .st_atim = {in.nfs_atime, in.nfs_atime_nsec},
        .st_mtim = {in.nfs_mtime, in.nfs_mtime_nsec},
        .st_ctim = {in.nfs_ctime, in.nfs_ctime_nsec},
    };
    return 0;
}

/* A server that has just started says for a while that it cannot yet (NFS3ERR_JUKEBOX): as the kernel's client does, ask
 * again. */
#define PATIENTLY(rc, call) while ((rc = (call)) == -EAGAIN) usleep(100000)

static int list(const char *path, void *to, fuse_fill_dir_t put, off_t from, struct fuse_file_info *info,
                enum fuse_readdir_flags flags)
{
    struct nfsdir *folder;
    in_their_name();
    int rc = nfs_opendir(server, path, &folder);
    if (rc < 0)
        return rc;
    for (struct nfsdirent *entry; (entry = nfs_readdir(server, folder));)
        if (put(to, entry->name, NULL, 0, 0))
            break;
    nfs_closedir(server, folder);
    return 0;
}

static int open_as(const char *path, int flags, mode_t mode, struct fuse_file_info *info)
{
    struct nfsfh *handle;
    in_their_name();
    int rc = nfs_open2(server, path, flags, mode & 07777, &handle);
    /* What could not be done may have been the second half. */
    while (rc == -EAGAIN) {
        usleep(100000);
        rc = nfs_open2(server, path, flags & ~O_EXCL, mode & 07777, &handle);
    }
    if (rc == 0)
        info->fh = (uintptr_t)handle;
    return rc;
}
static int open_there(const char *path, struct fuse_file_info *info)
{
    return open_as(path, info->flags & (O_ACCMODE | O_TRUNC), 0, info);
}
static int make(const char *path, mode_t mode, struct fuse_file_info *info)
{
    return open_as(path, (info->flags & (O_ACCMODE | O_EXCL | O_TRUNC)) | O_CREAT, mode, info);
}
static int read_at(const char *path, char *to, size_t count, off_t at, struct fuse_file_info *info)
{
    int rc;
    PATIENTLY(rc, nfs_pread(server, HANDLE(info), (uint64_t)at, count, to));
    return rc;
}
static int write_at(const char *path, const char *from, size_t count, off_t at, struct fuse_file_info *info)
{
    int rc;
    PATIENTLY(rc, nfs_pwrite(server, HANDLE(info), (uint64_t)at, count, from));
    return rc;
}
static int let_go(const char *path, struct fuse_file_info *info) { return nfs_close(server, HANDLE(info)); }
static int sync_file(const char *path, int data, struct fuse_file_info *info) { return nfs_fsync(server, HANDLE(info)); }

static int cut(const char *path, off_t size, struct fuse_file_info *info)
{
    int rc;
    in_their_name();
    PATIENTLY(rc, info && info->fh ? nfs_ftruncate(server, HANDLE(info), (uint64_t)size)
                                   : nfs_truncate(server, path, (uint64_t)size));
    return rc;
}
static int make_folder(const char *path, mode_t mode)
{
    in_their_name();
    return nfs_mkdir2(server, path, mode & 07777);
}
static int drop_folder(const char *path)
{
    in_their_name();
    return nfs_rmdir(server, path);
}
static int drop(const char *path)
{
    in_their_name();
    return nfs_unlink(server, path);
}
static int move(const char *from, const char *to, unsigned flags)
{
    in_their_name();
    return flags ? -22 : nfs_rename(server, from, to);
}
static int point(const char *to, const char *path)
{
    in_their_name();
    return nfs_symlink(server, to, path);
}
static int pointed(const char *path, char *to, size_t count)
{
    in_their_name();
    return nfs_readlink(server, path, to, (int)count);
}
static int set_mode(const char *path, mode_t mode, struct fuse_file_info *info)
{
    in_their_name();
    return nfs_chmod(server, path, mode & 07777);
}
static int set_owner(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *info)
{
    in_their_name();
    return nfs_lchown(server, path, (int)uid, (int)gid);
}
static int set_times(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
    struct timeval both[2];
    for (int i = 0; i < 2; i++) {
        both[i] = (struct timeval){times[i].tv_sec, times[i].tv_nsec / 1000};
        if (times[i].tv_nsec == UTIME_NOW || times[i].tv_nsec == UTIME_OMIT)
            gettimeofday(&both[i], NULL);
    }
    in_their_name();
    return nfs_lutimes(server, path, both);
}
static int space(const char *path, struct statvfs *out)
{
    in_their_name();
    return nfs_statvfs(server, path, out);
}
static void *begin(struct fuse_conn_info *connection, struct fuse_config *config)
{
    config->use_ino = config->hard_remove = 1;
    config->attr_timeout = config->entry_timeout = 1;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = begin, .getattr = look, .readdir = list, .open = open_there, .create = make, .read = read_at,
    .write = write_at, .release = let_go, .fsync = sync_file, .truncate = cut, .mkdir = make_folder,
    .rmdir = drop_folder, .unlink = drop, .rename = move, .symlink = point, .readlink = pointed,
    .chmod = set_mode, .chown = set_owner, .utimens = set_times, .statfs = space,
};

static int refused(const char *what)
{
    fprintf(stderr, "mount.nfs: %s: %s\n", what, nfs_get_error(server));
    return MOUNT_FAILED;
}

int main(int argc, char **argv)
{
    const char *source = NULL, *at = NULL, *version = "3";
    int soft = 0, read_only = 0, tenths = 600;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            for (char *word = strtok(argv[++i], ","); word; word = strtok(NULL, ",")) {
                if (strncmp(word, "vers=", 5) == 0 || strncmp(word, "nfsvers=", 8) == 0)
                    version = strchr(word, '=') + 1;
                else if (strncmp(word, "timeo=", 6) == 0)
                    tenths = atoi(word + 6);
                else if (strcmp(word, "soft") == 0)
                    soft = 1;
                else if (strcmp(word, "ro") == 0)
                    read_only = 1;
            }
        } else if (argv[i][0] != '-') {
            *(source ? &at : &source) = argv[i];
        }
    }
    const char *path = source ? strstr(source, ":/") : NULL;
    if (!path || !at) {
        fprintf(stderr, "usage: mount.nfs SERVER:/PATH DIR [-o OPTIONS]\n");
        return 1;
    }
    char url[4096], words[4096];
    snprintf(url, sizeof url, "nfs://%.*s%s?auto-traverse-mounts=0&version=%c", (int)(path - source), source, path + 1,
             version[0]);
    server = nfs_init_context();
    struct nfs_url *parts = nfs_parse_url_dir(server, url);
    if (!parts)
        return refused(source);
    /* The first answer is waited for so long, whatever the mount is to be: who mounts wants to know. */
    nfs_set_timeout(server, tenths * 100);
    nfs_set_autoreconnect(server, 1);
    if (nfs_mount(server, parts->server, parts->path) != 0)
        return refused(source);
    if (!soft) {
        nfs_set_timeout(server, -1);
        nfs_set_autoreconnect(server, -1);
    }
    snprintf(words, sizeof words, "subtype=nfs,fsname=%s,allow_other,default_permissions%s", source, read_only ? ",ro" : "");
    char *call[] = {argv[0], "-s", "-o", words, (char *)at, NULL};
    umask(0);
    return fuse_main(5, call, &operations, NULL);
}
