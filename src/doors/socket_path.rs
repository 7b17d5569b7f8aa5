//! Where the control socket lies, and who may lie there.
//!
//! A runtime claims its path by a lock on `<path>.lock`, held as long as it lives: two starts can
//! never both believe that the path is theirs, and a socket under a free lock was left by a dead
//! runtime and is replaced. The socket is for its owner alone (mode 0600), and so is a folder made
//! for it (0700).

use rustix::{fs::OFlags, process::getuid};
use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// The longest path that a Unix socket can have, in bytes: `sun_path` holds 108 with its final
/// zero.
pub const PATH_BYTES_MAX: usize = 107;

/// How often a lock file may vanish while we open it before we give up.
const LOCK_TRIES: u32 = 16;

/// Why a path cannot be the control socket.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum SocketError {
    #[error(
        "control socket {path}: {bytes} bytes, but a Unix socket's path holds {PATH_BYTES_MAX}: \
         choose a shorter one with `--socket` or `control.socket`"
    )]
    TooLong { path: PathBuf, bytes: usize },
    #[error(
        "control socket {path}: in use by {holder}: stop it with `planaria stop --socket {path}`, \
         or choose another path with `--socket`"
    )]
    InUse { path: PathBuf, holder: String },
    #[error(
        "control socket {path}: there is {what} at this path: remove it, \
         or choose another path with `--socket`"
    )]
    NotASocket { path: PathBuf, what: &'static str },
    #[error(
        "folder {folder} of the control socket: {what}: remove it, \
         or choose another path with `--socket`"
    )]
    Folder { folder: PathBuf, what: String },
    #[error("cannot {action} {path}: choose another path with `--socket`")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// `$XDG_RUNTIME_DIR/planaria/control.sock`, else `/tmp/planaria-UID/control.sock`.
pub fn default_path() -> PathBuf {
    let folder = match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(folder) if folder.is_absolute() => folder.join("planaria"),
        Some(_) | None => PathBuf::from(format!("/tmp/planaria-{}", getuid().as_raw())),
    };
    folder.join("control.sock")
}

/// Refuses a path that no Unix socket can have.
///
/// # Errors
/// `SocketError::TooLong`.
pub fn check_length(path: &Path) -> Result<(), SocketError> {
    let bytes = path.as_os_str().len();
    if bytes > PATH_BYTES_MAX {
        return Err(SocketError::TooLong { path: path.into(), bytes });
    }
    Ok(())
}

/// A control socket that is ours: bound, locked, and removed when this value is dropped.
#[derive(Debug)]
pub struct SocketClaim {
    path: PathBuf,
    lock_path: PathBuf,
    /// Device and inode of the socket's file: another one at its path is not ours to remove.
    identity: (u64, u64),
    /// Held for its lock, which ends with it.
    _lock: File,
}

impl SocketClaim {
    /// Claims `path` and listens there.
    ///
    /// # Errors `SocketError` for a path that is too long, in use by a live runtime, taken by
    /// something that is no socket, or in a folder that belongs to somebody else.
    pub fn listen(path: &Path) -> Result<(SocketClaim, UnixListener), SocketError> {
        check_length(path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            prepare_folder(folder, path == default_path())?;
        }
        let (lock, lock_path) = lock(path)?;
        remove_the_dead(path)?;
        let at = |action| move |source| SocketError::Io { action, path: path.into(), source };
        let listener = UnixListener::bind(path).map_err(at("listen at"))?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(at("protect"))?;
        let file = fs::symlink_metadata(path).map_err(at("look at"))?;
        let identity = (file.dev(), file.ino());
        Ok((SocketClaim { path: path.into(), lock_path, identity, _lock: lock }, listener))
    }

