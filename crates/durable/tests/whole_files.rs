//! What writing whole files promises, with readers beside it and with writers killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use planaria_durable::whole_file::{write, write_as};
use planaria_durable::{Access, DurableError, sweep};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_is_created_replaced_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for bytes in [b"first".as_slice(), b"", &[7; 100_000], b"last"] {
        write(&path, bytes).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert_eq!(names(folder.path()), ["file"]);
    assert_eq!(sweep(folder.path()).unwrap(), 0);
}

#[test]
fn a_private_file_is_its_owners_alone_also_when_it_replaces_a_public_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    write(&path, b"public").unwrap();
    assert_ne!(mode(), 0o600);
    write_as(&path, b"secret", Access::OwnerOnly).unwrap();
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_symbolic_link_is_replaced_and_its_target_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    fs::write(&target, b"old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    write(&link, b"new").unwrap();
    assert_eq!(
        (fs::read(&target).unwrap(), fs::read(&link).unwrap()),
        (b"old".into(), b"new".into())
    );
}

#[test]
fn every_failure_names_the_path_keeps_the_old_file_and_leaves_no_temporary() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("folder")).unwrap();
    fs::write(root.join("file"), b"old").unwrap();
    let refused = |path: &Path| {
        let error = write(path, b"new").unwrap_err();
        let message = error.to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(!message.ends_with('.'), "{message}");
        error
    };
    assert!(matches!(refused(&root.join("missing/file")), DurableError::NoFolder { .. }));
    assert!(matches!(refused(&root.join("file/below")), DurableError::NoFolder { .. }));
    assert!(matches!(refused(&root.join("folder")), DurableError::IsFolder { .. }));
    assert!(matches!(refused(Path::new("/")), DurableError::NoName { .. }));
    assert!(matches!(refused(&root.join("n".repeat(300))), DurableError::Failed { .. }));
    let mut left = names(root);
    left.sort();
    assert_eq!(left, ["file", "folder"]);
    assert_eq!(fs::read(root.join("file")).unwrap(), b"old");
    assert_eq!(sweep(root.join("missing")).unwrap(), 0);
}

#[test]
fn a_reader_sees_only_whole_files_while_writers_and_a_sweeper_are_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let size = 50_000;
    write(&path, &vec![0; size]).unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=2u8)
            .map(|value| {
                let path = &path;
                scope.spawn(move || (0..100).for_each(|_| write(path, &vec![value; size]).unwrap()))
            })
            .collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            let bytes = fs::read(&path).unwrap();
            assert!(bytes.len() == size && bytes.iter().all(|&byte| byte == bytes[0]));
            // It may take a file that its writer has not locked yet: the writer then takes another name and loses nothing.
            sweep(folder.path()).unwrap();
        }
    });
    assert_eq!(names(folder.path()), ["file"]);
}

const SIZE: usize = 8_000_000;
const FOLDER: &str = "PLANARIA_TEST_FOLDER";

/// Not a test of its own: the process that the next test kills. It writes for as long as it lives.
#[test]
#[ignore = "runs until it is killed"]
fn write_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    for round in 0..1_000_000u64 {
        write(Path::new(&folder).join("file"), &vec![round as u8; SIZE]).unwrap();
        println!("\nround {round}");
    }
}

#[test]
fn a_writer_killed_at_any_moment_leaves_a_whole_file_and_what_it_left_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let mut swept = 0;
    for kill in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "write_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The pipe stays open until the kill: a writer whose line nobody can read would end by itself.
        let mut rounds = lines.map(Result::unwrap).filter(|line| line.starts_with("round "));
        let seen = rounds.by_ref().take(kill % 3 + 1).count();
        assert_eq!(seen, kill % 3 + 1, "the writer lives");
        // Every other kill waits until a temporary file is seen, to come in the middle of a write.
        let in_a_write = || kill % 2 == 0 || names(folder.path()).len() > 1;
        assert!((0..1_000_000).any(|_| in_a_write()), "the writer goes on writing");
        child.kill().unwrap();
        child.wait().unwrap();
        drop(rounds);
        let bytes = fs::read(folder.path().join("file")).unwrap();
        assert!(bytes.len() == SIZE && bytes.iter().all(|&byte| byte == bytes[0]));
        swept += sweep(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["file"], "kill {kill}");
    }
    assert!(swept > 0, "at least one of the kills came in the middle of a write");
}