    /// Where the socket lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketClaim {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.identity);
        if ours {
            // What cannot be removed is replaced by the next start: its lock is free.
            let _ = fs::remove_file(&self.path);
        }
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// Makes the socket's folder when there is none; a private one must be ours and closed to others.
fn prepare_folder(folder: &Path, is_private: bool) -> Result<(), SocketError> {
    let at = |action| move |source| SocketError::Io { action, path: folder.into(), source };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(at("make the folder"))?;
    if !is_private {
        return Ok(());
    }
    let found = fs::symlink_metadata(folder).map_err(at("look at"))?;
    let refuse = |what: String| Err(SocketError::Folder { folder: folder.into(), what });
    if !found.is_dir() {
        return refuse("it is a link".into());
    }
    if found.uid() != getuid().as_raw() {
        return refuse(format!("it belongs to user {}, not to you", found.uid()));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(at("protect"))?;
    }
    Ok(())
}

/// Takes the lock beside `path` and writes our process into it.
fn lock(path: &Path) -> Result<(File, PathBuf), SocketError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let at = |action| {
        let path = lock_path.clone();
        move |source| SocketError::Io { action, path, source }
    };
    for _ in 0..LOCK_TRIES {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(&lock_path)
            .map_err(at("open the lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut file)),
            Err(TryLockError::Error(source)) => return Err(at("lock")(source)),
        }
        // The one who held it may have removed the file while we waited at its door.
        let ours = file.metadata().map_err(at("look at"))?;
        let there = fs::symlink_metadata(&lock_path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            file.set_len(0).map_err(at("write"))?;
            write!(file, "{}", std::process::id()).map_err(at("write"))?;
            return Ok((file, lock_path));
        }
    }
    Err(SocketError::InUse { path: path.into(), holder: "runtimes that come and go".into() })
}

fn in_use(path: &Path, lock: &mut File) -> SocketError {
    let mut text = String::new();
    let _ = lock.take(32).read_to_string(&mut text); // without its number it is still a runtime
    let holder = match text.trim().parse::<u32>() {
        Ok(process) => format!("a running runtime (process {process})"),
        Err(_) => "a running runtime".into(),
    };
    SocketError::InUse { path: path.into(), holder }
}

/// Removes a socket that nobody listens at. We hold the lock: no runtime of ours lives here.
fn remove_the_dead(path: &Path) -> Result<(), SocketError> {
    let at = |action| move |source| SocketError::Io { action, path: path.into(), source };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at("look at")(error)),
    };
    let what = match found {
        kind if kind.is_socket() => {
            if UnixStream::connect(path).is_ok() {
                let holder = "another program that listens there".into();
                return Err(SocketError::InUse { path: path.into(), holder });
            }
            return fs::remove_file(path).map_err(at("remove the socket of a dead runtime at"));
        }
        kind if kind.is_dir() => "a folder",
        kind if kind.is_symlink() => "a link",
        kind if kind.is_file() => "a plain file",
        _ => "something that is no socket",
    };
    Err(SocketError::NotASocket { path: path.into(), what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder for the test")
    }

    #[test]
    fn a_socket_is_for_its_owner_alone_and_removed_at_the_end() {
        let folder = folder();
        let path = folder.path().join("deep/control.sock");
        let (claim, _listener) = SocketClaim::listen(&path).expect("a free path");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder.path().join("deep")), 0o700);
        drop(claim);
        let left = fs::read_dir(folder.path().join("deep")).expect("the folder stays").count();
        assert_eq!(left, 0, "socket and lock are removed");
    }

    #[test]
    fn a_path_in_use_by_a_live_runtime_is_refused_with_its_process() {
        let folder = folder();
        let path = folder.path().join("control.sock");
        let _first = SocketClaim::listen(&path).expect("a free path");
        let error = SocketClaim::listen(&path).expect_err("the path is taken").to_string();
        let process = format!("in use by a running runtime (process {})", std::process::id());
        assert!(error.contains(&process), "{error}");
        assert!(error.contains("planaria stop --socket"), "{error}");
    }

    #[test]
    fn a_socket_left_by_a_dead_runtime_is_replaced() {
        let folder = folder();
        let path = folder.path().join("control.sock");
        drop(UnixListener::bind(&path).expect("a free path"));
        fs::write(folder.path().join("control.sock.lock"), "999999").expect("a dead one's lock");
        SocketClaim::listen(&path).expect("nobody lives there");
    }

    #[test]
    fn a_socket_of_another_program_that_listens_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("control.sock");
        let _other = UnixListener::bind(&path).expect("a free path");
        let error = SocketClaim::listen(&path).expect_err("somebody listens").to_string();
        assert!(error.contains("another program that listens there"), "{error}");
        assert!(path.exists());
    }

    #[test]
    fn a_path_taken_by_something_else_is_refused_and_left_alone() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "precious").expect("a file");
        fs::create_dir(path("folder")).expect("a folder");
        symlink(path("file"), path("link")).expect("a link");
        for (name, what) in [("file", "a plain file"), ("folder", "a folder"), ("link", "a link")] {
            let error = SocketClaim::listen(&path(name)).expect_err("it is taken").to_string();
            assert!(error.contains(what), "{error}");
            assert!(fs::symlink_metadata(path(name)).is_ok(), "{name} is still there");
        }
        assert_eq!(fs::read_to_string(path("file")).expect("still there"), "precious");
    }

    #[test]
    fn a_path_of_108_bytes_is_refused_and_one_of_107_is_not() {
        let folder = folder();
        let room = PATH_BYTES_MAX - folder.path().as_os_str().len() - 1;
        let longest = folder.path().join("s".repeat(room));
        SocketClaim::listen(&longest).expect("107 bytes fit");
        let error = SocketClaim::listen(&folder.path().join("s".repeat(room + 1)));
        let error = error.expect_err("108 bytes do not fit").to_string();
        assert!(error.contains("108 bytes, but a Unix socket's path holds 107"), "{error}");
    }

    #[test]
    fn a_private_folder_that_is_a_link_is_refused() {
        let folder = folder();
        let link = folder.path().join("planaria");
        symlink(folder.path(), &link).expect("a link");
        let error = prepare_folder(&link, true).expect_err("a link").to_string();
        assert!(error.contains("it is a link"), "{error}");
    }

    #[test]
    fn of_two_starts_at_once_exactly_one_gets_the_path() {
        let folder = folder();
        let path = folder.path().join("control.sock");
        for _ in 0..50 {
            let barrier = std::sync::Barrier::new(4);
            let won: Vec<bool> = std::thread::scope(|scope| {
                let one = || {
                    barrier.wait();
                    let claim = SocketClaim::listen(&path);
                    barrier.wait();
                    claim.is_ok()
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            });
            assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        }
    }
}
